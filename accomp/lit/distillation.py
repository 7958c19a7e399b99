"""Consistency distillation, the paper's way to learn from a teacher: the same answer at neighbouring noise levels."""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from accomp.diffusion.consistency import draw_levels, grid, teacher_steps
from accomp.diffusion.noise import log_normal
from accomp.diffusion.precond import Denoiser, loss_weight, masked_mse
from accomp.lit.objective import Nets, Objective


@dataclass(frozen=True)
class Consistency(Objective):
    """The student must give the same answer before and after a few of the teacher's steps (Song et al. 2023, Algorithm 2).

    On a grid of `points` noise levels the teacher makes up to `most_teacher_steps` steps; the answer to match is that of the
    student's exponential moving average, which keeps `ema_decay` of itself per optimiser step. `dsm_weight` weighs the error
    against the true stem, on the first `dsm_share` of the batch, at levels ln(sigma) ~ N(noise_mean, noise_std^2).
    """

    points: int = 18
    most_teacher_steps: int = 2
    ema_decay: float = 0.98
    dsm_weight: float = 0.5
    dsm_share: float = 0.5
    noise_mean: float = -0.2
    noise_std: float = 1.4
    change: float = 0.0

    def helpers(self, denoiser: Denoiser) -> dict[str, nn.Module]:
        return {"ema": copy.deepcopy(denoiser).requires_grad_(False)}

    @torch.no_grad()
    def after_step(self, nets: Nets) -> None:
        for average, current in zip(nets.helpers["ema"].parameters(), nets.denoiser.parameters(), strict=True):
            average.lerp_(current, 1 - self.ema_decay)

    def __call__(self, nets: Nets, conditioner: Callable, batch: dict, generator: torch.Generator) -> dict[str, Tensor]:
        target = batch["target"]
        condition = conditioner(batch, generator, nets.denoiser)
        levels, steps = self.draw_levels(len(target), generator)
        levels, sigmas = levels.to(target.device), self.grid().to(target)
        noise = torch.randn(target.shape, generator=generator).to(target)
        x = target + sigmas[levels].view(-1, 1, 1) * noise
        answer = nets.denoiser(x, sigmas[levels], condition)
        with torch.no_grad():
            x = teacher_steps(nets.teacher, x, levels, steps, sigmas, condition)
            goal = self.average(nets)(x, sigmas[levels + steps], condition)
        cd = masked_mse(answer, goal, condition.masks.target, self.change).mean()

        some = slice(0, math.ceil(self.dsm_share * len(target)))
        target, condition = target[some], condition[some]
        sigma = self.draw_sigma(len(target), generator).to(target)
        estimate = nets.denoiser(target + sigma.view(-1, 1, 1) * noise[some], sigma, condition)
        error = masked_mse(estimate, target, condition.masks.target, self.change)
        return {"cd": cd, "dsm": self.dsm_weight * (loss_weight(sigma) * error).mean()}

    def grid(self) -> Tensor:
        """The noise levels, descending; (points,)."""
        return grid(self.points)

    def draw_levels(self, batch: int, generator: torch.Generator) -> tuple[Tensor, int]:
        """Where on the grid each item starts, (B,), and the number of teacher steps of the whole batch."""
        return draw_levels(batch, self.points, self.most_teacher_steps, generator)

    def draw_sigma(self, batch: int, generator: torch.Generator) -> Tensor:
        """Noise levels of the error against the true stem; (B,)."""
        return log_normal(batch, self.noise_mean, self.noise_std, generator)

    def average(self, nets: Nets) -> Denoiser:
        """The moving average, in eval mode."""
        return nets.helpers["ema"].eval()
