"""Ratios of copies with known errors."""

import numpy as np
import pytest
from signals import RATE, excerpt, noise

from accomp.metrics.separation import CEILING_DB, FLOOR_DB, reproduction, separation


def test_sdr_of_added_noise_is_the_noise_ratio():
    truth, context = noise(4), noise(4)
    error = noise(4)
    answer = truth + 0.1 * error
    scores = separation(excerpt(answer, context, truth))
    assert scores["sdr_db"] == pytest.approx(20, abs=0.5)
    assert scores["sar_db"] == pytest.approx(20, abs=1.0)
    louder = separation(excerpt(2 * truth, context, truth))
    assert louder["sdr_db"] == pytest.approx(0, abs=0.1), "twice as loud is an error as large as the truth"
    assert louder["sar_db"] > 40, "but no artefact"
    assert set(separation(excerpt(truth, context, truth)).values()) == {CEILING_DB}


def test_separation_of_silence():
    truth, silence = noise(2), np.zeros(2 * RATE, np.float32)
    assert set(separation(excerpt(silence, noise(2), truth)).values()) == {FLOOR_DB}
    assert all(np.isnan(value) for value in separation(excerpt(truth, noise(2), silence)).values())


def test_reproduction_is_separation_without_a_context():
    truth = noise(4)
    found = reproduction(truth + 0.1 * noise(4), truth)
    assert found["sdr_db"] == pytest.approx(20, abs=0.5) and found["sar_db"] == pytest.approx(20, abs=1)
    quiet = reproduction(0.5 * truth, truth)
    assert quiet["sdr_db"] == pytest.approx(6.02, abs=0.1) and quiet["isr_db"] == pytest.approx(6.02, abs=0.1)
    assert quiet["sar_db"] > 40
    assert set(reproduction(0 * truth, truth).values()) == {FLOOR_DB}
    assert all(np.isnan(value) for value in reproduction(truth, 0 * truth).values())
