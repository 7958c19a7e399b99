"""AdamW with a linear warm-up and a cosine decay: what all three modules train with unless they reproduce the paper."""

import math
from collections.abc import Iterable

import torch
from torch import nn


def warmup_cosine(
    parameters: Iterable[nn.Parameter],
    learning_rate: float,
    warmup_steps: int,
    steps: int,
    betas: tuple[float, float] = (0.9, 0.99),
    weight_decay: float = 0.01,
) -> dict:
    """Optimiser and per-step schedule in the form that Lightning takes. `steps` is stated, not asked of the trainer."""
    optimiser = torch.optim.AdamW(parameters, learning_rate, betas=betas, weight_decay=weight_decay)

    def factor(step: int) -> float:
        return min(1.0, (step + 1) / warmup_steps) * (0.02 + 0.49 * (1 + math.cos(math.pi * min(1.0, step / steps))))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, factor)
    return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
