"""Songs keep their music when they are cut, moved to another key and tempo, or played with the pedal."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from accomp.data.song import Control, Metre, Note, Part, Song, Tempo, pedalled

QUARTER = 480


def song_of(*notes, tempos=(Tempo(0, 500_000),), metres=(Metre(0, 4, 4),), controls=()):
    return Song(QUARTER, tempos, metres, (Part(0, False, "", tuple(notes), controls),))


@given(
    st.lists(st.tuples(st.integers(1, 4000), st.integers(200_000, 1_500_000)), min_size=1, max_size=6),
    st.floats(0, 100, allow_nan=False),
)
def test_ticks_and_seconds_agree_through_tempo_changes(changes, seconds):
    tempos = [Tempo(0, 500_000)]
    for gap, us in changes:
        tempos.append(Tempo(tempos[-1].tick + gap, us))
    song = song_of(Note(0, 10, 60, 90), tempos=tuple(tempos))
    tick = song.tick_at(seconds)
    assert song.seconds(tick) <= seconds + 1e-9
    assert song.seconds(tick + 1) > seconds - 1e-9


def test_a_cut_keeps_the_time_line():
    tempos = (Tempo(0, 500_000), Tempo(1000, 400_000), Tempo(4000, 700_000))
    notes = tuple(Note(tick, tick + 300, 60, 90) for tick in range(0, 8000, 400))
    song = song_of(*notes, tempos=tempos, metres=(Metre(0, 3, 4), Metre(1440, 4, 4)))
    start, end = song.bar_at(3500), 6000
    assert start == 1440 + 1920
    cut = song.cut(start, end)
    assert cut.metres == (Metre(0, 4, 4),)
    kept = [note for note in notes if start <= note.start < end]
    expected = song.seconds([note.start for note in kept]) - song.seconds(start)
    np.testing.assert_allclose(cut.seconds([note.start for note in cut.parts[0].notes]), expected, atol=1e-9)
    assert cut.end <= end - start


def test_a_cut_keeps_earlier_controllers_in_their_order():
    controls = (Control(0, 101, 0), Control(0, 100, 0), Control(0, 6, 12), Control(900, 11, 50), Control(2500, 11, 90))
    cut = song_of(Note(2000, 2400, 60, 90), Note(2600, 2700, 60, 90), controls=controls).cut(1920, 4000)
    assert cut.parts[0].controls == (*(c._replace(tick=0) for c in controls[:4]), Control(580, 11, 90))


@given(st.integers(-12, 12), st.floats(0.5, 2.0))
def test_another_key_and_tempo_is_the_same_music(semitones, speed):
    notes = tuple(Note(i * 100, i * 100 + 90, pitch, 90) for i, pitch in enumerate((0, 5, 60, 122, 127)))
    drums = Part(0, True, "", notes)
    song = song_of(*notes, tempos=(Tempo(0, 500_000), Tempo(250, 400_000)))
    song = Song(QUARTER, song.tempos, song.metres, (*song.parts, drums))
    other = song.varied(semitones, speed)
    assert other.parts[1] == drums and other.metres == song.metres
    for before, after in zip(notes, other.parts[0].notes, strict=True):
        assert 0 <= after.pitch <= 127 and (after.pitch - before.pitch - semitones) % 12 == 0
    assert other.parts[0].notes[2].pitch == 60 + semitones
    np.testing.assert_allclose(other.seconds([0, 250, 480]) * speed, song.seconds([0, 250, 480]), rtol=1e-5)
    assert song.varied(0, 1.0) == song


def test_the_pedal_holds_until_it_lifts_or_the_key_is_struck_again():
    controls = (Control(0, 64, 127), Control(1000, 64, 0))
    notes = (Note(0, 100, 60, 90), Note(200, 300, 62, 90), Note(500, 600, 60, 90), Note(1200, 1300, 60, 90))
    held = pedalled(song_of(*notes, controls=controls).parts[0])
    assert [note.end for note in held] == [500, 1000, 1000, 1300]
