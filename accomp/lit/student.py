"""Distillation of the student: the teacher's answer in one or two calls instead of many."""

import copy
from pathlib import Path

import lightning as L
import torch
from torch import Tensor

from accomp.checkpoint import read_run, run_config
from accomp.diffusion.consistency import draw_levels, endpoint, grid, walk
from accomp.diffusion.noise import log_normal
from accomp.diffusion.precond import ConsistencyDenoiser, Guided, loss_weight, masked_mse
from accomp.diffusion.transformer import Condition
from accomp.lit.diffusion import DiffusionModule, chance, step_chance
from accomp.lit.optimiser import warmup_cosine


class StudentModule(L.LightningModule):
    """Distillation under the teacher's own masks and clock; what is deployed is the averaged student.

    Network, masks, clock and noise are read from the teacher's run, so that they cannot differ from it. Part of the past
    that the student is told may be its own (`self_past`): it learns on what it will meet.

    Args:
        teacher: a run of `experiment=diffusion`
        guidance: scale by which the teacher leans towards what it hears (1: not at all)
        self_past: probability per batch that part of the past was played by the student itself
        start: a run of the student's own to begin with, instead of the teacher's weights
    """

    def __init__(
        self,
        teacher: str,
        learning_rate: float = 2e-4,
        warmup_steps: int = 100,
        steps: int = 5_000,
        guidance: float = 1.0,
        self_past: float = 0.25,
        start: str | None = None,
    ):
        super().__init__()
        self.save_hyperparameters()
        values = {k: v for k, v in run_config(Path(teacher))["module"].items() if k != "_target_"}
        playing = DiffusionModule(**values | {"self_past": self_past, "deaf": 0.0, "start": None})
        read_run(Path(teacher), "denoiser.", playing.denoiser)
        self.playing = playing.requires_grad_(False)  # the teacher, and how it was told what it may hear
        self.denoiser = ConsistencyDenoiser(copy.deepcopy(playing.denoiser.net)).requires_grad_(True)
        if start is not None:
            read_run(Path(start), "denoiser.", self.denoiser).train()
        self.teacher = playing.denoiser if guidance == 1 else Guided(playing.denoiser, guidance)

    def training_step(self, batch: dict, index: int) -> Tensor:
        self.playing.eval()
        losses = self.losses(batch, step_chance(self, index))
        self.log_dict({f"train/{name}": loss for name, loss in losses.items()}, prog_bar=True)
        return torch.stack(list(losses.values())).sum()

    def validation_step(self, batch: dict, index: int) -> None:
        losses = self.losses(batch, chance(-1 - index))
        self.log_dict(
            {f"val/{name}": loss for name, loss in losses.items()}, prog_bar=True, batch_size=len(batch["stem"])
        )

    def losses(self, batch: dict, generator: torch.Generator) -> dict[str, Tensor]:
        """What to add up, by name."""
        raise NotImplementedError

    def distance(self, answer: Tensor, goal: Tensor, condition: Condition) -> Tensor:
        return masked_mse(answer, goal, condition.masks.target, self.playing.change)

    def configure_optimizers(self):
        h = self.hparams
        return warmup_cosine(self.denoiser.parameters(), h.learning_rate, h.warmup_steps, h.steps, betas=(0.9, 0.99))


class EndpointStudentModule(StudentModule):
    """The student must land where the teacher's whole walk ends.

    Args:
        sigma_max, sigma_min: walks start at a level between these, evenly in its logarithm, or (`from_noise`) at the upper
        from_noise: probability per item that the walk starts at sigma_max, where all music begins
        walk: steps of the teacher's walk, which ends at sigma_min; one call more than that
    """

    def __init__(
        self,
        teacher: str,
        sigma_min: float = 0.3,
        sigma_max: float = 20.0,
        from_noise: float = 0.5,
        walk: int = 3,
        **values,
    ):
        super().__init__(teacher, **values)
        self.save_hyperparameters()

    def losses(self, batch: dict, generator: torch.Generator) -> dict[str, Tensor]:
        h, target = self.hparams, batch["target"]
        condition = self.playing.condition(batch, generator, self.denoiser)
        place, pure = torch.rand(2, len(target), generator=generator)
        place = torch.where(pure < h.from_noise, 1.0, place)
        sigma = (h.sigma_min * (h.sigma_max / h.sigma_min) ** place).to(target)
        clean = target * (sigma < h.sigma_max).view(-1, 1, 1)  # at the top there is nothing but noise, as in play
        x = clean + sigma.view(-1, 1, 1) * torch.randn(target.shape, generator=generator).to(target)
        goal = endpoint(self.teacher, x, sigma, condition, h.walk, h.sigma_min)
        return {"endpoint": self.distance(self.denoiser(x, sigma, condition), goal, condition).mean()}


class ConsistencyStudentModule(StudentModule):
    """The paper's distillation, its defects mended: the answer to match comes from a slow copy of the student in eval mode.

    Args:
        points: noise levels of the grid
        longest_walk: most teacher steps between the two answers
        slowness: decay of the slow copy per step
        dsm_weight: weight of the denoising term
    """

    def __init__(
        self,
        teacher: str,
        points: int = 18,
        longest_walk: int = 2,
        slowness: float = 0.98,
        dsm_weight: float = 0.5,
        **values,
    ):
        super().__init__(teacher, **values)
        self.save_hyperparameters()
        self.slow = copy.deepcopy(self.denoiser).requires_grad_(False)
        self.register_buffer("sigmas", grid(points), persistent=False)

    def losses(self, batch: dict, generator: torch.Generator) -> dict[str, Tensor]:
        """Distance to the slow student's answer after the teacher's walk, and to the truth."""
        self.slow.eval()
        target = batch["target"]
        condition = self.playing.condition(batch, generator, self.denoiser)
        levels, walked = draw_levels(len(target), len(self.sigmas), self.hparams.longest_walk, generator)
        levels = levels.to(target.device)
        noise = torch.randn(target.shape, generator=generator).to(target)
        x = target + self.sigmas[levels].view(-1, 1, 1) * noise
        answer = self.denoiser(x, self.sigmas[levels], condition)
        with torch.no_grad():
            x = walk(self.teacher, x, levels, walked, self.sigmas, condition)
            goal = self.slow(x, self.sigmas[levels + walked], condition)
        cd = self.distance(answer, goal, condition).mean()

        half = slice(0, (len(target) + 1) // 2)  # the denoising term on half of the batch, as the paper has it
        target, condition, h = target[half], condition[half], self.playing.hparams
        sigma = log_normal(len(target), h.noise_mean, h.noise_std, generator).to(target)
        estimate = self.denoiser(target + sigma.view(-1, 1, 1) * noise[half], sigma, condition)
        dsm = (loss_weight(sigma) * self.distance(estimate, target, condition)).mean()
        return {"cd": cd, "dsm": self.hparams.dsm_weight * dsm}

    def on_before_zero_grad(self, optimizer: torch.optim.Optimizer) -> None:
        with torch.no_grad():
            for slow, fast in zip(self.slow.parameters(), self.denoiser.parameters(), strict=True):
                slow.lerp_(fast, 1 - self.hparams.slowness)
