"""Distillation of the student: the teacher's answer in one or two calls instead of many."""

import copy
import logging
from pathlib import Path

import lightning as L
import torch
from torch import Tensor

from accomp.data.datamodule import SlakhDataModule
from accomp.diffusion.precond import ClassifierFreeGuidance, ConsistencyDenoiser, Denoiser, masked_mse
from accomp.diffusion.transformer import Condition
from accomp.errors import UserError
from accomp.lit.cost import Cost
from accomp.lit.diffusion import DiffusionModule, seeded_generator, step_generator
from accomp.lit.objectives import Consistency, Endpoint, Rollout
from accomp.lit.optimiser import warmup_cosine
from accomp.training_run import read_run, run_config

log = logging.getLogger(__name__)


class StudentModule(L.LightningModule):
    """Distillation under the teacher's own masks and clock; what is deployed is the averaged student.

    Network, masks, clock and noise are read from the teacher's run, so that they cannot differ from it; a teacher from which
    a student cannot learn to play (other masks, never deaf but to be guided, another codec) is a UserError. Part of the past
    that the student is told may be its own (`self_generated_past`): it learns on what it will meet.

    Args:
        teacher: a run of `experiment=diffusion`
        objective: what is learnt from it
        guidance: scale by which the teacher leans towards what it hears (1: not at all)
        self_generated_past: probability per batch that part of the past was played by the student itself
        start: a run of the student's own to begin with, instead of the teacher's weights
    """

    def __init__(
        self,
        teacher: str,
        objective: Endpoint | Consistency | Rollout,
        learning_rate: float = 2e-4,
        warmup_steps: int = 100,
        steps: int = 5_000,
        guidance: float = 1.0,
        self_generated_past: float = 0.25,
        start: str | None = None,
    ):
        super().__init__()
        self.save_hyperparameters(ignore="objective")
        self.objective = objective
        values = settings_of(Path(teacher), guidance)
        playing = DiffusionModule(
            **values | {"self_generated_past": self_generated_past, "cond_dropout": 0.0, "start": None}
        )
        read_network(Path(teacher), playing.denoiser)
        self.playing = playing.requires_grad_(False)  # the teacher, and how it was told what it may hear
        self.denoiser = ConsistencyDenoiser(copy.deepcopy(playing.denoiser.net)).requires_grad_(True)
        if start is not None:
            read_network(Path(start), self.denoiser).train()
        self.teacher = playing.denoiser if guidance == 1 else ClassifierFreeGuidance(playing.denoiser, guidance)
        self.slow = copy.deepcopy(self.denoiser).requires_grad_(False) if objective.ema_decay else None
        self.cost = Cost(playing.denoiser)

    def configure_callbacks(self) -> list[L.Callback]:
        return [self.cost]

    def on_train_start(self) -> None:
        if self.trainer.datamodule is not None:
            for run in filter(None, (self.hparams.teacher, self.hparams.start)):
                refuse_other_codec(Path(run), self.trainer.datamodule)

    def training_step(self, batch: dict, index: int) -> Tensor:
        self.playing.eval()
        losses = self.objective(self, batch, step_generator(self, index))
        self.log_dict({f"train/{name}": loss for name, loss in losses.items()}, prog_bar=True)
        return torch.stack(list(losses.values())).sum()

    def validation_step(self, batch: dict, index: int) -> None:
        losses = self.objective(self, batch, seeded_generator(-1 - index))
        self.log_dict(
            {f"val/{name}": loss for name, loss in losses.items()}, prog_bar=True, batch_size=len(batch["stem"])
        )

    def distance(self, answer: Tensor, goal: Tensor, condition: Condition) -> Tensor:
        return masked_mse(answer, goal, condition.masks.target, self.playing.change)

    def on_before_zero_grad(self, optimizer: torch.optim.Optimizer) -> None:
        if self.slow is not None:
            with torch.no_grad():
                for slow, fast in zip(self.slow.parameters(), self.denoiser.parameters(), strict=True):
                    slow.lerp_(fast, 1 - self.objective.ema_decay)

    def configure_optimizers(self):
        h = self.hparams
        return warmup_cosine(self.denoiser.parameters(), h.learning_rate, h.warmup_steps, h.steps, betas=(0.9, 0.99))


def settings_of(teacher: Path, guidance: float) -> dict:
    """How the teacher was made. UserError when it never knew the masks of playing, or cannot be guided."""
    values = dict(run_config(teacher)["module"])
    kind = values.pop("_target_").rpartition(".")[2]
    if kind != DiffusionModule.__name__:
        raise UserError(
            f"{teacher}: a run of {kind}, which never knew the masks and the clock of playing; "
            "give module.teacher a run of experiment=diffusion"
        )
    if guidance != 1 and not values.get("cond_dropout"):
        raise UserError(
            f"{teacher}: never deaf in training (module.cond_dropout=0), so guidance has nothing to lean away from; "
            "set module.guidance=1, or train it with module.cond_dropout=0.1"
        )
    return values


def read_network(run: Path, denoiser: Denoiser) -> Denoiser:
    """The run's denoiser; UserError when that is another network, told of the music in another way."""
    try:
        return read_run(run, "denoiser.", denoiser)
    except RuntimeError as error:
        reason = " ".join(str(error).split()).partition(": ")[2]
        raise UserError(
            f"{run}: its network has another size or another conditioning than this student's ({reason[:200]}); train it anew"
        ) from error


def refuse_other_codec(run: Path, data: SlakhDataModule) -> None:
    """UserError when a run was trained on latents of another codec than the one that made these."""
    state = torch.load(run / "checkpoints" / "last.ckpt", map_location="cpu", weights_only=True, mmap=True)
    codec = state.get(type(data).__qualname__, {}).get("codec")
    if codec is None:
        log.warning("%s: does not say on which codec's latents it was trained; these are of codec %s", run, data.codec)
    elif codec != data.codec:
        raise UserError(
            f"{run}: trained on latents of codec {codec}, but data.latents={data.hparams.latents} holds those of "
            f"{data.codec}; give the folder of its own, or train a teacher on these"
        )
