"""Level, silence and likeness to the context of signals whose answer is known."""

import numpy as np
import pytest
from signals import RATE, excerpt, noise

from accomp.metrics.levels import correlation, levels, silence_ratio


def test_levels_of_a_sine_and_of_silence():
    sine = np.sin(2 * np.pi * 100 * np.arange(RATE) / RATE).astype(np.float32)
    assert levels(excerpt(sine, noise(1)))["rms_db"] == pytest.approx(-3.01, abs=0.01)
    assert levels(excerpt(0 * sine, noise(1))) == {"rms_db": -120, "silence_ratio": 1, "context_correlation": 0}


def test_half_silent_is_half_silent():
    audio = noise(2)
    audio[RATE:] = 0
    assert silence_ratio(audio) == pytest.approx(0.5, abs=0.03)
    assert silence_ratio(np.zeros(0)) == 1


@pytest.mark.parametrize("lag", [0, 1000, 2 * RATE])
def test_a_late_quiet_inverted_copy_is_found(lag):
    context = noise(8)
    copy = np.zeros_like(context)
    copy[lag:] = -0.1 * context[: len(context) - lag]
    assert correlation(copy, context) == pytest.approx(np.sqrt(1 - lag / len(context)), abs=0.02)
    assert correlation(noise(8), context) < 0.05
