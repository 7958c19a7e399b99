"""Training of the beat tracker: point at the phase of beat and bar, from what the player has played so far."""

from pathlib import Path

import lightning as L
import torch
from torch import Tensor

from accomp.beat.tracker import Tracker
from accomp.lit.optimiser import adamw, warmup_cosine
from accomp.training_run import read_run


class TrackerModule(L.LightningModule):
    """Squared error of the pointers, after `settle` frames of listening, wherever the song has a beat.

    Args:
        tracker: arguments of `Tracker`
        settle: frames at the start of an excerpt that are heard and not judged (43 is 2 s)
        start: a training run with whose weights to begin
        colour: standard deviation of a constant added to every channel of an excerpt, as another room or instrument would
        noise: standard deviation of noise added to every frame
    """

    def __init__(
        self, tracker: dict, learning_rate: float = 2e-3, warmup_steps: int = 100, steps: int = 4000, settle: int = 43,
        start: str | None = None, colour: float = 0.3, noise: float = 0.1,
    ):  # fmt: skip
        super().__init__()
        self.save_hyperparameters()
        self.tracker = Tracker(**tracker)
        if start is not None:
            read_run(Path(start), "tracker.", self.tracker).train()

    def training_step(self, batch: dict, index: int) -> Tensor:
        loss = self.loss(batch)
        self.log("train/loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch: dict, index: int) -> None:
        self.log("val/loss", self.loss(batch), prog_bar=True, batch_size=len(batch["stem"]))

    def loss(self, batch: dict) -> Tensor:
        clock = batch["clock"].transpose(1, 2)  # (B, T, CLOCK_FEATURES)
        context = batch["context"]
        if self.training:
            context = context + self.hparams.colour * torch.randn_like(context[..., :1])
            context = context + self.hparams.noise * torch.randn_like(context)
        pointers, _ = self.tracker(context)
        truth, exists = clock[..., [0, 1, 4, 5]], clock[..., 9:]
        error = ((pointers.float() - truth) ** 2 * exists)[:, self.hparams.settle :]
        return error.sum() / (4 * exists[:, self.hparams.settle :].sum()).clamp(min=1)

    def configure_optimizers(self):
        h = self.hparams
        return warmup_cosine(adamw(self.tracker.parameters(), h.learning_rate), h.warmup_steps, h.steps)
