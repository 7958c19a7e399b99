"""The optimiser and the learning rate's schedule that every module uses unless it reproduces the paper."""

import math
from collections.abc import Iterable

import torch
from torch import nn


def adamw(
    parameters: Iterable[nn.Parameter], lr: float, betas: tuple[float, float] = (0.9, 0.99)
) -> torch.optim.Optimizer:
    return torch.optim.AdamW(parameters, lr, betas=betas, weight_decay=0.01)


def warmup_cosine(optimiser: torch.optim.Optimizer, warmup_steps: int, steps: int) -> dict:
    """A linear warm-up and a cosine decay over `steps` optimiser steps, in the form that Lightning takes.

    One LambdaLR and not a SequentialLR of two schedules: here the cosine begins at step 0 and warm-up multiplies it; another
    curve would change the result of every published command.
    """

    def factor(step: int) -> float:
        warmup = min(1.0, (step + 1) / max(warmup_steps, 1))
        return warmup * (0.02 + 0.49 * (1 + math.cos(math.pi * min(1.0, step / steps))))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, factor)
    return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
