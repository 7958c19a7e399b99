"""Distillation of the student: the teacher's answer in one or two calls instead of many."""

import copy
from pathlib import Path

import lightning as L
import torch
from torch import Tensor

from accomp.checkpoint import read_run, run_config
from accomp.diffusion.consistency import draw_levels, grid, walk
from accomp.diffusion.noise import log_normal
from accomp.diffusion.precond import ConsistencyDenoiser, loss_weight, masked_mse
from accomp.lit.diffusion import DiffusionModule
from accomp.lit.optimiser import warmup_cosine


class StudentModule(L.LightningModule):
    """Consistency distillation under the teacher's own masks and clock, with a denoising term beside it.

    Network, masks, clock and noise are read from the teacher's run, so that they cannot differ from it. The answer to
    match comes from a slow copy of the student, in eval mode; what is deployed is the averaged student.

    Args:
        teacher: a run of `experiment=diffusion`
        points: noise levels of the grid
        longest_walk: most teacher steps between the two answers
        slowness: decay of the slow copy per step
        dsm_weight: weight of the denoising term
    """

    def __init__(
        self,
        teacher: str,
        learning_rate: float = 2e-4,
        warmup_steps: int = 100,
        steps: int = 5_000,
        points: int = 18,
        longest_walk: int = 2,
        slowness: float = 0.98,
        dsm_weight: float = 0.5,
    ):
        super().__init__()
        self.save_hyperparameters()
        values = {k: v for k, v in run_config(Path(teacher))["module"].items() if k != "_target_"}
        playing = DiffusionModule(**values)
        read_run(Path(teacher), "denoiser.", playing.denoiser)
        self.playing = playing.requires_grad_(False)  # the teacher, and how it was told what it may hear
        self.denoiser = ConsistencyDenoiser(copy.deepcopy(playing.denoiser.net)).requires_grad_(True)
        self.slow = copy.deepcopy(self.denoiser).requires_grad_(False)
        self.register_buffer("sigmas", grid(points), persistent=False)

    def training_step(self, batch: dict, index: int) -> Tensor:
        self.slow.eval()
        self.playing.eval()
        generator = self.playing.generator(self.global_step * self.trainer.world_size + self.global_rank)
        cd, dsm = self.losses(batch, generator)
        self.log_dict({"train/cd": cd, "train/dsm": dsm}, prog_bar=True)
        return cd + self.hparams.dsm_weight * dsm

    def validation_step(self, batch: dict, index: int) -> None:
        cd, dsm = self.losses(batch, self.playing.generator(-1 - index))
        self.log_dict({"val/cd": cd, "val/dsm": dsm}, prog_bar=True, batch_size=len(batch["stem"]))

    def losses(self, batch: dict, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Distance to the slow student's answer after the teacher's walk, and to the truth."""
        target = batch["target"]
        condition = self.playing.condition(batch, generator)
        levels, walked = draw_levels(len(target), len(self.sigmas), self.hparams.longest_walk, generator)
        levels = levels.to(target.device)
        noise = torch.randn(target.shape, generator=generator).to(target)
        x = target + self.sigmas[levels].view(-1, 1, 1) * noise
        answer = self.denoiser(x, self.sigmas[levels], condition)
        with torch.no_grad():
            x = walk(self.playing.denoiser, x, levels, walked, self.sigmas, condition)
            goal = self.slow(x, self.sigmas[levels + walked], condition)
        cd = masked_mse(answer, goal, condition.masks.target).mean()

        half = slice(0, (len(target) + 1) // 2)  # the denoising term on half of the batch, as the paper has it
        target, condition, h = target[half], condition[half], self.playing.hparams
        sigma = log_normal(len(target), h.noise_mean, h.noise_std, generator).to(target)
        estimate = self.denoiser(target + sigma.view(-1, 1, 1) * noise[half], sigma, condition)
        dsm = (loss_weight(sigma) * masked_mse(estimate, target, condition.masks.target)).mean()
        return cd, dsm

    def on_train_batch_end(self, *_) -> None:
        with torch.no_grad():
            for slow, fast in zip(self.slow.parameters(), self.denoiser.parameters(), strict=True):
                slow.lerp_(fast, 1 - self.hparams.slowness)

    def configure_optimizers(self):
        h = self.hparams
        return warmup_cosine(self.denoiser.parameters(), h.learning_rate, h.warmup_steps, h.steps, betas=(0.9, 0.99))
