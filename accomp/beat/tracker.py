"""The beat tracker: a small causal network on the player's latents, and a clock that carries its beat into the future.

At every frame the network gives the phase of the beat and of the bar as two vectors, here called pointers, whose lengths
are its confidence: trained by squared error, it learns to shorten them where it is in doubt. A `PulseFollower` finds the
pulse that they turn with, which gives the phase of any frame to come.
"""

from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from accomp.beat.clock import CLOCK_FEATURES
from accomp.beat.follower import PulseFollower
from accomp.beat.pulse import Pulse
from accomp.timeline import SAMPLE_RATE

FORGET_S = 1.0  # after a rest of this length the network begins anew: what it remembers is the beat of another place


class Tracker(nn.Module):
    """Latents (B, C, T) -> pointers (B, T, 4): (sin, cos) of the beat's phase, (sin, cos) of the bar's. Causal.

    `channels` is the codec's C; `dropout` acts between the two recurrent layers, in training.
    """

    def __init__(self, channels: int = 64, width: int = 192, dropout: float = 0.1):
        super().__init__()
        self.into = nn.Sequential(nn.Linear(channels, width), nn.GELU(), nn.Linear(width, width))
        self.memory = nn.GRU(width, width, num_layers=2, batch_first=True, dropout=dropout)
        self.out = nn.Linear(width, 4)

    def forward(self, latents: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The pointers of these frames and the state to go on from; any split of a stream gives the same pointers.

        The second dimension of the state is the batch, and zeros are the state in which nothing was heard.
        """
        h, state = self.memory(self.into(latents.transpose(1, 2)), state)
        return self.out(h), state


class TrackerClock:
    """A `Clock` that estimates the beat of every batch item from its latents. Through rests the last pulse runs on."""

    def __init__(self, tracker: Tracker, hop: int):
        self.tracker, self.hop = tracker, hop
        self.forget = int(FORGET_S * SAMPLE_RATE / hop)
        self.reset()

    def reset(self) -> None:
        self.state: Tensor | None = None
        self.stop = 0  # one past the last frame taken
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
        if not self.followers:
            self.followers = [PulseFollower(self.hop, self.inherited) for _ in range(batch)]
            self.rested = np.full(batch, self.forget)
        self.rested += start - self.stop
        borders = np.flatnonzero((heard[:, 1:] != heard[:, :-1]).any(0)) + 1
        for first, last in pairwise([0, *borders, frames]):
            self._listen(latents[:, :, first:last], start + first, heard[:, first])
        self.stop = start + frames

    def _listen(self, latents: Tensor, start: int, heard: np.ndarray) -> None:
        """Take frames in all of which the same items (B,) are heard."""
        fresh = torch.from_numpy(heard & (self.rested >= self.forget))
        if self.state is not None:
            self.state[:, fresh] = 0.0
        pointers, self.state = self.tracker(latents, self.state)
        for row in np.flatnonzero(heard):
            self.followers[row].listen(pointers[row].float().cpu().numpy(), start)
        self.rested = np.where(heard, 0, self.rested + latents.shape[2])

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
