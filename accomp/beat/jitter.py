"""Clocks that err, for training: a model that has only known a perfect clock would trust a wrong one."""

from dataclasses import dataclass

import torch
from torch import Tensor

PAIRS = 4  # rows 0..7 are (sin, cos) of beat, twice the beat, bar, twice the bar; then tempo; then confidence
HARMONICS = torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0], [0.0, 2.0]])  # of the beat, of the bar


@dataclass(frozen=True)
class ClockJitter:
    """Per item: no clock, a late or early beat, a bar that starts on the wrong beat, another tempo, none of it right.

    `offset` is the standard deviation of the beat's phase error, in beats (0.04 is 20 ms at 120 bpm); the others are
    probabilities. A clock an octave off counts every second beat or two for each; the slower one, in bars of four, knows
    no bar.
    """

    absent: float = 0.25
    offset: float = 0.04
    lost: float = 0.0
    octave: float = 0.0
    wrong_bar: float = 0.05
    no_bar: float = 0.05

    def __call__(self, clock: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Clock features (B, CLOCK_FEATURES, T) -> the same, disturbed."""
        batch = clock.shape[0]

        def uniform() -> Tensor:
            return torch.rand(batch, generator=generator).to(clock)

        def happens(probability: float) -> Tensor:
            return uniform() < probability

        beat = self.offset * torch.randn(batch, generator=generator).to(clock)
        beat = torch.where(happens(self.lost), uniform(), beat)
        quarter = torch.randint(1, 4, (batch,), generator=generator).to(clock) / 4
        bar = beat / 4 + happens(self.wrong_bar) * quarter
        pairs = clock[:, : 2 * PAIRS].unflatten(1, (PAIRS, 2))
        pairs = turned(pairs, 2 * torch.pi * torch.stack([beat, bar], -1) @ HARMONICS.to(clock).T)
        tempo, confidence = clock[:, 2 * PAIRS :].split(1, 1)

        another, faster = happens(self.octave), happens(0.5)
        beats, bars = pairs[:, 1:2], pairs[:, 3:4]  # twice the beat, twice the bar
        double = torch.cat([beats, doubled(beats), bars, doubled(bars)], 1)
        half = torch.cat([bars, pairs[:, :1], torch.zeros_like(pairs[:, 2:])], 1)
        octave = torch.where(faster.view(-1, 1, 1, 1), double, half)
        pairs = torch.where(another.view(-1, 1, 1, 1), octave, pairs)
        tempo = tempo + confidence * (another * torch.where(faster, -1.0, 1.0)).view(-1, 1, 1)

        heard_bar = torch.ones(batch, PAIRS, 1, 1).to(clock)
        heard_bar[:, 2:] -= happens(self.no_bar).view(-1, 1, 1, 1).to(clock)
        clock = torch.cat([(pairs * heard_bar).flatten(1, 2), tempo, confidence], 1)
        return clock * ~happens(self.absent).view(-1, 1, 1)


def turned(pairs: Tensor, angle: Tensor) -> Tensor:
    """(sin, cos) of phases (B, PAIRS, 2, T), turned by angles (B, PAIRS)."""
    sin, cos = angle.sin()[:, :, None], angle.cos()[:, :, None]
    s, c = pairs[:, :, 0], pairs[:, :, 1]
    return torch.stack([s * cos + c * sin, c * cos - s * sin], 2)


def doubled(pairs: Tensor) -> Tensor:
    """(sin, cos) of twice the phase; where there is no clock, and both are 0, there still is none."""
    s, c = pairs[:, :, 0], pairs[:, :, 1]
    return torch.stack([2 * s * c, c**2 - s**2], 2)
