"""Clocks with errors, for training: a model that has only known a perfect clock would trust a wrong one."""

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
            return (uniform() < probability).view(-1, 1, 1)

        beat = self.offset * torch.randn(batch, generator=generator).to(clock)
        beat = torch.where(happens(self.lost).flatten(), uniform(), beat)
        quarter = torch.randint(1, 4, (batch,), generator=generator).to(clock) / 4
        bar = beat / 4 + happens(self.wrong_bar).flatten() * quarter
        sin, cos = clock[:, : 2 * PAIRS].unflatten(1, (PAIRS, 2)).unbind(2)
        angle = 2 * torch.pi * torch.stack([beat, bar], -1) @ HARMONICS.to(clock).T
        phases = torch.complex(cos, sin) * torch.exp(1j * angle)[:, :, None]  # (B, PAIRS, T), unit length or 0
        tempo, confidence = clock[:, 2 * PAIRS :].split(1, 1)

        another, faster = happens(self.octave), happens(0.5)
        beats, bars = phases[:, 1:2], phases[:, 3:4]  # twice the beat, twice the bar
        double = torch.cat([beats, beats**2, bars, bars**2], 1)
        half = torch.cat([bars, phases[:, :1], torch.zeros_like(phases[:, 2:])], 1)
        phases = torch.where(another, torch.where(faster, double, half), phases)
        tempo = tempo + confidence * another * torch.where(faster, -1.0, 1.0)

        phases[:, 2:] *= ~happens(self.no_bar)
        pairs = torch.stack([phases.imag, phases.real], 2).flatten(1, 2)
        return torch.cat([pairs, tempo, confidence], 1) * ~happens(self.absent)
