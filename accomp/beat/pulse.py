"""A steady beat: where it lies, and the fit that finds it in the output of the beat tracker."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from accomp.beat.clock import clock_features
from accomp.timeline import SAMPLE_RATE


@dataclass(frozen=True)
class Pulse:
    """A steady beat: phase(t) = beat + frequency * (t - at), in beats, frames and beats per frame; the bar likewise."""

    at: float  # frame
    beat: float  # phase of the beat at that frame, in [0, 1)
    frequency: float  # beats per frame
    bar: float  # phase of the bar at that frame, in [0, 1)
    beats_in_bar: int
    confidence: float = 1.0  # 0..1

    def features(self, start: int, stop: int, hop: int) -> np.ndarray:
        """Clock features (CLOCK_FEATURES, T) of frames [start, stop), each of `hop` samples."""
        beats = self.frequency * (np.arange(start, stop) - self.at)  # since `at`
        period_s = np.full(stop - start, hop / SAMPLE_RATE / self.frequency)
        return clock_features((self.beat + beats) % 1, (self.bar + beats / self.beats_in_bar) % 1, period_s)


def fit_pulse(pointers: np.ndarray, at: int, hop: int, memory_s: float = 6.0) -> Pulse | None:
    """The pulse that explains the pointers (T, 4) best, T frames that end before frame `at`; None when there is none.

    A matched filter: |sum of w_t z_t exp(-2 pi i f t)| is largest where the pointers turn at frequency f; the weight w
    decays with the time constant memory_s. Tempi between 40 and 240 beats per minute are tried.
    """
    rate = SAMPLE_RATE / hop  # frames per second
    t = np.arange(-len(pointers), 0)
    weight = np.exp(t / (memory_s * rate))
    z = (pointers[:, 1] + 1j * pointers[:, 0]) * weight
    bar = (pointers[:, 3] + 1j * pointers[:, 2]) * weight
    frequencies, filters = _matched_filters(len(pointers), rate)
    response = np.abs(filters @ z)
    best = int(response.argmax())
    if response[best] < 1e-6:
        return None
    frequency = _refine(frequencies, response, best)
    beat = np.vdot(np.exp(2j * np.pi * frequency * t), z)
    bars = {n: np.vdot(np.exp(2j * np.pi * frequency / n * t), bar) for n in (2, 3, 4)}
    beats_in_bar = max(bars, key=lambda n: abs(bars[n]))
    place = np.angle(bars[beats_in_bar]) / (2 * np.pi)
    phase = np.angle(beat) / (2 * np.pi) % 1
    # A bar begins on a beat: keep the beat's phase and take from the bar only which beat it is.
    place = (round(place * beats_in_bar - phase) + phase) / beats_in_bar % 1
    return Pulse(at, phase, frequency, place, beats_in_bar, min(float(abs(beat) / weight.sum()), 1.0))


@lru_cache(4)
def _matched_filters(count: int, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """The tempi tried, in beats per frame, and a filter over the last `count` frames for each."""
    frequencies = np.geomspace(40, 240, 600) / 60 / rate
    return frequencies, np.exp(-2j * np.pi * np.outer(frequencies, np.arange(-count, 0))).astype(np.complex64)


def _refine(x: np.ndarray, y: np.ndarray, i: int) -> float:
    """The place of the peak of the parabola through a maximum and its neighbours."""
    if not 0 < i < len(x) - 1:
        return float(x[i])
    a, b, c = y[i - 1 : i + 2]
    shift = 0.5 * (a - c) / (a - 2 * b + c) if a - 2 * b + c else 0.0
    return float(np.interp(i + shift, np.arange(len(x)), x))
