"""Checkpoints that survive what happens to long runs."""

import logging
import os
import time
from pathlib import Path

import lightning as L
import torch
from lightning.pytorch.callbacks import Checkpoint

log = logging.getLogger(__name__)


class LastCheckpoint(Checkpoint):
    """Keeps `last.ckpt` and the one before it, `previous.ckpt`, whole at any moment and never with broken weights.

    A checkpoint is written beside its final place and moved there at once, so that a kill or a full disk leaves the old one
    as it was. Weights that are not finite stop the run.

    Args:
        dirpath: where they lie
        every_s: seconds of training between two checkpoints; the last step is always kept
        every_n_steps: optimiser steps between two checkpoints, in place of seconds
    """

    def __init__(self, dirpath: str, every_s: float = 120.0, every_n_steps: int | None = None):
        self.dirpath, self.every_s, self.every_n_steps = Path(dirpath), every_s, every_n_steps
        self.saved_at, self.saved_step = time.monotonic(), 0

    def on_train_batch_end(self, trainer: L.Trainer, module: L.LightningModule, *_) -> None:
        step = trainer.global_step
        if step == self.saved_step:  # still accumulating gradients
            return
        due = step % self.every_n_steps == 0 if self.every_n_steps else time.monotonic() - self.saved_at >= self.every_s
        if trainer.strategy.broadcast(due) or step >= trainer.max_steps > 0:
            self.save(trainer, module)

    def save(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        if not all(bool(torch.isfinite(p).all()) for p in module.parameters()):
            raise FloatingPointError(
                f"weights are not finite after step {trainer.global_step}; the last good ones are kept"
            )
        last, temporary = self.dirpath / "last.ckpt", self.dirpath / "writing.ckpt"
        self.dirpath.mkdir(parents=True, exist_ok=True)
        try:
            trainer.save_checkpoint(temporary)
        except OSError as error:
            log.warning("checkpoint of step %d could not be written (%s); training goes on", trainer.global_step, error)
            temporary.unlink(missing_ok=True)
            return
        if trainer.is_global_zero:
            if last.exists():
                os.replace(last, self.dirpath / "previous.ckpt")
            os.replace(temporary, last)
        self.saved_at, self.saved_step = time.monotonic(), trainer.global_step
