"""Distillation: a student that gives in one call what its teacher gives in many.

In consistency distillation the teacher takes a noisy excerpt a few levels down its probability flow; the student must
give the same answer before and after (Song et al. 2023, Algorithm 2; the grid and the number of teacher steps follow
arXiv 2604.07612). In endpoint distillation the teacher goes down to the last level and the student must give the same
answer (Luhman and Luhman 2021): more costly per step, but the student is never its own target.
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


@torch.no_grad()
def endpoint(
    teacher: Denoiser, x: Tensor, sigma: Tensor, condition: Condition, steps: int = 6, sigma_min: float = 0.1
) -> Tensor:
    """Where the teacher's probability flow leads from x (B, C, T) at noise levels sigma (B,), item by item.

    DPM-Solver++ 2M (Lu et al. 2022) in equal steps of log sigma down to sigma_min, whose denoised answer is the result.
    """
    step = (sigma / sigma_min).log().clamp(min=0) / steps  # (B,)
    shrink = torch.exp(-step).view(-1, 1, 1)
    before = None
    for _ in range(steps):
        x0 = teacher(x, sigma, condition)
        corrected = x0 if before is None else x0 + (x0 - before) / 2
        x, sigma, before = corrected + (x - corrected) * shrink, sigma * torch.exp(-step), x0
    return teacher(x, sigma, condition)


def drift(played: Tensor, truth: Tensor) -> Tensor:
    """How much two excerpts differ in level, activity and rhythm, whatever the notes: (B, C, T) x 2 -> (B,).

    Squared differences of the mean and of the activity (root mean square change from frame to frame) of every channel, plus
    1 minus the correlation of the two onset envelopes (size of the change over all channels).
    """

    def statistics(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        squares = x.diff(dim=2).square()
        envelope = (squares.sum(1) + 1e-6).sqrt()
        return x.mean(2), (squares.mean(2) + 1e-6).sqrt(), envelope - envelope.mean(1, keepdim=True)

    (level, activity, onsets), (true_level, true_activity, true_onsets) = statistics(played), statistics(truth)
    norm = (onsets.square().sum(1) * true_onsets.square().sum(1) + 1e-6).sqrt()
    uncorrelated = 1 - (onsets * true_onsets).sum(1) / norm
    return (level - true_level).square().mean(1) + (activity - true_activity).square().mean(1) + uncorrelated
