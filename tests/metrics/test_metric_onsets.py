"""Onsets of plucked tones whose times are known."""

import numpy as np
import pytest
from signals import RATE, plucks

from accomp.metrics.onsets import REACH_S, onset_error, onsets_s


def test_onsets_are_where_the_plucks_are():
    times_s = np.array([0.5, 1.0, 1.37, 2.0, 3.21])
    np.testing.assert_allclose(onsets_s(plucks(times_s)), times_s, atol=0.006)
    assert len(onsets_s(np.zeros(RATE, np.float32))) == 0


@pytest.mark.parametrize("late_ms", [-20, 0, 3, 20])
def test_a_delay_is_the_onset_error(late_ms):
    times_s = np.array([0.5, 1.0, 1.37, 2.0, 3.21])
    found = onset_error(plucks(times_s + late_ms / 1000), plucks(times_s))
    assert found["onset_error_ms"] == pytest.approx(abs(late_ms), abs=0.3)
    assert found["onset_missed"] == 0


def test_what_is_not_played_is_missed_and_what_is_too_far_is_no_pair():
    truth = plucks([0.5, 1.0, 2.0, 3.0])
    assert onset_error(plucks([0.5, 1.0, 2.0]), truth) == {
        "onset_error_ms": pytest.approx(0, abs=0.1),
        "onset_missed": 0.25,
    }
    assert onset_error(plucks([0.8, 1.3, 2.3, 3.3]), truth) == {"onset_error_ms": 1e3 * REACH_S, "onset_missed": 1}
    assert onset_error(np.zeros_like(truth), truth)["onset_missed"] == 1
    assert np.isnan(onset_error(truth, np.zeros_like(truth))["onset_error_ms"])


def test_added_onsets_do_not_take_the_partner_of_a_true_one():
    truth, extra = [0.5, 1.0, 2.0], [0.5, 1.0, 1.6, 2.0, 2.6]
    assert onset_error(plucks(extra), plucks(truth))["onset_missed"] == 0
