"""Signals whose scores are known."""

import numpy as np

from accomp.metrics.contract import Excerpt

RATE = 44_100
RNG = np.random.default_rng(0)


def tone(hz: float, seconds: float = 3, level: float = 0.3) -> np.ndarray:
    time_s = np.arange(round(seconds * RATE)) / RATE
    return (level * sum(np.sin(2 * np.pi * hz * k * time_s) / k for k in (1, 2, 3))).astype(np.float32)


def noise(seconds: float = 2) -> np.ndarray:
    """Unlike every other noise."""
    return (0.1 * RNG.standard_normal(round(seconds * RATE))).astype(np.float32)


def excerpt(answer, context, truth=None, stem="bass") -> Excerpt:
    return Excerpt(stem, answer, context, answer if truth is None else truth, np.zeros(0))


def plucks(times_s, seconds: float = 4, hz: float = 220) -> np.ndarray:
    """Decaying tones that begin at the given times."""
    time_s = np.arange(round(seconds * RATE)) / RATE
    audio = np.zeros(len(time_s))
    for start_s in times_s:
        since_s = time_s - start_s
        tone = np.exp(-8 * since_s.clip(0)) * sum(np.sin(2 * np.pi * hz * k * since_s) / k for k in range(1, 9))
        audio += 0.2 * tone * (since_s >= 0)
    return audio.astype(np.float32)
