"""Distillation by distributions: the student's answers must be as likely as the teacher's, and need not be the same.

An answer that must equal one of the teacher's is their average where the teacher could give several; an average of notes is
no note. Here a critic, a second diffusion model, learns how the student's answers are distributed, and the student moves
to where the teacher thinks them likelier than the critic does (Yin et al. 2024, Improved Distribution Matching
Distillation, without its adversarial loss). The critic must follow the student closely, so that it learns more often.
"""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from accomp.diffusion.condition import Condition
from accomp.diffusion.noise import log_normal
from accomp.diffusion.precond import Denoiser, loss_weight, masked_mse
from accomp.lit.objective import Nets, Objective


@dataclass(frozen=True)
class DistributionMatching(Objective):
    """The student's answer in one or more calls, compared with teacher and critic under noise of a random level.

    Args:
        levels: noise levels of the student's calls
        sigma_min, sigma_max: levels of the comparison are drawn between these, uniformly in their logarithm
        noise_mean, noise_std: of ln(sigma), at which the critic learns
        matching: weight of the distribution matching
        share: of the batches from which the student learns too; from all others the critic alone
        change: of the critic, weight of errors in how the latents change, as the teacher's
    """

    levels: Sequence[float] = (20.0, 1.0)
    sigma_min: float = 0.3
    sigma_max: float = 20.0
    noise_mean: float = 0.6
    noise_std: float = 1.3
    matching: float = 1.0
    share: float = 0.25
    change: float = 0.0

    def helpers(self, denoiser: Denoiser) -> dict[str, torch.nn.Module]:
        return {"critic": Denoiser(copy.deepcopy(denoiser.net), denoiser.sigma_data)}

    def __call__(self, nets: Nets, conditioner: Callable, batch: dict, generator: torch.Generator) -> dict[str, Tensor]:
        condition = conditioner(batch, generator, nets.denoiser)
        learns = not nets.denoiser.training or bool(torch.rand((), generator=generator) < self.share)
        critic, losses = nets.helpers["critic"], {}
        with torch.set_grad_enabled(learns and torch.is_grad_enabled()):
            answer = self.answer(nets.denoiser, condition, generator)
        if learns:
            goal = answer.detach() - self.gradient(nets.teacher, critic, answer.detach(), condition, generator)
            losses["matching"] = self.matching * (masked_mse(answer, goal, condition.masks.target) / 2).mean()
        sigma = log_normal(len(answer), self.noise_mean, self.noise_std, generator).to(answer)
        noise = torch.randn(answer.shape, generator=generator).to(answer)
        estimate = critic(answer.detach() + sigma.view(-1, 1, 1) * noise, sigma, condition)
        error = masked_mse(estimate, answer.detach(), condition.masks.target, self.change)
        return losses | {"critic": (loss_weight(sigma) * error).mean()}

    def answer(self, student: Denoiser, condition: Condition, generator: torch.Generator) -> Tensor:
        """What the student plays (B, C, T), in as many calls as the draw has it; the last one has gradients."""
        calls = int(torch.randint(1, len(self.levels) + 1, (), generator=generator))
        answer = torch.zeros_like(condition.past)
        for left, level in zip(reversed(range(calls)), self.levels, strict=False):
            x = answer + level * torch.randn(answer.shape, generator=generator).to(answer)
            with torch.set_grad_enabled(not left and torch.is_grad_enabled()):
                answer = student(x, x.new_full((len(x),), level), condition)
        return answer

    @torch.no_grad()
    def gradient(
        self, teacher: Callable, critic: Denoiser, answer: Tensor, condition: Condition, generator: torch.Generator
    ) -> Tensor:
        """Which way answers (B, C, T) get likelier for the critic than for the teacher, about as large as their error."""
        low, high = math.log(self.sigma_min), math.log(self.sigma_max)
        sigma = (low + (high - low) * torch.rand(len(answer), generator=generator)).exp().to(answer)
        x = answer + sigma.view(-1, 1, 1) * torch.randn(answer.shape, generator=generator).to(answer)
        real, fake = teacher(x, sigma, condition), critic(x, sigma, condition)
        target = condition.masks.target.unsqueeze(1)
        error = ((answer - real).abs() * target).sum((1, 2)) / (target.sum((1, 2)) * answer.shape[1]).clamp(min=1)
        return (fake - real) / error.clamp(min=1e-3).view(-1, 1, 1) * target
