"""Songs that rest, change their tempo and stand in other metres."""

from itertools import pairwise

import numpy as np
import pytest

from accomp.data.beats import grid_of
from accomp.data.living import in_metre, with_rest, with_tempo
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
