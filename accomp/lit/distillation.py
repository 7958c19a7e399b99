"""Two ways to learn from a teacher: its last answer, or the same answer at neighbouring noise levels."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from accomp.diffusion.consistency import draw_levels, endpoint, grid, teacher_steps
from accomp.diffusion.noise import log_normal
from accomp.diffusion.precond import loss_weight, masked_mse
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
    """The paper's distillation, except that the answer to match comes from the moving average in eval mode.

    On a grid of `points` noise levels the teacher makes up to `most_teacher_steps` steps between the two answers.
    `dsm_weight` weighs the denoising error on half of the batch, at levels ln(sigma) ~ N(noise_mean, noise_std^2).
    """

    points: int = 18
    most_teacher_steps: int = 2
    ema_decay: float = 0.98
    dsm_weight: float = 0.5
    noise_mean: float = -0.2
    noise_std: float = 1.4
    change: float = 0.0

    def __call__(self, nets: Nets, conditioner: Callable, batch: dict, generator: torch.Generator) -> dict[str, Tensor]:
        target = batch["target"]
        condition = conditioner(batch, generator, nets.denoiser)
        levels, steps = draw_levels(len(target), self.points, self.most_teacher_steps, generator)
        levels, sigmas = levels.to(target.device), grid(self.points).to(target)
        noise = torch.randn(target.shape, generator=generator).to(target)
        x = target + sigmas[levels].view(-1, 1, 1) * noise
        answer = nets.denoiser(x, sigmas[levels], condition)
        with torch.no_grad():
            x = teacher_steps(nets.teacher, x, levels, steps, sigmas, condition)
            goal = nets.helpers["ema"].eval()(x, sigmas[levels + steps], condition)
        cd = masked_mse(answer, goal, condition.masks.target, self.change).mean()

        half = slice(0, (len(target) + 1) // 2)
        target, condition = target[half], condition[half]
        sigma = log_normal(len(target), self.noise_mean, self.noise_std, generator).to(target)
        estimate = nets.denoiser(target + sigma.view(-1, 1, 1) * noise[half], sigma, condition)
        error = masked_mse(estimate, target, condition.masks.target, self.change)
        return {"cd": cd, "dsm": self.dsm_weight * (loss_weight(sigma) * error).mean()}
