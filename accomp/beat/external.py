"""A clock that follows the player's transport while there is one, and the model's own tracker otherwise."""

import torch
from torch import Tensor

from accomp.beat.clock import Clock
from accomp.beat.pulse import Pulse
from accomp.beat.transport import Transport
from accomp.timeline import SAMPLE_RATE


class ExternalClock:
    """A `Clock` that follows `transport` while there is one, and otherwise `own`, the model's tracker; `hop` samples a frame.

    `beat_estimate` is what the network was told last: (beats per minute, confidence 0..1).
    """

    def __init__(self, own: Clock, hop: int):
        self.own, self.hop = own, hop
        self.transport: Transport | None = None
        self.beat_estimate = (0.0, 0.0)

    def reset(self) -> None:
        self.own.reset()

    def listen(self, latents: Tensor, start: int) -> None:
        self.own.listen(latents, start)

    def features(self, start: int, stop: int) -> Tensor:
        if (t := self.transport) is None:
            features = self.own.features(start, stop)
        else:
            frequency = t.bpm / 60 * self.hop / SAMPLE_RATE
            pulse = Pulse(t.sample / self.hop, t.beat % 1, frequency, t.beat / t.beats_in_bar % 1, t.beats_in_bar)
            features = torch.from_numpy(pulse.features(start, stop, self.hop))[None]
        octaves, confidence = features[0, -2:, -1].tolist() if stop > start else (0.0, 0.0)
        self.beat_estimate = (120 / 2 ** (octaves / confidence), confidence) if confidence > 1e-3 else (0.0, 0.0)
        return features
