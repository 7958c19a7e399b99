"""Songs that rest, change their tempo and stand in other metres."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from accomp.data.beats import grid_of
from accomp.data.living import (
    at_tempo,
    half_a_beat_late,
    in_compound_metre,
    in_metre,
    lived,
    repeated,
    with_rest,
    with_tempo,
)
from accomp.data.song import Metre, Note, Part, Song, Tempo
from accomp.errors import UserError

QUARTER = 480


def song(bars=16):
    """120 beats a minute, a note of the beat's number on every beat."""
    notes = tuple(Note(i * QUARTER, i * QUARTER + QUARTER, 40 + i % 4, 90) for i in range(4 * bars))
    return Song(QUARTER, (Tempo(0, 500_000),), (Metre(0, 4, 4),), (Part(0, False, "piano", notes),))


def test_in_a_rest_nothing_sounds_and_the_beat_goes_on():
    rested = with_rest(song(), 5.25, 9.0)
    (notes,) = (part.notes for part in rested.parts)
    spans = rested.seconds(np.array([note[:2] for note in notes]))
    assert not ((spans[:, 0] < 9.0) & (spans[:, 1] > 5.26)).any()
    assert len(notes) == 64 - 7 and spans[:, 0].max() == 31.5  # beats at 5.5 to 8.5 s
    np.testing.assert_array_equal(grid_of(rested).beats_s, grid_of(song()).beats_s)


def test_a_step_changes_the_tempo_from_a_bar_line_on():
    beats = np.diff(grid_of(with_tempo(song(), 8.9, 1.25)).beats_s)  # bar 5 begins at 8 s
    np.testing.assert_allclose(beats, [0.5] * 16 + [0.4] * (len(beats) - 16))


def test_a_ramp_changes_it_evenly():
    bpm = 60 / np.diff(grid_of(with_tempo(song(), 8.0, 1.5, ramp_s=8.0)).beats_s)
    np.testing.assert_allclose(bpm[:16], 120)
    np.testing.assert_allclose(np.diff(bpm[16:33]), 60 / 16, rtol=1e-3)
    np.testing.assert_allclose(bpm[32:], 180, rtol=1e-4)


@pytest.mark.parametrize("beats", [2, 3, 5, 6, 7])
def test_a_song_in_another_metre_keeps_the_first_beats_of_its_bars(beats):
    changed = in_metre(song(), beats)
    grid = grid_of(changed)
    np.testing.assert_allclose(np.diff(grid.downbeats_s), beats * 0.5)
    pitches = np.array([note.pitch for note in changed.parts[0].notes]) - 40
    bar = np.arange(beats) % 4
    np.testing.assert_array_equal(pitches[: 2 * beats], [*bar, *bar])
    assert all(note.end <= following.start for note, following in pairwise(changed.parts[0].notes))


def test_a_song_in_another_metre_than_four_is_refused():
    with pytest.raises(UserError, match="4/4"):
        in_metre(in_metre(song(), 3), 5)


def test_a_song_that_is_repeated_goes_on_at_the_next_bar_line():
    long = repeated(song(bars=4), 20.5)  # 8 s, three times
    (part,) = long.parts
    np.testing.assert_array_equal([note.start for note in part.notes], np.arange(3 * 16) * QUARTER)
    np.testing.assert_allclose(np.diff(grid_of(long).beats_s), 0.5)
    assert grid_of(long).downbeats_s[-1] >= 20.5 and long.metres == (Metre(0, 4, 4),)


@pytest.mark.parametrize(("change", "length_s"), [(lambda s: s, 0.6), (in_compound_metre, 0.6)])
def test_a_tempo_is_that_of_the_beats_of_its_metre(change, length_s):
    np.testing.assert_allclose(np.diff(grid_of(at_tempo(change(song()), 100)).beats_s), length_s, rtol=1e-4)


def test_who_comes_half_a_beat_late_keeps_the_tempo():
    late = half_a_beat_late(song(), 8.3)  # bar 5 begins at 8 s
    starts = late.seconds([note.start for note in late.parts[0].notes])
    np.testing.assert_allclose(starts, np.arange(64) * 0.5 + np.where(np.arange(64) < 16, 0, 0.25))
    np.testing.assert_allclose(grid_of(late).beats_s[:16], starts[:16])
    np.testing.assert_allclose(grid_of(late).downbeats_s[:7], [0, 2, 4, 6, 8, 8.25, 10.25])


@pytest.mark.parametrize("beats", [2, 3, 4])
def test_in_a_compound_metre_beats_keep_their_places_and_their_halves_become_late_thirds(beats):
    straight = in_metre(song(), beats) if beats != 4 else song()
    halves = tuple(note._replace(start=note.start + QUARTER // 2) for note in straight.parts[0].notes)
    straight = replace(straight, parts=(*straight.parts, replace(straight.parts[0], notes=halves)))
    compound = in_compound_metre(straight)
    assert compound.metres == (Metre(0, 3 * beats, 8),)
    np.testing.assert_allclose(grid_of(compound).downbeats_s[:5], np.arange(5) * beats * 0.5, atol=1e-4)
    first, second = (compound.seconds([note.start for note in part.notes]) for part in compound.parts)
    np.testing.assert_allclose(first, np.arange(len(first)) * 0.5, atol=1e-3)
    np.testing.assert_allclose(second - first, 0.5 * 2 / 3, atol=2e-3)


def test_a_song_that_is_in_eighths_already_is_refused():
    with pytest.raises(UserError, match="quarter notes"):
        in_compound_metre(in_compound_metre(song()))


def test_of_many_songs_some_rest_change_their_tempo_stand_in_every_metre_and_have_no_drums():
    (part,) = song(bars=40).parts
    whole = replace(song(), parts=(part, replace(part, is_drum=True)))
    made = [lived(whole, seed, 30.0) for seed in range(200)]
    assert lived(whole, 3, 30.0) == made[3]
    metres = {m.metres[0][1:] for m in made}
    assert metres == {(n, 4) for n in range(2, 8)} | {(6, 8), (9, 8), (12, 8)}
    assert all(len(m.metres) == 1 for m in made)
    shares = [np.mean([len(m.tempos) > 1 for m in made]), np.mean([len(m.parts) == 1 for m in made])]
    rests = [max(np.diff(m.seconds([note.start for note in m.parts[0].notes]))) > 1.9 for m in made]
    np.testing.assert_allclose([*shares, np.mean(rests)], [0.5, 0.25, 0.6], atol=0.1)


def test_a_song_in_another_metre_than_four_keeps_it():
    waltz = in_metre(song(), 3)
    assert {lived(waltz, seed, 20.0).metres for seed in range(20)} == {waltz.metres}
