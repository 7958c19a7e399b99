"""Denoising score matching: predict what the stem plays from its noisy latents and the condition."""

import logging
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from accomp.diffusion.noise import log_normal
from accomp.diffusion.precond import Denoiser, loss_weight, masked_mse
from accomp.lit.chroma_probe import ChromaProbe, capture_output
from accomp.lit.objective import Nets, Objective

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ScoreMatching(Objective):
    """Weighted squared error of the denoised target frames (Karras et al. 2022, Eq. 8).

    Args:
        noise_mean, noise_std: of ln(sigma)
        change: weight of errors in how the latents change from frame to frame, see `masked_mse`
        notes: weight of the errors in pitch classes, see `ChromaProbe`; only for networks that have a `planning_layer`
    """

    noise_mean: float = -0.2
    noise_std: float = 1.4
    change: float = 0.0
    notes: float = 0.0

    def helpers(self, denoiser: Denoiser) -> dict[str, nn.Module]:
        if not self.notes:
            return {}
        if not hasattr(denoiser.net, "planning_layer"):
            log.warning("notes are not learnt: %s has no planning_layer to read them from", type(denoiser.net).__name__)
            return {}
        return {"probe": ChromaProbe(denoiser.net.config, self.notes)}

    def __call__(self, nets: Nets, conditioner: Callable, batch: dict, generator: torch.Generator) -> dict[str, Tensor]:
        target, denoiser = batch["target"], nets.denoiser
        condition = conditioner(batch, generator, denoiser)
        sigma = log_normal(len(target), self.noise_mean, self.noise_std, generator).to(target)
        noise = torch.randn(target.shape, generator=generator).to(target)
        probe = nets.helpers["probe"] if "probe" in nets.helpers else None  # noqa: SIM401 (ModuleDict has no get)
        with capture_output(denoiser.net.planning_layer) if probe else nullcontext() as captured:
            estimate = denoiser(target + sigma.view(-1, 1, 1) * noise, sigma, condition)
        error = masked_mse(estimate, target, condition.masks.target, self.change)
        losses = {"loss": (loss_weight(sigma) * error).mean()}
        if probe:
            losses |= probe.losses(denoiser.net, captured[0], estimate, condition, batch["notes"])
        return losses
