"""Spectral distances of copies with a known gain."""

import numpy as np
import pytest
from signals import noise

from accomp.metrics.spectral import FLOOR_DB as SPECTRAL_FLOOR_DB
from accomp.metrics.spectral import spectral


def test_a_copy_is_at_no_distance():
    truth = noise()
    assert spectral(truth, truth) == {"lsd_db": 0, "mr_stft": 0}


@pytest.mark.parametrize("gain", [0.5, 2.0])
def test_a_gain_is_a_known_distance(gain):
    """All levels differ by the gain, the spectrum converges to 1 - gain, and log magnitudes differ by ln gain."""
    truth = noise()
    found = spectral((gain * truth).astype(np.float32), truth)
    assert found["lsd_db"] == pytest.approx(abs(20 * np.log10(gain)), abs=0.02)
    assert found["mr_stft"] == pytest.approx(abs(1 - gain) + abs(np.log(gain)), abs=0.005)


def test_phase_does_not_matter_and_more_noise_is_farther():
    truth = noise()
    assert spectral(-truth, truth) == {"lsd_db": 0, "mr_stft": 0}
    near, far = (spectral(truth + level * noise(), truth) for level in (0.05, 0.5))
    assert 0 < near["lsd_db"] < far["lsd_db"] and 0 < near["mr_stft"] < far["mr_stft"]


def test_spectra_of_silence_are_at_the_floor():
    truth = noise()
    silent = spectral(np.zeros_like(truth), truth)
    assert 60 < silent["lsd_db"] < -SPECTRAL_FLOOR_DB
    assert all(np.isnan(value) for value in spectral(truth, np.zeros_like(truth)).values())
