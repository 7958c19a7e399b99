"""Pitch class profiles of audio: Fourier magnitudes folded onto the twelve pitch classes (Fujishima 1999)."""

from functools import cache

import numpy as np

from accomp.timeline import SAMPLE_RATE

TRIADS = [[(root + step) % 12 for step in chord] for root in range(12) for chord in ((0, 4, 7), (0, 3, 7))]
LOWEST_HZ, HIGHEST_HZ = 60.0, 2000.0  # fundamentals and near partials; cymbals and noise stay out


def chroma(audio: np.ndarray) -> np.ndarray:
    """Pitch class profile (12,) of audio (N,), C first, summing to 1 (zeros if nothing sounds in range)."""
    hann, first, pitch_class, bins = _folding(len(audio))
    magnitude = np.abs(np.fft.rfft(audio * hann))[first : first + len(pitch_class)]
    # Pitch classes own unequal numbers of Fourier bins: the mean per bin, not the sum, compares fairly.
    profile = np.bincount(pitch_class, weights=magnitude, minlength=12) / np.maximum(bins, 1)
    return profile / profile.sum() if profile.sum() > 0 else profile


@cache
def _folding(samples: int) -> tuple[np.ndarray, int, np.ndarray, np.ndarray]:
    """The Hann window, the first Fourier bin in range, the pitch class of it and those after it, the bins of each class."""
    hz = np.fft.rfftfreq(samples, 1 / SAMPLE_RATE)
    inside = (hz >= LOWEST_HZ) & (hz <= HIGHEST_HZ)
    pitch_class = np.round(12 * np.log2(hz[inside] / 440.0) + 9).astype(int) % 12
    return np.hanning(samples), int(inside.argmax()), pitch_class, np.bincount(pitch_class, minlength=12)
