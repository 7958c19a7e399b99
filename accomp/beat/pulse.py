"""A beat and its bar as a formula: where they lie before and after one frame."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from accomp.beat.clock import clock_features
from accomp.timeline import SAMPLE_RATE

SURE = 0.1  # confidence from which the network is told a pulse as a known one, less than that in proportion
REACH_S = 3.0  # so far from its frame the tempo of a pulse goes on changing


def bend(t: np.ndarray, rate: float) -> np.ndarray:
    """By how many beats a drift of 1 moves the phase t frames away: t^2 / 2 within REACH_S, and on in a straight line."""
    near = np.clip(t, -REACH_S * rate, REACH_S * rate)
    return near * t - near**2 / 2


@dataclass(frozen=True)
class Pulse:
    """A beat whose tempo is steady or changes evenly: phases in [0, 1), frames, and beats per frame.

    In REACH_S on both sides of frame `at` the phase is beat + frequency t + drift t^2 / 2 with t = frame - at; beyond
    that the tempo stays as it is there.
    """

    at: float  # frame
    beat: float  # phase of the beat at that frame
    frequency: float  # beats per frame at that frame
    bar: float = np.nan  # phase of the bar at that frame; NaN: not known
    beats_in_bar: int = 0  # 0: not known
    confidence: float = 1.0  # 0..1
    drift: float = 0.0  # change of the frequency per frame

    def beats(self, frames: np.ndarray, hop: int) -> np.ndarray:
        """Beats since `at` until each frame."""
        t = np.asarray(frames, float) - self.at
        return self.frequency * t + self.drift * bend(t, SAMPLE_RATE / hop)

    def phase(self, frames: np.ndarray, hop: int) -> np.ndarray:
        """Position in beats at each frame, whole beats counted from `at`."""
        return self.beat + self.beats(frames, hop)

    def moved(self, frame: int, hop: int) -> Self:
        """The same pulse written down for another frame, steady from there on."""
        beats, (before, after) = float(self.beats(frame, hop)), self.beats(np.array([frame - 0.5, frame + 0.5]), hop)
        bar = (self.bar + beats / self.beats_in_bar) % 1 if self.beats_in_bar else np.nan
        return replace(self, at=frame, beat=(self.beat + beats) % 1, frequency=after - before, bar=bar, drift=0.0)

    def rescaled(self, hop: int, new_hop: int) -> Self:
        """The same pulse in frames of `new_hop` samples instead of `hop`."""
        ratio = hop / new_hop
        return replace(self, at=self.at * ratio, frequency=self.frequency / ratio, drift=self.drift / ratio**2)

    def features(self, start: int, stop: int, hop: int) -> np.ndarray:
        """Clock features (CLOCK_FEATURES, T) of frames [start, stop), each of `hop` samples."""
        frames = np.arange(start, stop)
        beats = self.beats(frames, hop)
        frequency = np.diff(self.beats(np.arange(start, stop + 1) - 0.5, hop)).clip(1e-6)
        bar = (self.bar + beats / self.beats_in_bar) % 1 if self.beats_in_bar else np.full(len(frames), np.nan)
        return clock_features((self.beat + beats) % 1, bar, hop / SAMPLE_RATE / frequency, min(self.confidence / SURE, 1.0))
