"""What all trainings share: losses that are logged and added up, an optimiser, a schedule, weights to begin with."""

import math
from abc import abstractmethod
from collections.abc import Callable, Iterable
from pathlib import Path

import lightning as L
import torch
from torch import Tensor, nn

from accomp.lit.seeds import seeded_generator, step_generator
from accomp.training_run import read_run

Values = dict[str, Tensor]


def adamw(parameters: Iterable[nn.Parameter], lr: float, betas: tuple[float, float] = (0.9, 0.99)) -> torch.optim.Optimizer:
    parameters = list(parameters)
    fused = all(parameter.is_cuda for parameter in parameters) or None  # one kernel a step
    return torch.optim.AdamW(parameters, lr, betas=betas, weight_decay=0.01, fused=fused)


class TrainingModule(L.LightningModule):
    """Says by `measure` what is wrong with a batch; everything random in it comes from the number of the step.

    Its hyperparameters are `learning_rate`, `warmup_steps` and `steps`: a linear warm-up and a cosine decay over `steps`
    optimiser steps; with `steps` None the learning rate is constant. `optimiser` is a function (parameters, lr=).
    """

    optimiser: Callable[..., torch.optim.Optimizer] = staticmethod(adamw)

    @abstractmethod
    def measure(self, batch: dict, generator: torch.Generator) -> tuple[Values, Values]:
        """Losses to add up, and figures that are only logged, by name. `self.training` tells training from validation."""

    def training_step(self, batch: dict, index: int) -> Tensor:
        losses, figures = self.measure(batch, step_generator(self, index))
        self.log_dict({f"train/{name}": value for name, value in (losses | figures).items()}, prog_bar=True)
        return total(losses)

    def validation_step(self, batch: dict, index: int) -> None:
        losses, figures = self.measure(batch, seeded_generator(-1 - index))
        values = {"loss": total(losses)} | losses | figures  # the objective's own "loss" goes before the sum
        logged = {f"val/{name}": value for name, value in values.items()}
        self.log_dict(logged, prog_bar=True, batch_size=len(batch["context"]))

    def configure_optimizers(self):
        h = self.hparams
        optimiser = self.optimiser([p for p in self.parameters() if p.requires_grad], lr=h.learning_rate)
        return optimiser if h.steps is None else warmup_cosine(optimiser, h.warmup_steps, h.steps)

    def begin_with(self, start: str | None, part: str, strict: bool = True) -> None:
        """Give the submodule `part` the weights that it had in another training run, if one is named."""
        if start is not None:
            read_run(Path(start), f"{part}.", getattr(self, part), strict).train()


def total(losses: Values) -> Tensor:
    return torch.stack(list(losses.values())).sum()


def warmup_cosine(optimiser: torch.optim.Optimizer, warmup_steps: int, steps: int) -> dict:
    """A linear warm-up and a cosine decay over `steps` optimiser steps, in the form that Lightning takes.

    One LambdaLR and not a SequentialLR of two schedules: here the cosine begins at step 0 and warm-up multiplies it; another
    curve would change the result of every published command.
    """

    def factor(step: int) -> float:
        warmup = min(1.0, (step + 1) / max(warmup_steps, 1))
        return warmup * (0.02 + 0.49 * (1 + math.cos(math.pi * min(1.0, step / steps))))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, factor)
    return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
