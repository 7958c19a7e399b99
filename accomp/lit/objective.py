"""The contract of what a denoiser learns: a function of (nets, conditioner, batch, generator) that gives losses."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from accomp.diffusion.condition import Condition
from accomp.diffusion.precond import Denoiser


@dataclass(frozen=True)
class Nets:
    """The networks of an objective: the denoiser that learns, its teacher if there is one, and the objective's helpers."""

    denoiser: Denoiser
    teacher: Callable[[Tensor, Tensor, Condition], Tensor] | None
    helpers: nn.ModuleDict


class Objective(ABC):
    """Losses of a batch. Everything random comes from `generator`."""

    def helpers(self, denoiser: Denoiser) -> dict[str, nn.Module]:
        """Further networks that this objective needs; they are saved with the denoiser, and trained if they have gradients."""
        return {}

    @abstractmethod
    def __call__(self, nets: Nets, conditioner: Callable, batch: dict, generator: torch.Generator) -> dict[str, Tensor]:
        """Losses to add up, by name. The batch holds latents: context, target (B, C, T), stem (B,), clock."""

    def after_step(self, nets: Nets) -> None:  # noqa: B027 (most objectives have nothing to do here)
        """Called once per step of the optimiser."""
