"""The paper's distillation, as published (arXiv 2604.07612)."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from accomp.diffusion.consistency import grid, teacher_steps
from accomp.diffusion.noise import log_normal
from accomp.diffusion.precond import SIGMA_MIN, loss_weight
from accomp.lit.objective import EmaObjective, Nets

SIGMA_MAX, RHO = 80.0, 9.0  # of the distillation grid


@dataclass(frozen=True)
class PaperConsistency(EmaObjective):
    """Distance to the moving average's answer after the teacher's steps ("cd"), and to the truth ("dsm").

    As published the average keeps its dropout on, the teacher does not. `noise_mean` and `noise_std` are the teacher's.
    """

    points: int = 18
    ema_decay: float = 0.999
    noise_mean: float = -1.2
    noise_std: float = 1.2

    def __call__(self, nets: Nets, conditioner: Callable, batch: dict, generator: torch.Generator) -> dict[str, Tensor]:
        truth, condition = batch["target"], conditioner(batch, generator, nets.denoiser)
        noise = torch.randn(truth.shape, generator=generator).to(truth)

        sigmas = grid(self.points, SIGMA_MIN, SIGMA_MAX, RHO).to(truth)
        most = len(sigmas) - 1
        steps = 1 + int(torch.multinomial(torch.arange(1.0, most + 1), 1, generator=generator))  # P(k) grows as k
        levels = torch.randint(most - steps + 1, (len(truth),), generator=generator).to(truth.device)
        x = truth + sigmas[levels].view(-1, 1, 1) * noise
        answer = nets.denoiser(x, sigmas[levels], condition)
        with torch.no_grad():
            x = teacher_steps(nets.teacher, x, levels, steps, sigmas, condition)
            goal = nets.helpers["ema"](x, sigmas[levels + steps], condition)
        cd = ((answer - goal) ** 2).mean()

        sigma = self.draw_sigma(len(truth), generator).to(truth)
        estimate = nets.denoiser(truth + sigma.view(-1, 1, 1) * noise, sigma, condition)
        dsm = (loss_weight(sigma) * ((estimate - truth) ** 2).mean((1, 2))).mean()
        return {"cd": cd, "dsm": dsm}

    def draw_sigma(self, batch: int, generator: torch.Generator) -> Tensor:
        """Noise levels of the denoising term: half log-normal, half along the first 0.7 of the grid's curve; (B,)."""
        low = log_normal(batch // 2, self.noise_mean, self.noise_std, generator)
        u = 0.7 * torch.rand(batch - batch // 2, generator=generator)
        top, bottom = SIGMA_MAX ** (1 / RHO), SIGMA_MIN ** (1 / RHO)
        return torch.cat([low, (top + u * (bottom - top)) ** RHO])
