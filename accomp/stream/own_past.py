"""What the stems of a session have played, and how much of it the network is told.

What a stem has just played decides most of what it plays next. A rest would therefore never end, and what was begun on a wrong
beat would stay there after the clock has found the right one: of either the network is told nothing, and begins anew.
"""

import numpy as np
import torch
from torch import Tensor

from accomp.codec.contract import Codec
from accomp.stream.history import LatentHistory
from accomp.timeline import SAMPLE_RATE

REST_S = 2.0  # after which a stem begins anew
COMPARED_S = 1.5  # of what was played last, whose beats are compared
SAME_BEAT = 0.15  # of a beat, by which the clock may correct them


class OwnPast(LatentHistory):
    """The latents (B, C, T) that stems have played; `known` (B,) is the first frame of which the network is told."""

    def __init__(self, codec: Codec, batch: int, frames: int, device: torch.device):
        super().__init__(batch, codec.channels, frames, device)
        self.codec, self.frame_s = codec, codec.hop / SAMPLE_RATE
        self.first: int | None = None  # first frame that has been played
        self.known = np.zeros(batch, int)
        self._told = LatentHistory(batch, 2, frames, torch.device("cpu"))  # sine and cosine of the beat in each frame

    def begin(self, frame: int) -> None:
        """Nothing has been played before this frame."""
        self.stop = self.first = self._told.stop = self.known[:] = frame

    def play(self, new: Tensor, told: Tensor) -> None:
        """Take the latents that are played next, and the clock features (1 or B, CLOCK_FEATURES, T) they were made with."""
        self.append(new)
        self._told.append(told[:, :2].cpu().expand(len(new), -1, -1))

    def compared(self) -> int:
        """The first frame of what was played last."""
        return max(self.stop - min(round(COMPARED_S / self.frame_s), self.latents.shape[2]), self.first)

    def forget(self, clock: Tensor) -> None:
        """Set `known` to where the network has to begin anew; `clock` (1 or B, CLOCK_FEATURES, T) is what the clock says now of
        the frames from `compared` on.
        """
        now, then = clock[:, :2].cpu(), self._told.latents[:, :, self._told.latents.shape[2] - clock.shape[2] :]
        length = (now.norm(dim=1) * then.norm(dim=1)).clamp(min=1e-3)
        agreement = ((now * then).sum(1) / length).mean(1)
        other_beat = (now.norm(dim=1).mean(1) > 1e-3) & (agreement < np.cos(2 * np.pi * SAME_BEAT))
        self.known[other_beat.numpy() | self._rests()] = self.stop

    def _rests(self) -> np.ndarray:
        """Which stems have rested for REST_S, or since they last began anew, (B,)."""
        frames = round(REST_S / self.frame_s)
        if self.codec.lowest_pitch is None or self.stop - self.first < frames:
            return np.zeros(len(self.known), bool)
        since = np.clip(self.stop - self.known, 1, frames)
        return np.array([bool(self.codec.rests(self.latents[i : i + 1, :, -n:])) for i, n in enumerate(since)])
