"""Noise levels: what is drawn in training, and the descending schedules of the samplers."""

import torch
from torch import Tensor


def log_normal(batch: int, mean: float, std: float, generator: torch.Generator | None = None) -> Tensor:
    """Training noise levels, ln(sigma) ~ N(mean, std^2) (Karras et al. 2022, Table 1); (B,)."""
    return torch.exp(mean + std * torch.randn(batch, generator=generator))


def karras(steps: int, sigma_min: float, sigma_max: float, rho: float = 7.0) -> Tensor:
    """`steps` noise levels from sigma_max down to sigma_min (Karras et al. 2022, Eq. 5), then 0; (steps + 1,).

    A single step is sigma_max, then 0.
    """
    ramp = torch.linspace(0, 1, steps, dtype=torch.float64)
    low, high = sigma_min ** (1 / rho), sigma_max ** (1 / rho)
    return torch.cat([(high + ramp * (low - high)) ** rho, torch.zeros(1, dtype=torch.float64)]).float()
