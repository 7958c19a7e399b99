"""The latents of a session from its first frame on, with their harmony and their places in beats."""

import numpy as np
from torch import Tensor

from accomp.codec.contract import Codec
from accomp.plan.beats import unwrapped
from accomp.plan.contract import HARMONY, harmony
from accomp.timeline import SAMPLE_RATE

SMALLEST = 1024  # frames that there is room for at first


class Memory:
    """Latents (C, T), their harmony (2 PITCH_CLASSES, T), and positions in beats (T,), from frame `first` to `stop`.

    At most `most` frames are kept: when there is no more room, the oldest quarter is dropped. Frames that were left out are
    zeros.
    """

    def __init__(self, codec: Codec, most: int):
        self.codec, self.most = codec, most
        self.first = self.stop = 0
        room = min(SMALLEST, most)
        self._latents = np.zeros((codec.channels, room), np.float16)
        self._harmony = np.zeros((HARMONY.stop, room), np.float32)
        self._position = np.full(room, np.nan)

    @property
    def harmony(self) -> np.ndarray:
        return self._harmony[:, : self.stop - self.first]

    @property
    def position(self) -> np.ndarray:
        return self._position[: self.stop - self.first]

    def write(self, latents: Tensor, start: int, clock: Tensor | None = None) -> None:
        """Take the latents (C, T) from frame `start` on, not before `stop`, and their clock (CLOCK_FEATURES, T)."""
        if start - self.stop > self.most:
            self.first = self.stop = start
        missing, count = start - self.stop, start - self.stop + latents.shape[1]
        self._make_room(count)
        at = self.stop - self.first
        here = slice(at + missing, at + count)
        new = latents.float().cpu()
        self._latents[:, at : here.start], self._latents[:, here] = 0, new.numpy()
        keys = self.codec.keys(new[None])[0].clamp(0, 1).numpy()
        self._harmony[:, at : here.start], self._harmony[:, here] = 0, harmony(keys, self.codec.lowest_pitch)
        if clock is not None:
            phase, period = phases(clock, self.codec.hop)
            phase, period = np.pad(phase, (missing, 0), constant_values=np.nan), np.pad(period, (missing, 0), "edge")
            self._position[at : here.stop] = unwrapped(phase, period, self._position[at - 1] if at else np.nan)
        self.stop += count

    def at(self, frames: np.ndarray) -> np.ndarray:
        """The latents of these frames of the session (C, T), zeros where they are unknown."""
        found = np.zeros((len(self._latents), len(frames)), np.float32)
        inside = (frames >= self.first) & (frames < self.stop)
        found[:, inside] = self._latents[:, frames[inside] - self.first]
        return found

    def _make_room(self, count: int) -> None:
        """For so many frames more: twice the room, or the room of the oldest frames."""
        needed, room = self.stop - self.first + count, len(self._position)
        if needed <= room:
            return
        drop = max(needed - self.most, self.most // 4) if needed > self.most else 0
        room = min(max(2 * room, needed), self.most)
        for name in ("_latents", "_harmony", "_position"):
            old = getattr(self, name)[..., min(drop, self.stop - self.first) : self.stop - self.first]
            new = np.zeros((*old.shape[:-1], room), old.dtype)
            new[..., : old.shape[-1]] = old
            setattr(self, name, new)
        self.first += min(drop, self.stop - self.first)


def phases(clock: Tensor, hop: int) -> tuple[np.ndarray, np.ndarray]:
    """Clock features (CLOCK_FEATURES, T) -> phase of the beat in [0, 1), NaN without a clock, and frames per beat, (T,)."""
    sin, cos, tempo = (clock[row].double().cpu().numpy() for row in (0, 1, 8))
    confidence = np.hypot(sin, cos)
    known = confidence > 1e-3
    phase = np.where(known, np.arctan2(sin, cos) / (2 * np.pi) % 1.0, np.nan)
    period_s = 0.5 * 2.0 ** (tempo / np.maximum(confidence, 1e-3))
    return phase, period_s * SAMPLE_RATE / hop
