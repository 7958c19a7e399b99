"""Two ways to learn from a teacher: its last answer, or the same answer at neighbouring noise levels."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from accomp.diffusion.consistency import draw_levels, endpoint, grid, teacher_steps
from accomp.diffusion.noise import log_normal
from accomp.diffusion.precond import Denoiser, loss_weight, masked_mse
from accomp.lit.objective import EmaObjective, Nets, Objective


@dataclass(frozen=True)
class Endpoint(Objective):
    """The student must give in one call what the teacher gives in all of its steps.

    `teacher_steps` steps of the teacher, and one call more, lead from a level between `sigma_max` and `sigma_min`, drawn
    uniformly in its logarithm, down to `sigma_min`; with probability `from_noise` per item from `sigma_max`, pure noise.
    `change` as in `masked_mse`.
    """

    sigma_min: float = 0.3
    sigma_max: float = 20.0
    from_noise: float = 0.5
    teacher_steps: int = 3
    change: float = 0.0

    def __call__(self, nets: Nets, conditioner: Callable, batch: dict, generator: torch.Generator) -> dict[str, Tensor]:
        target = batch["target"]
        condition = conditioner(batch, generator, nets.denoiser)
        place, pure = torch.rand(2, len(target), generator=generator)
        place = torch.where(pure < self.from_noise, 1.0, place)
        sigma = (self.sigma_min * (self.sigma_max / self.sigma_min) ** place).to(target)
        clean = target * (sigma < self.sigma_max).view(-1, 1, 1)  # at the top there is nothing but noise, as in play
        x = clean + sigma.view(-1, 1, 1) * torch.randn(target.shape, generator=generator).to(target)
        goal = endpoint(nets.teacher, x, sigma, condition, self.teacher_steps, self.sigma_min)
        answer = nets.denoiser(x, sigma, condition)
        return {"endpoint": masked_mse(answer, goal, condition.masks.target, self.change).mean()}


@dataclass(frozen=True)
class Consistency(EmaObjective):
    """The student must give the same answer before and after a few of the teacher's steps (Song et al. 2023, Algorithm 2).

    On a grid of `points` noise levels the teacher makes up to `most_teacher_steps` steps; the answer to match is that of the
    student's moving average. `dsm_weight` weighs the error against the true stem, on the first `dsm_share` of the batch, at
    levels ln(sigma) ~ N(noise_mean, noise_std^2).
    """

    points: int = 18
    most_teacher_steps: int = 2
    ema_decay: float = 0.98
    dsm_weight: float = 0.5
    dsm_share: float = 0.5
    noise_mean: float = -0.2
    noise_std: float = 1.4
    change: float = 0.0

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
