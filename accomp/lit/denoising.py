"""Training of any denoiser: diffusion models, students and the paper's models differ in what is plugged in."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path

import lightning as L
import torch
from torch import Tensor, nn

from accomp.codec.contract import Codec
from accomp.diffusion.precond import Denoiser
from accomp.errors import UserError
from accomp.lit.conditioner import Conditioner, ContextConditioner
from accomp.lit.cost import Cost
from accomp.lit.objective import Nets, Objective
from accomp.lit.training import TrainingModule, Values, adamw
from accomp.training_run import check_latents


class Frozen:
    """A network that is asked and never changed: neither trained, averaged nor saved with the module that holds it.

    It is no `nn.Module`, so that Lightning does not see it, and copies of the module share it.
    """

    def __init__(self, network: nn.Module):
        self.network = network.eval().requires_grad_(False)

    def __deepcopy__(self, memo: dict) -> Frozen:
        return self

    def __call__(self, *inputs) -> Tensor:
        return self.on(inputs[0].device)(*inputs)

    def on(self, device: torch.device) -> nn.Module:
        """The network on this device."""
        return self.network.to(device) if next(self.network.parameters()).device != device else self.network

    @cached_property
    def fingerprint(self) -> str:
        """A hash of its weights."""
        digest = hashlib.sha256()
        for value in self.network.state_dict().values():
            digest.update(value.cpu().float().numpy().tobytes())
        return digest.hexdigest()[:16]


class DenoisingModule(TrainingModule):
    """A denoiser, what it is told, and what it learns. Everything random comes from the number of the step.

    Args:
        net: the network F of `accomp.diffusion.precond`: (x, c_noise, condition) -> (B, C, T)
        conditioner: gives the condition of a batch
        objective: gives the losses of a batch
        learning_rate, warmup_steps, steps: linear warm-up and cosine decay over `steps` optimiser steps; constant if None
        form: how net becomes a denoiser
        codec: encodes batches of audio as they come; None for batches of latents
        teacher: a denoiser to learn from
        optimiser: (parameters, lr) -> optimiser
        start: a training run with whose weights to begin
        same_latents: training runs whose latents must be of the same codec as the data's
    """

    def __init__(
        self,
        net: nn.Module,
        conditioner: Conditioner | ContextConditioner,
        objective: Objective,
        learning_rate: float,
        warmup_steps: int = 0,
        steps: int | None = None,
        form: type[Denoiser] = Denoiser,
        codec: Codec | None = None,
        teacher: nn.Module | None = None,
        optimiser: Callable[..., torch.optim.Optimizer] = adamw,
        start: str | None = None,
        same_latents: Sequence[Path] = (),
    ):
        super().__init__()
        self.save_hyperparameters("learning_rate", "warmup_steps", "steps")
        self.save_hyperparameters({"conditioner": asdict(conditioner)})  # which masks it knew travels with the weights
        self.conditioner, self.objective, self.optimiser = conditioner, objective, optimiser
        self.denoiser = form(net)
        self.begin_with(start, "denoiser")
        self.helpers = nn.ModuleDict(objective.helpers(self.denoiser))
        self.codec = codec and Frozen(codec)
        self.teacher = teacher and Frozen(teacher)
        self.costs = [Cost(teacher)] if teacher else []  # made once: fitting and validating both ask for callbacks
        self.same_latents = same_latents

    def configure_callbacks(self) -> list[L.Callback]:
        return self.costs

    def on_train_start(self) -> None:
        if self.trainer.datamodule is not None:
            for run in self.same_latents:
                check_latents(run, self.trainer.datamodule.codec, "data.latents")

    def measure(self, batch: dict, generator: torch.Generator) -> tuple[Values, Values]:
        return self.losses(batch, generator), {}

    def losses(self, batch: dict, generator: torch.Generator) -> Values:
        """The objective's losses by name."""
        return self.objective(self.nets, self.conditioner, self.latents(batch), generator)

    @property
    def nets(self) -> Nets:
        return Nets(self.denoiser, self.teacher, self.helpers)

    @torch.no_grad()
    def latents(self, batch: dict) -> dict:
        """The batch with latents (B, C, T) in place of audio (B, N); as it is without a codec."""
        if self.codec is None:
            return batch

        def encode(audio: Tensor) -> Tensor:
            with torch.autocast(audio.device.type, enabled=False):  # the codec chooses its own precision
                return torch.cat([self.codec.on(audio.device).encode(few.float()) for few in audio.split(8)]).float()

        return batch | {"context": encode(batch["context"]), "target": encode(batch["target"])}

    def on_before_zero_grad(self, optimizer: torch.optim.Optimizer) -> None:
        self.objective.after_step(self.nets)

    def on_save_checkpoint(self, checkpoint: dict) -> None:
        if self.teacher:
            checkpoint["teacher"] = self.teacher.fingerprint

    def on_load_checkpoint(self, checkpoint: dict) -> None:
        if self.teacher and checkpoint.get("teacher") != self.teacher.fingerprint:
            raise UserError("module.teacher holds other weights than when this run began; choose another name=")
