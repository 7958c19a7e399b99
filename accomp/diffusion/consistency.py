"""Distillation: a student that jumps in one call to where its teacher walks.

In consistency distillation the teacher carries a noisy excerpt a few levels down its probability flow; the student must
give the same answer before and after (Song et al. 2023, Algorithm 2; the grid and the number of teacher steps follow
arXiv 2604.07612). In endpoint distillation the teacher walks all the way and the student must land where it did (Luhman and
Luhman 2021): dearer per step, but no answer of the student's is ever its own yardstick.
"""

import torch
from torch import Tensor

from accomp.diffusion.noise import karras
from accomp.diffusion.precond import Denoiser
from accomp.diffusion.transformer import Condition


def grid(points: int = 18, sigma_min: float = 0.02, sigma_max: float = 80.0, rho: float = 7.0) -> Tensor:
    """The noise levels between which teacher and student move, descending, without the final 0; (points,)."""
    return karras(points, sigma_min, sigma_max, rho)[:-1]


def draw_levels(batch: int, points: int, longest: int, generator: torch.Generator | None = None) -> tuple[Tensor, int]:
    """Where on the grid each item starts, (B,), and how many teacher steps the whole batch takes down (1..longest)."""
    k = int(torch.randint(1, longest + 1, (), generator=generator))
    return torch.randint(0, points - k, (batch,), generator=generator), k


@torch.no_grad()
def walk(teacher: Denoiser, x: Tensor, levels: Tensor, steps: int, sigmas: Tensor, condition: Condition) -> Tensor:
    """Heun steps of the teacher from sigmas[levels] to sigmas[levels + steps], item by item; x (B, C, T)."""
    for i in range(steps):
        sigma, following = sigmas[levels + i], sigmas[levels + i + 1]
        s, f = sigma.view(-1, 1, 1), following.view(-1, 1, 1)
        slope = (x - teacher(x, sigma, condition)) / s
        ahead = x + (f - s) * slope
        slope_there = (ahead - teacher(ahead, following, condition)) / f
        x = x + (f - s) * (slope + slope_there) / 2
    return x


@torch.no_grad()
def endpoint(
    teacher: Denoiser, x: Tensor, sigma: Tensor, condition: Condition, steps: int = 6, sigma_min: float = 0.1
) -> Tensor:
    """Where the teacher's probability flow leads from x (B, C, T) at noise levels sigma (B,), item by item.

    DPM-Solver++ 2M (Lu et al. 2022) in equal steps of log sigma down to sigma_min, whose denoised answer is the end.
    """
    step = (sigma / sigma_min).log().clamp(min=0) / steps  # (B,)
    shrink = torch.exp(-step).view(-1, 1, 1)
    before = None
    for _ in range(steps):
        x0 = teacher(x, sigma, condition)
        bent = x0 if before is None else x0 + (x0 - before) / 2
        x, sigma, before = bent + (x - bent) * shrink, sigma * torch.exp(-step), x0
    return teacher(x, sigma, condition)


def drift(played: Tensor, truth: Tensor) -> Tensor:
    """How differently two stretches of music go, whatever the notes: (B, C, T) x 2 -> (B,).

    Mean and liveliness (root mean square change from frame to frame) of every channel, squared differences; and 1 minus the
    correlation of the two onset envelopes, the size of the change over all channels.
    """

    def moves(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        squares = x.diff(dim=2).square()
        envelope = (squares.sum(1) + 1e-6).sqrt()
        return x.mean(2), (squares.mean(2) + 1e-6).sqrt(), envelope - envelope.mean(1, keepdim=True)

    (level, lively, stroke), (true_level, true_lively, true_stroke) = moves(played), moves(truth)
    spread = (stroke.square().sum(1) * true_stroke.square().sum(1) + 1e-6).sqrt()
    apart = 1 - (stroke * true_stroke).sum(1) / spread
    return (level - true_level).square().mean(1) + (lively - true_lively).square().mean(1) + apart
