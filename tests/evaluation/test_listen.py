"""What is heard and played before the scored part changes no figure of it."""

import numpy as np

from accomp.beat.chords import BeatChords
from accomp.beat.grid import BeatGrid
from accomp.evaluation.songs import Song
from accomp.timeline import SAMPLE_RATE


def test_beats_of_the_scored_part_count_from_its_first_sample():
    audio = {"bass": np.zeros(8 * SAMPLE_RATE, np.float32)}
    grid = BeatGrid(np.arange(-1.0, 9.0), np.arange(-1.0, 9.0, 4))
    chords = BeatChords(grid.beats_s, np.zeros(9, int), np.zeros((9, 12), bool), ("",) * 9)
    song = Song("T", 0, audio, audio, audio, grid, chords, lead=3 * SAMPLE_RATE)
    assert song.beats_until(6 * SAMPLE_RATE).tolist() == [0, 1, 2]
    assert song.downbeats_until(8 * SAMPLE_RATE).tolist() == [0, 4]
    assert chords.shifted(3.0).at(np.array([0.5])) == 4
