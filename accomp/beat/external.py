"""A clock that follows the player's transport while there is one, and the model's own tracker otherwise."""

import numpy as np
import torch
from torch import Tensor

from accomp.beat.clock import Clock, clock_features
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
        if self.transport is None:
            features = self.own.features(start, stop)
        else:
            bar_s = 60 / self.transport.bpm * self.transport.beats_in_bar
            elapsed_s = (np.arange(start, stop) * self.hop - self.transport.sample) / SAMPLE_RATE
            bars = self.transport.beat / self.transport.beats_in_bar + elapsed_s / bar_s
            period_s = np.full(stop - start, 60 / self.transport.bpm)
            rows = clock_features(bars * self.transport.beats_in_bar % 1, bars % 1, period_s)
            features = torch.from_numpy(rows)[None]
        octaves, confidence = features[0, -2:, -1].tolist() if stop > start else (0.0, 0.0)
        self.beat_estimate = (120 / 2 ** (octaves / confidence), confidence) if confidence > 1e-3 else (0.0, 0.0)
        return features
