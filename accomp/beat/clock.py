"""The beat of the frames to come, as the network is told it: phase of beat and bar, tempo, confidence.

A clock takes the player's latents and answers for any frame, past or future; all frames are absolute, counted from the
session's start. `NoClock` knows no beat; `GridClock` reads a known grid (ground truth in evaluation).
"""

from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from accomp.beat.grid import BeatGrid
from accomp.timeline import SAMPLE_RATE

CLOCK_FEATURES = 10  # see `clock_features`


class Clock(Protocol):
    def reset(self) -> None:
        """Forget the session."""

    def listen(self, latents: Tensor, start: int, heard: np.ndarray | None = None) -> None:
        """Take the player's latents (B, C, T) of the frames from `start` on, in ascending order; frames may be left out.

        `heard` (B, T) says in which of them somebody plays; None: in all.
        """

    def features(self, start: int, stop: int) -> Tensor:
        """Clock features of frames [start, stop): (1 or B, CLOCK_FEATURES, T); all zeros means no clock."""

    def estimate(self) -> tuple[float, float]:
        """Beats per minute of the first batch item at the live edge, and how sure that is, 0..1; (0, 0): no beat."""


def clock_features(beat: np.ndarray, bar: np.ndarray, period_s: np.ndarray, confidence: np.ndarray | float = 1.0) -> np.ndarray:
    """Phases in [0, 1) and beat periods (T,) -> features (CLOCK_FEATURES, T): two harmonics of each phase, tempo, confidence.

    Frames whose beat is NaN have no clock and all features 0; where only the bar is NaN, its four features are 0. The
    period counts in octaves from 0.5 s (120 bpm).
    """
    rows = [f(2 * np.pi * k * phase) for phase in (beat, bar) for k in (1, 2) for f in (np.sin, np.cos)]
    rows += [np.log2(period_s / 0.5), np.ones_like(beat)]
    features = np.stack(rows) * confidence
    return np.where(np.isfinite(features) & np.isfinite(beat), features, 0.0).astype(np.float32)


class NoClock:
    """Knows no beat."""

    def reset(self) -> None:
        pass

    def listen(self, latents: Tensor, start: int, heard: np.ndarray | None = None) -> None:
        pass

    def features(self, start: int, stop: int) -> Tensor:
        return torch.zeros(1, CLOCK_FEATURES, stop - start)

    def estimate(self) -> tuple[float, float]:
        return 0.0, 0.0


class GridClock(NoClock):
    """Knows the beat grid of every batch item beforehand; `hop` samples per frame."""

    def __init__(self, grids: list[BeatGrid], hop: int):
        self.grids, self.hop = grids, hop

    def features(self, start: int, stop: int) -> Tensor:
        times_s = np.arange(start, stop) * self.hop / SAMPLE_RATE
        return torch.from_numpy(np.stack([clock_features(*grid.phase(times_s)) for grid in self.grids]))
