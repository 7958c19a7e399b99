"""From frames to beats and back."""

import math

import numpy as np
import pytest

from accomp.beat.pulse import Pulse
from accomp.plan.beats import beat_lines, beat_means, frames_of, unwrapped
from accomp.timeline import SAMPLE_RATE


def test_positions_are_counted_on_from_phase_to_phase():
    true = 3.2 + np.arange(200) / 10.7
    found = unwrapped(true % 1.0, np.full(200, 10.7), before=3.2 - 1 / 10.7)
    np.testing.assert_allclose(found, true, atol=1e-9)


def test_where_the_clock_is_silent_the_tempo_goes_on():
    true = np.arange(60) / 8
    phase = true % 1.0
    phase[20:40] = np.nan
    np.testing.assert_allclose(unwrapped(phase, np.full(60, 8.0), np.nan), true, atol=1e-9)
    assert np.isnan(unwrapped(np.full(3, np.nan), np.full(3, 8.0), np.nan)).all()


def test_a_correction_of_the_phase_moves_by_less_than_a_beat():
    true = np.arange(40) / 8
    phase = true % 1.0
    phase[20:] = (phase[20:] + 0.3) % 1.0
    found = unwrapped(phase, np.full(40, 8.0), np.nan)
    assert np.abs(found - true).max() < 0.31


def test_means_of_complete_beats():
    rows = np.arange(8.0)[None]
    position = np.array([np.nan, 0.0, 0.5, 1.0, 1.5, 1.9, 2.0, 2.5])
    np.testing.assert_allclose(beat_means(rows, position), [[1.5], [4.0]])
    assert beat_means(rows, np.full(8, np.nan)).shape == (0, 1)


def test_frames_of_positions():
    position = np.concatenate([[np.nan, np.nan], np.arange(10) / 2])
    assert frames_of(np.array([0.0, 1.0, 2.6]), position).tolist() == [2, 4, 7]


@pytest.mark.parametrize(("beats_in_bar", "bpm"), [(4, 120.0), (3, 87.0), (7, 170.0)])
def test_the_beats_ahead_are_where_the_pulse_has_them(beats_in_bar, bpm):
    hop, at = 2048, 10.0
    frequency = bpm / 60 * hop / SAMPLE_RATE
    pulse = Pulse(at, 0.0, frequency, 2 / beats_in_bar, beats_in_bar)  # the third beat of the bar lies at frame 10
    lines = beat_lines(pulse.features(100, 400, hop), 100, hop)
    first = math.ceil((100 - at) * frequency)
    expected = [(at + k / frequency) * hop for k in range(first, first + len(lines))]
    assert np.abs(np.array([line.sample for line in lines]) - expected).max() < 2
    assert [line.number for line in lines] == [(2 + k) % beats_in_bar for k in range(first, first + len(lines))]
    assert {line.beats_in_bar for line in lines} == {beats_in_bar}


def test_where_no_clock_is_there_are_no_beats_and_where_no_bar_is_no_bar_lines():
    assert beat_lines(np.zeros((10, 50), np.float32), 0, 2048) == []
    features = Pulse(0.0, 0.0, 0.1, 0.0, 4).features(0, 100, 2048)
    features[4:8] = 0
    lines = beat_lines(features, 0, 2048)
    assert len(lines) == 10 and {line.number for line in lines} == {-1}
