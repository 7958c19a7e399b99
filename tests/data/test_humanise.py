"""Human timing: small, repeatable, tighter for drums, and nothing else about the song changes."""

import numpy as np
import pytest

from accomp.data.humanise import LEAST_TICKS_PER_QUARTER, finely_timed, humanised
from accomp.data.midi import read_song, write_song
from accomp.data.song import Control, Metre, Note, Part, Song, Tempo


def machine_song(ticks_per_quarter=96, us_per_quarter=500_000):
    """100 bars: chords on every beat, repeated bass notes that touch, drums on every eighth."""
    quarter, beats = ticks_per_quarter, range(400)
    chords = tuple(Note(b * quarter, (b + 1) * quarter, p, 80) for b in beats for p in (60, 64, 67))
    bass = tuple(Note(b * quarter, (b + 1) * quarter, 36, 80) for b in beats)
    drums = tuple(Note(e * quarter // 2, e * quarter // 2 + 2, 42, 80) for e in range(800))
    parts = (
        Part(0, False, "piano", chords, (Control(3 * quarter, 64, 127),)),
        Part(33, False, "bass", bass),
        Part(0, True, "drums", drums),
    )
    return Song(ticks_per_quarter, (Tempo(0, us_per_quarter),), (Metre(0, 4, 4),), parts)


def moved_s(before, after, part):
    """Seconds by which each note of a part begins later than written; chords in the order of their pitches."""
    seconds = [
        song.seconds([n.start for n in sorted(song.parts[part].notes, key=lambda n: (n.pitch, n.start))])
        for song in (before, after)
    ]
    return seconds[1] - seconds[0]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("ticks_per_quarter", [96, 192, 480, 1920])
def test_notes_move_a_little_and_drums_less(ticks_per_quarter, seed):
    before = machine_song(ticks_per_quarter)
    after = humanised(before, seed)
    assert after.ticks_per_quarter >= LEAST_TICKS_PER_QUARTER
    for part, (least, most, limit) in enumerate([(0.005, 0.028, 0.09), (0.005, 0.028, 0.09), (0.003, 0.010, 0.03)]):
        moved = moved_s(before, after, part)[1:]  # the first note cannot begin before the song
        assert least * 0.8 < np.std(moved) < most and np.abs(moved).max() < limit
        assert abs(np.mean(moved)) < 0.01
    assert after.tempos == before.tempos and after.metres == before.metres
    assert [len(part.notes) for part in after.parts] == [len(part.notes) for part in before.parts]


def test_a_chord_stays_nearly_together():
    after = humanised(machine_song(), 1)
    starts = np.array([n.start for n in sorted(after.parts[0].notes, key=lambda n: (n.pitch, n.start))]).reshape(3, -1)
    within = np.ptp(after.seconds(starts), axis=0)
    assert 0 < np.mean(within) < 0.5 * np.std(moved_s(machine_song(), after, 0))


def test_there_is_a_slow_drift():
    moved = moved_s(machine_song(), humanised(machine_song(), 2), 1)
    slow = np.convolve(moved, np.ones(8) / 8, "valid")
    chance = np.convolve(np.random.default_rng(0).permutation(moved), np.ones(8) / 8, "valid")
    assert np.std(slow) > 1.2 * np.std(chance)


def test_repeated_notes_never_sound_into_each_other(tmp_path):
    after = humanised(machine_song(), 3)
    write_song(tmp_path / "song.mid", after)
    for part in (after.parts[1], read_song(tmp_path / "song.mid").parts[1]):
        assert all(a.start < a.end <= b.start for a, b in zip(part.notes, part.notes[1:], strict=False))


def test_loudness_varies_and_stays_midi():
    after = humanised(machine_song(), 4)
    for part in after.parts:
        velocities = [note.velocity for note in part.notes]
        assert 2 < np.std(velocities) < 12 and min(velocities) >= 1 and max(velocities) <= 127


def test_one_seed_gives_one_song():
    assert humanised(machine_song(), 5) == humanised(machine_song(), 5)
    assert humanised(machine_song(), 5) != humanised(machine_song(), 6)


def test_finer_ticks_change_no_time():
    before = machine_song(120)
    after = finely_timed(before)
    assert after.ticks_per_quarter == 960 and after.end / 960 == before.end / 120
    assert after.parts[0].controls[0].tick == 3 * 960
    assert finely_timed(machine_song(1000)) == machine_song(1000)
    assert float(after.seconds(after.end)) == pytest.approx(float(before.seconds(before.end)))
    assert humanised(Song(96, before.tempos, before.metres, (Part(0, False, "", ()),)), 0).parts[0].notes == ()
