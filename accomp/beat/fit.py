"""Finds the pulses that the pointers of a tracker follow: one with a long memory, one that drifts, one with a short memory.

A matched filter: |sum of w_t z_t exp(-2 pi i phase_t)| is largest for the phase along which the pointers z turn; the weights
w decay into the past. The long memory is the most exact where the tempo is steady, the drifting one where it changes evenly,
the short one after it has jumped.
"""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from accomp.beat.pulse import Pulse, bend
from accomp.timeline import SAMPLE_RATE

SLOWEST, FASTEST = 40, 240  # beats per minute
LONG_S, DRIFTING_S, SHORT_S = 4.0, 2.0, 1.2  # time constants of the weights
STEEPEST = 2.0  # change of tempo, beats per minute and second
PLACES = 13  # of tempo and of drift tried around a first estimate
SPREAD = 0.08  # of the tempo, to either side of it


@dataclass(frozen=True)
class Evidence:
    """Pointers (T,) as complex numbers, 0 where nothing was heard, of the frames that end before frame `stop`."""

    beat: np.ndarray
    bar: np.ndarray
    heard: np.ndarray  # (T,) whether somebody played
    stop: int
    rate: float  # frames per second

    @property
    def frames(self) -> np.ndarray:
        return np.arange(self.stop - len(self.beat), self.stop)

    def weights(self, memory_s: float) -> np.ndarray:
        """Weights that decay into the past with this time constant, 0 where nothing was heard."""
        return np.exp((self.frames - self.stop + 1) / (memory_s * self.rate)) * self.heard


def pulses(evidence: Evidence) -> list[Pulse]:
    """The pulses with a long memory, drifting, and with a short memory; empty when the pointers are zero."""
    found = []
    for memory_s, drifts in ((LONG_S, False), (DRIFTING_S, True), (SHORT_S, False)):
        z = evidence.beat * evidence.weights(memory_s)
        frequencies, filters = _filters(len(z), evidence.rate)
        response = np.abs(filters @ z.astype(np.complex64))
        best = int(response.argmax())
        if response[best] < 1e-6:
            return []
        frequency = _peak(frequencies, response, best)
        found.append(_drifting(z, evidence, frequency) if drifts else _pulse(z, evidence, frequency))
    return found


def _pulse(z: np.ndarray, evidence: Evidence, frequency: float, drift: float = 0.0) -> Pulse:
    """The pulse of this tempo and drift, in the phase of the weighted pointers z."""
    pulse = Pulse(evidence.stop, 0.0, frequency, drift=drift)
    response = np.vdot(np.exp(2j * np.pi * pulse.phase(evidence.frames, round(SAMPLE_RATE / evidence.rate))), z)
    return replace(pulse, beat=np.angle(response) / (2 * np.pi) % 1)


def _drifting(z: np.ndarray, evidence: Evidence, frequency: float) -> Pulse:
    """The best tempo now and drift around a first estimate of the tempo, which is that of some seconds ago."""
    t = evidence.frames - evidence.stop
    steepest = STEEPEST / 60 / evidence.rate**2
    drifts = np.linspace(-steepest, steepest, PLACES)
    tempi = frequency * np.linspace(1 - SPREAD, 1 + SPREAD, PLACES)
    turned = np.exp(-2j * np.pi * np.outer(tempi, t)) * z
    response = np.abs(turned @ np.exp(-2j * np.pi * np.outer(bend(t, evidence.rate), drifts)))
    i, k = np.unravel_index(response.argmax(), response.shape)
    return _pulse(z, evidence, _peak(tempi, response[:, k], i), _peak(drifts, response[i], k))


@lru_cache(4)
def _filters(count: int, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """The tempi tried, in beats per frame, and a filter over the last `count` frames for each."""
    frequencies = np.geomspace(SLOWEST, FASTEST, 600) / 60 / rate
    return frequencies, np.exp(-2j * np.pi * np.outer(frequencies, np.arange(-count, 0))).astype(np.complex64)


def _peak(x: np.ndarray, y: np.ndarray, i: int) -> float:
    """The place of the peak of the parabola through a maximum and its neighbours."""
    if not 0 < i < len(x) - 1:
        return float(x[i])
    a, b, c = y[i - 1 : i + 2]
    shift = 0.5 * (a - c) / (a - 2 * b + c) if a - 2 * b + c else 0.0
    return float(np.interp(i + shift, np.arange(len(x)), x))
