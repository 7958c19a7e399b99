"""Clocks that err, for training: a model that has only known a perfect clock would trust a wrong one."""

from dataclasses import dataclass

import torch
from torch import Tensor

PAIRS = 4  # rows 0..7 are (sin, cos) of beat, twice the beat, bar, twice the bar; then tempo; then confidence
HARMONICS = torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0], [0.0, 2.0]])  # of the beat, of the bar


@dataclass(frozen=True)
class ClockJitter:
    """Per item: no clock, a late or early beat, a bar that starts on the wrong beat, less confidence.

    `offset` is the standard deviation of the beat's phase error, in beats (0.04 is 20 ms at 120 bpm).
    """

    absent: float = 0.25
    offset: float = 0.04
    wrong_bar: float = 0.05
    no_bar: float = 0.05

    def __call__(self, clock: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Clock features (B, CLOCK_FEATURES, T) -> the same, disturbed."""
        batch = clock.shape[0]

        def happens(probability: float) -> Tensor:
            return (torch.rand(batch, generator=generator) < probability).to(clock)

        beat = (self.offset * torch.randn(batch, generator=generator)).to(clock)
        quarter = torch.randint(1, 4, (batch,), generator=generator).to(clock) / 4
        bar = beat / 4 + happens(self.wrong_bar) * quarter
        angle = 2 * torch.pi * torch.stack([beat, bar], -1) @ HARMONICS.to(clock).T  # (B, PAIRS)
        sin, cos = angle.sin()[:, :, None], angle.cos()[:, :, None]
        pairs = clock[:, : 2 * PAIRS].unflatten(1, (PAIRS, 2))
        s, c = pairs[:, :, 0], pairs[:, :, 1]
        turned = torch.stack([s * cos + c * sin, c * cos - s * sin], 2)
        heard_bar = torch.ones(batch, PAIRS, 1, 1).to(clock)
        heard_bar[:, 2:] -= happens(self.no_bar).view(-1, 1, 1, 1)
        clock = torch.cat([(turned * heard_bar).flatten(1, 2), clock[:, 2 * PAIRS :]], 1)
        return clock * (1 - happens(self.absent)).view(-1, 1, 1)
