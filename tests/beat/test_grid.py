"""The phase of beat and bar at known moments of a grid."""

import numpy as np

from accomp.beat.grid import BeatGrid


def test_phase_at_known_moments():
    grid = BeatGrid(np.array([1.0, 1.5, 2.0, 3.0, 4.0]), np.array([1.0, 2.0, 4.0]))
    beat, bar, period = grid.phase(np.array([[0.9, 1.0, 1.25], [2.5, 3.0, 4.0]]))
    np.testing.assert_allclose(beat, [[np.nan, 0, 0.5], [0.5, 0, np.nan]])
    np.testing.assert_allclose(bar, [[np.nan, 0, 0.25], [0.25, 0.5, np.nan]])
    np.testing.assert_allclose(period, [[np.nan, 0.5, 0.5], [1, 1, np.nan]])


def test_beats_before_the_first_bar_line_have_no_bar():
    grid = BeatGrid(np.array([0.0, 1.0, 2.0, 3.0]), np.array([1.0, 3.0]))
    beat, bar, _ = grid.phase(np.array([0.5, 1.5]))
    np.testing.assert_allclose(beat, [0.5, 0.5])
    np.testing.assert_allclose(bar, [np.nan, 0.25])
