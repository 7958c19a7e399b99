"""Counts in fours where a clock tells the beat and no bar, as musicians do: a network has to accent some beat."""

import numpy as np
import torch
from torch import Tensor

BEATS = 4  # in a bar
SLOWEST = 1e-3  # beats per frame; corrections of a beat known for a few frames may turn it back
KNOWN = 1e-3  # length of a phase's vector from which it is known


class AssumedBar:
    """Adds bars to clock features. Each begins where those before it would have begun again, however the beat is corrected."""

    def __init__(self):
        self._line: dict[int, float] = {}  # the frame of a bar line, by batch item

    def __call__(self, features: Tensor, start: int) -> Tensor:
        """Clock features (B, CLOCK_FEATURES, T) of frames from `start` on -> the same, with the bar that is assumed for those
        items that know the beat and nowhere a bar.
        """
        added = features.numpy(force=True).copy()
        for item, rows in enumerate(added):
            beat, confidence = rows[1] + 1j * rows[0], np.hypot(rows[0], rows[1])
            known = np.flatnonzero(confidence > KNOWN)
            if len(known) > 1:
                position = np.unwrap(np.angle(beat[known])) / (2 * np.pi)
                if np.hypot(rows[4], rows[5]).max() <= KNOWN:
                    turns = 2j * np.pi * (position - self._first_beat(item, start + known, position)) / BEATS
                    bar = confidence[known] * np.exp(np.stack([turns, 2 * turns]))
                    rows[4:8, known] = np.stack([bar.imag, bar.real], 1).reshape(4, -1)
        return torch.from_numpy(added).to(features.device)

    def _first_beat(self, item: int, frames: np.ndarray, position: np.ndarray) -> int:
        """The number of a beat that begins a bar, where beats are at `position` (T,), an integer at each, in these frames."""
        slope = max((position[-1] - position[0]) / (frames[-1] - frames[0]), SLOWEST)
        first = round(position[0] + (self._line.get(item, frames[0]) - frames[0]) * slope)
        last = first + BEATS * int((position[-1] - first) // BEATS)  # of the last bar: near what will be asked for next
        self._line[item] = float(frames[0] + (last - position[0]) / slope)
        return first
