"""The beat grid of a song: the times of its beats and bar lines, and the phase of any moment within them."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class BeatGrid:
    """The pulse of a song: times of its beats and of the first beat of each bar, in seconds, ascending.

    Every downbeat is a beat. The last beat closes the song: the phase is defined up to it.
    """

    beats_s: np.ndarray
    downbeats_s: np.ndarray

    @cached_property
    def _bars(self) -> tuple[np.ndarray, np.ndarray]:
        """Per beat but the last: how many beats of its bar lie behind it (NaN before bar one), and its bar's length."""
        first = np.searchsorted(self.beats_s, self.downbeats_s - 1e-6)
        beat = np.arange(len(self.beats_s) - 1)
        bar = np.searchsorted(first, beat, side="right") - 1
        bounds = np.append(first, len(self.beats_s) - 1)
        # A song that ends inside a bar leaves that bar unfinished: take it to be as long as the one before.
        lengths = np.diff(bounds)
        if len(lengths) > 1 and bounds[-2] != bounds[-1]:
            lengths[-1] = max(lengths[-1], lengths[-2])
        if not len(first):
            return np.full(len(beat), np.nan), np.ones(len(beat))
        place = np.where(bar >= 0, beat - first[bar], np.nan)
        return place, np.where(bar >= 0, lengths[bar], 1)

    def position(self, times_s: np.ndarray) -> np.ndarray:
        """Positions in beats, counted from the first beat, of moments in seconds; NaN outside the song."""
        if len(self.beats_s) < 2:
            return np.full(np.shape(times_s), np.nan)
        count = np.arange(len(self.beats_s))
        return np.interp(times_s, self.beats_s, count, left=np.nan, right=np.nan)

    def phase(self, times_s: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """How far into its beat and its bar each moment lies, both in [0, 1), and how long that beat is in seconds.

        Shapes follow `times_s`. NaN outside the song. Within a bar the phase advances evenly from beat to beat, so a
        bar that slows down reaches its middle on its middle beat.
        """
        times_s = np.asarray(times_s, dtype=np.float64)
        beat_phase, bar_phase, period_s = (np.full(times_s.shape, np.nan) for _ in range(3))
        if len(self.beats_s) < 2:
            return beat_phase, bar_phase, period_s
        within = (times_s >= self.beats_s[0]) & (times_s < self.beats_s[-1])
        index = np.searchsorted(self.beats_s, times_s[within], side="right") - 1
        length = np.diff(self.beats_s)[index]
        # Division can round up to 1.0 just before the next beat.
        phase = np.minimum((times_s[within] - self.beats_s[index]) / length, np.nextafter(1.0, 0.0))
        place, beats_in_bar = self._bars
        beat_phase[within], period_s[within] = phase, length
        bar_phase[within] = np.minimum((place[index] + phase) / beats_in_bar[index], np.nextafter(1.0, 0.0))
        return beat_phase, bar_phase, period_s
