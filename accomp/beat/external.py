"""A clock that follows the player's transport while there is one, and the model's own tracker otherwise."""

import numpy as np
import torch
from torch import Tensor

from accomp.beat.clock import Clock
from accomp.beat.pulse import Pulse
from accomp.beat.tracker import TrackerClock
from accomp.beat.transport import Transport
from accomp.timeline import SAMPLE_RATE


class ExternalClock:
    """A `Clock` that follows `transport` while there is one, otherwise `own`, the model's tracker; `hop` samples a frame."""

    def __init__(self, own: Clock, hop: int):
        self.own, self.hop = own, hop
        self.transport: Transport | None = None

    def reset(self) -> None:
        self.own.reset()

    def listen(self, latents: Tensor, start: int, heard: np.ndarray | None = None) -> None:
        self.own.listen(latents, start, heard)

    def features(self, start: int, stop: int) -> Tensor:
        if (t := self.transport) is None:
            return self.own.features(start, stop)
        frequency = t.bpm / 60 * self.hop / SAMPLE_RATE
        pulse = Pulse(t.sample / self.hop, t.beat % 1, frequency, t.beat / t.beats_in_bar % 1, t.beats_in_bar)
        return torch.from_numpy(pulse.features(start, stop, self.hop))[None]

    def estimate(self) -> tuple[float, float]:
        return self.own.estimate() if self.transport is None else (self.transport.bpm, 1.0)

    def carry(self, old: "ExternalClock") -> None:
        """Begin with the pulse that another clock found on the same timeline."""
        if isinstance(self.own, TrackerClock) and isinstance(old.own, TrackerClock):
            self.own.carry(old.own)
