"""What is expected of the frames to come: the contract that every plan keeps, and its rows.

A plan tells the denoiser, for each frame that the player has not reached, which pitch classes are expected, how sure that
is, and what player and stem played at the most similar place of the past. Zeros say that nothing is known.
"""

from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from accomp.timeline import PITCH_CLASSES

CHROMA = slice(0, PITCH_CLASSES)  # of everybody, each in [0, 1]
BASS = slice(PITCH_CLASSES, 2 * PITCH_CLASSES)  # the pitch class of the lowest note
HARMONY = slice(0, BASS.stop)  # both
CONFIDENCE = HARMONY.stop  # in [0, 1], of these; 1 for chords that are known
SIMILARITY = CONFIDENCE + 1  # of the recalled place, in [0, 1]; 0 when none is recalled
HARMONY_ROWS = SIMILARITY + 1  # what follows them: the player's latents there, then the stem's own


def plan_rows(channels: int) -> int:
    """How many rows a plan has for latents of so many channels."""
    return HARMONY_ROWS + 2 * channels


class Plan(Protocol):
    """All frames are absolute, counted from the session's start; a batch holds one item per stem."""

    def reset(self) -> None:
        """Forget the session."""

    def listen(self, context: Tensor, start: int, clock: Tensor) -> None:
        """Take the player's latents (1 or B, C, T) of the frames from `start` on, and their clock features (1 or B,
        CLOCK_FEATURES, T); in ascending order, and frames may be left out.
        """

    def play(self, own: Tensor, start: int) -> None:
        """Take the latents (B, C, T) that the stems play from frame `start` on."""

    def ahead(self, start: int, clock: Tensor) -> Tensor:
        """The rows (1 or B, plan_rows(C), T) of frames from `start` on, the first that the player has not reached.

        `clock` (1 or B, CLOCK_FEATURES, T) is what the clock expects of them.
        """


class NoPlan:
    """Expects nothing."""

    def __init__(self, channels: int):
        self.rows = plan_rows(channels)

    def reset(self) -> None:
        pass

    def listen(self, context: Tensor, start: int, clock: Tensor) -> None:
        pass

    def play(self, own: Tensor, start: int) -> None:
        pass

    def ahead(self, start: int, clock: Tensor) -> Tensor:
        return torch.zeros(1, self.rows, clock.shape[2])


def harmony(keys: np.ndarray, lowest_pitch: int) -> np.ndarray:
    """Sounding keys (K, T) in [0, 1], the first of them MIDI pitch `lowest_pitch` -> chroma and bass, (2 PITCH_CLASSES,
    T).

    The bass is the lowest key that sounds with more than half of the certainty there can be.
    """
    count, frames = keys.shape
    pitch_class = (np.arange(count) + lowest_pitch) % PITCH_CLASSES
    rows = np.zeros((2 * PITCH_CLASSES, frames), np.float32)
    np.maximum.at(rows, pitch_class, keys)
    sounding = keys > 0.5
    lowest = sounding.argmax(0)
    some = np.flatnonzero(sounding.any(0))
    rows[PITCH_CLASSES + pitch_class[lowest[some]], some] = 1
    return rows
