"""Rolls of keys and strokes, frame by frame, from the seconds of the notes."""

import numpy as np
import pytest

from accomp.data.notes import Notes, note_roll

NOTES = Notes(
    np.array([0.0, 0.25, 0.5, 0.5]), np.array([0.2, 0.9, 0.51, 0.6]), np.array([60, 64, 38, 3]),
    np.array([100, 100, 96, 100]), np.array([False, False, True, False]),
)  # fmt: skip


def test_keys_begin_go_on_and_end_in_their_frames():
    roll = note_roll(NOTES, 0.0, 10, 0.1)
    assert roll[60 - 21].tolist() == [2, 1] + [0] * 8
    assert roll[64 - 21].tolist() == [0, 0, 2, 1, 1, 1, 1, 1, 1, 0]
    assert roll[88 + 1].tolist() == [0] * 5 + [1.5] + [0] * 4
    assert roll.sum() == pytest.approx(3 + 8 + 1.5), "a key below the piano's lowest is left out"


def test_an_excerpt_is_a_part_of_the_roll_and_what_began_before_it_goes_on():
    assert np.array_equal(note_roll(NOTES, 0.4, 5, 0.1)[64 - 21], [1, 1, 1, 1, 1])
    np.testing.assert_array_equal(note_roll(NOTES, 0.2, 6, 0.1)[88:], note_roll(NOTES, 0.0, 8, 0.1)[88:, 2:])


def test_transposition_moves_keys_and_not_strokes():
    moved, plain = note_roll(NOTES, 0.0, 10, 0.1, semitones=2), note_roll(NOTES, 0.0, 10, 0.1)
    np.testing.assert_array_equal(moved[2:88], plain[:86])
    np.testing.assert_array_equal(moved[88:], plain[88:])
