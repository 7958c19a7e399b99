"""The beat tracker: a small network on the player's last seconds of latents, and a clock that carries its beat into the future.

For every frame the network gives the phase of the beat and of the bar as two vectors, here called pointers, whose lengths
are its confidence: trained by squared error, it learns to shorten them where it is in doubt. A `PulseFollower` finds the
pulse that they turn with, which gives the phase of any frame to come.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from accomp.beat.clock import CLOCK_FEATURES
from accomp.beat.follower import PulseFollower
from accomp.beat.pulse import Pulse
from accomp.timeline import SAMPLE_RATE

WINDOW_S = 16.0  # that the network hears at once
FORGET_S = 1.0  # after a rest of this length the network begins anew: what it remembers is the beat of another place


class DilatedBlock(nn.Module):
    """A residual convolution over frames that lie `dilation` apart, on both sides: (B, T, width) -> the same."""

    def __init__(self, width: int, dilation: int, dropout: float, kernel: int = 5):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.over_time = nn.Conv1d(width, width, kernel, padding=dilation * (kernel // 2), dilation=dilation)
        self.over_width = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        h = self.over_time(self.norm(x).transpose(1, 2)).transpose(1, 2)
        return x + self.dropout(self.over_width(F.gelu(h)))


class Tracker(nn.Module):
    """Latents (B, C, T) -> pointers (B, T, 4): (sin, cos) of the beat's phase, (sin, cos) of the bar's.

    A temporal convolutional network (after Davies and Böck 2019): the pointers of a frame depend on the frames before it and
    on those after it, up to the last that was heard. Frames that are not `heard` (B, T) are as if there were none.
    `channels` is the codec's C; `dropout` acts in training.
    """

    def __init__(self, channels: int = 128, width: int = 96, layers: int = 8, dropout: float = 0.1):
        super().__init__()
        self.into = nn.Sequential(nn.Linear(channels, width), nn.GELU(), nn.Linear(width, width))
        self.blocks = nn.Sequential(*(DilatedBlock(width, 2**i, dropout) for i in range(layers)))
        self.out = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 4))

    def forward(self, latents: Tensor, heard: Tensor | None = None) -> Tensor:
        x = self.into(latents.transpose(1, 2))
        return self.out(self.blocks(x if heard is None else x * heard.unsqueeze(2)))


class TrackerClock:
    """A `Clock` that estimates the beat of every batch item from its latents. Through rests the last pulse runs on."""

    def __init__(self, tracker: nn.Module, hop: int):
        self.tracker, self.hop = tracker, hop
        self.window, self.forget = (int(s * SAMPLE_RATE / hop) for s in (WINDOW_S, FORGET_S))
        self.reset()

    def reset(self) -> None:
        self.latents: Tensor | None = None  # (B, C, T) of the last frames, T at most `window`
        self.heard = np.zeros((0, 0), bool)  # (B, T) whether somebody played
        self.stop = 0  # one past the last of them
        self.inherited: Pulse | None = None
        self.followers: list[PulseFollower] = []

    def carry(self, old: "TrackerClock") -> None:
        """Begin with the pulse of another clock that heard the same player on the same timeline."""
        self.inherited = next((pulse.rescaled(old.hop, self.hop) for pulse in old.pulses() if pulse is not None), None)

    @torch.inference_mode()
    def listen(self, latents: Tensor, start: int, heard: np.ndarray | None = None) -> None:
        batch, _, frames = latents.shape
        heard = np.ones((batch, frames), bool) if heard is None else heard
        if start < self.stop:  # another session
            self.reset()
        if self.latents is None:
            self.followers = [PulseFollower(self.hop, self.inherited) for _ in range(batch)]
            self.latents, self.heard, self.stop = latents[:, :, :0], heard[:, :0], start
        missed = min(start - self.stop, self.window)
        self.latents = torch.cat([F.pad(self.latents, (0, missed)), latents], 2)[:, :, -self.window :]
        self.heard = np.concatenate([np.pad(self.heard, ((0, 0), (0, missed))), heard], 1)[:, -self.window :]
        self.stop = start + frames
        if not heard.any():
            return
        first = np.array([start_after_rest(row, self.forget) for row in self.heard])
        since = np.arange(self.heard.shape[1]) >= first[:, None]
        pointers = self.tracker(self.latents, torch.from_numpy(since).to(latents.device)).float().cpu().numpy()
        for row in np.flatnonzero(heard.any(1)):
            played = slice(first[row], np.flatnonzero(self.heard[row])[-1] + 1)
            at = self.stop - self.heard.shape[1] + first[row]
            self.followers[row].listen(pointers[row, played], at, self.heard[row, played])

    def pulses(self) -> list[Pulse | None]:
        """The pulse of each batch item at the live edge; empty before the first frame."""
        return [follower.at(self.stop) for follower in self.followers]

    def estimate(self) -> tuple[float, float]:
        if not self.followers or (pulse := self.followers[0].at(self.stop)) is None:
            return 0.0, 0.0
        return 60 * pulse.frequency * SAMPLE_RATE / self.hop, pulse.confidence

    def features(self, start: int, stop: int) -> Tensor:
        rows = [follower.features(start, stop, self.stop) for follower in self.followers]
        return torch.from_numpy(np.stack(rows or [np.zeros((CLOCK_FEATURES, stop - start), np.float32)]))


def start_after_rest(heard: np.ndarray, frames: int) -> int:
    """The first frame that was heard after the last rest of so many frames or more, in (T,); 0 where there is no such rest.

    Frames before the first that is heard are a rest of any length.
    """
    played = np.flatnonzero(heard)
    if not len(played):
        return 0
    returns = np.flatnonzero(np.diff(played) > frames)
    return int(played[returns[-1] + 1] if len(returns) else played[0])
