"""Denoising score matching: predict what the stem plays from its noisy latents and the condition."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from accomp.diffusion.noise import log_normal
from accomp.diffusion.precond import loss_weight, masked_mse
from accomp.lit.objective import Nets, Objective


@dataclass(frozen=True)
class ScoreMatching(Objective):
    """Weighted squared error of the denoised target frames (Karras et al. 2022, Eq. 8).

    Args:
        noise_mean, noise_std: of ln(sigma)
        change: weight of errors in how the latents change from frame to frame, see `masked_mse`
    """

    noise_mean: float = -0.2
    noise_std: float = 1.4
    change: float = 0.0

    def __call__(self, nets: Nets, conditioner: Callable, batch: dict, generator: torch.Generator) -> dict[str, Tensor]:
        target, denoiser = batch["target"], nets.denoiser
        condition = conditioner(batch, generator, denoiser)
        sigma = log_normal(len(target), self.noise_mean, self.noise_std, generator).to(target)
        noise = torch.randn(target.shape, generator=generator).to(target)
        estimate = denoiser(target + sigma.view(-1, 1, 1) * noise, sigma, condition)
        error = masked_mse(estimate, target, condition.masks.target, self.change)
        return {"loss": (loss_weight(sigma) * error).mean()}
