"""Consistency distillation: a student that gives in one call what its teacher gives in many.

The teacher takes a noisy excerpt a few levels down its probability flow; the student must
give the same answer before and after (Song et al. 2023, Algorithm 2; the grid and the number of teacher steps follow
arXiv 2604.07612).
"""

import torch
from torch import Tensor

from accomp.diffusion.condition import Condition
from accomp.diffusion.noise import karras
from accomp.diffusion.precond import Denoiser


def grid(points: int = 18, sigma_min: float = 0.02, sigma_max: float = 80.0, rho: float = 7.0) -> Tensor:
    """The noise levels between which teacher and student move, descending, without the final 0; (points,)."""
    return karras(points, sigma_min, sigma_max, rho)[:-1]


def draw_levels(batch: int, points: int, longest: int, generator: torch.Generator | None = None) -> tuple[Tensor, int]:
    """Where on the grid each item starts, (B,), and how many teacher steps the whole batch takes down (1..longest)."""
    k = int(torch.randint(1, longest + 1, (), generator=generator))
    return torch.randint(0, points - k, (batch,), generator=generator), k


@torch.no_grad()
def teacher_steps(teacher: Denoiser, x: Tensor, levels: Tensor, steps: int, sigmas: Tensor, condition: Condition) -> Tensor:
    """Heun steps of the teacher from sigmas[levels] to sigmas[levels + steps], item by item; x (B, C, T)."""
    for i in range(steps):
        sigma, sigma_next = sigmas[levels + i], sigmas[levels + i + 1]
        s, f = sigma.view(-1, 1, 1), sigma_next.view(-1, 1, 1)
        slope = (x - teacher(x, sigma, condition)) / s
        ahead = x + (f - s) * slope
        slope_there = (ahead - teacher(ahead, sigma_next, condition)) / f
        x = x + (f - s) * (slope + slope_there) / 2
    return x
