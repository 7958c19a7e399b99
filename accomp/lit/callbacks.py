"""Runs that can be interrupted: whole checkpoints, a stop on signals, no broken weights, reproducible random numbers."""

import logging
import os
import signal
import time
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback, Checkpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO

from accomp.errors import UserError

log = logging.getLogger(__name__)

LAST = "last.ckpt"
STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)


class WholeCheckpoints(TorchCheckpointIO):
    """Writes a checkpoint beside its place and moves it there at once; the last one before it stays as `previous.ckpt`.

    A kill at any moment leaves a whole `last.ckpt`. A full disk costs this checkpoint, not the run. (Lightning's own writes
    in the system's temporary folder and copies, which a full disk interrupts.)
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | os.PathLike, storage_options: Any = None) -> None:
        path = Path(path)
        writing = path.with_name("writing.ckpt")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with writing.open("wb") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
            if path.name == LAST and path.exists():  # a second name for it, so that there is one at every moment
                link = path.with_name("linking.ckpt")
                link.unlink(missing_ok=True)
                os.link(path, link)
                os.replace(link, path.with_name("previous.ckpt"))
            os.replace(writing, path)
        except (OSError, RuntimeError) as error:  # torch reports a failed write as a RuntimeError
            log.warning("checkpoint of step %s not written (%s); training goes on", checkpoint.get("global_step"), error)
            writing.unlink(missing_ok=True)


def read_last(folder: Path) -> tuple[Path | None, dict]:
    """The newest whole checkpoint of a run and what it holds; (None, {}) for a run without any."""
    paths = [path for path in (folder / LAST, folder / "previous.ckpt") if path.is_file()]
    for path in paths:
        try:
            return path, torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        except (OSError, RuntimeError, EOFError, ValueError) as error:
            log.warning("%s cannot be read (%s)", path, " ".join(str(error).split())[:200])
    if paths:
        raise UserError(f"no checkpoint in {folder} can be read; remove it to train from the beginning")
    return None, {}


class LastCheckpoint(Checkpoint):
    """Keeps `last.ckpt` and `previous.ckpt`; on SIGTERM, SIGINT, SIGUSR1 or SIGUSR2 saves after the step and stops.

    After saving, the signal goes to whoever handled it before: a job of submitit is put back into the queue (SIGUSR2) or
    goes on until it is killed (SIGTERM). Otherwise the process exits with 128 + the signal's number.

    Args:
        dirpath: where they lie
        every_s: seconds of training between two checkpoints; the last step is always kept
        every_n_steps: optimiser steps between two checkpoints, in place of seconds
        run_id: of the run in Weights & Biases; kept in the checkpoint, so that a resumed run is the same run there
    """

    def __init__(self, dirpath: str, every_s: float = 120.0, every_n_steps: int | None = None, run_id: str | None = None):
        self.dirpath, self.every_s, self.every_n_steps, self.run_id = Path(dirpath), every_s, every_n_steps, run_id
        self.saved_at, self.step, self.signal, self.before = time.monotonic(), 0, 0, {}

    def state_dict(self) -> dict:
        return {"run_id": self.run_id}

    def setup(self, trainer: L.Trainer, module: L.LightningModule, stage: str) -> None:
        self.before = {number: signal.getsignal(number) for number in STOPPING}  # Lightning's own come later

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self.step = trainer.global_step
        for number in STOPPING:  # Lightning puts the old ones back when it is done
            signal.signal(number, self.note)

    def note(self, number: int, frame: object) -> None:
        """Keep the signal until the step is over: a checkpoint in the middle of a step would be inconsistent."""
        if self.signal == signal.SIGINT == number:
            raise KeyboardInterrupt  # asked twice: at once
        self.signal = number

    def on_train_batch_end(self, trainer: L.Trainer, module: L.LightningModule, *_) -> None:
        step = trainer.global_step
        if step == self.step:  # still accumulating gradients
            return
        self.step = step
        due = step % self.every_n_steps == 0 if self.every_n_steps else time.monotonic() - self.saved_at >= self.every_s
        due, number = agreed(trainer, due or step >= trainer.max_steps > 0, self.signal)
        if due or number:
            self.save(trainer, module)
        if number:
            self.signal = 0
            self.stop(number)

    def save(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        if not all(bool(torch.isfinite(p).all()) for p in module.parameters()):
            raise UserError(f"weights are not finite after step {trainer.global_step}; the last good ones are kept")
        trainer.save_checkpoint(self.dirpath / LAST, weights_only=False)
        self.saved_at = time.monotonic()

    def stop(self, number: int) -> None:
        log.info("%s: saved after step %d; the same command goes on from there", signal.Signals(number).name, self.step)
        before = self.before[number]
        if not callable(before) or number == signal.SIGINT:
            raise SystemExit(128 + number)
        before(number, None)
        if number != signal.SIGTERM:  # the first rank has put the job back into the queue; the others leave quietly
            raise SystemExit(0)


def agreed(trainer: L.Trainer, due: bool, number: int) -> tuple[bool, int]:
    """What any rank wants: a checkpoint that is due, a signal that came."""
    if trainer.world_size == 1:
        return due, number
    wishes = torch.tensor([int(due), number], device=trainer.strategy.root_device)
    torch.distributed.all_reduce(wishes, torch.distributed.ReduceOp.MAX)
    return bool(wishes[0]), int(wishes[1])


class GradientGuard(Callback):
    """Leaves out a step whose gradients are not finite, and ends the run after `patience` such steps in a row."""

    def __init__(self, patience: int = 10):
        self.patience, self.in_a_row, self.skipped = patience, 0, 0

    def on_before_optimizer_step(self, trainer: L.Trainer, module: L.LightningModule, optimizer: torch.optim.Optimizer) -> None:
        gradients = [p.grad for p in module.parameters() if p.grad is not None]
        if not gradients or torch.isfinite(torch.nn.utils.get_total_norm(gradients)):
            self.in_a_row = 0
            return
        self.in_a_row, self.skipped = self.in_a_row + 1, self.skipped + 1
        log.warning(
            "step %d left out, its gradients are not finite (%d so far); the same seed and step make the same batch again",
            trainer.global_step,
            self.skipped,
        )
        optimizer.zero_grad(set_to_none=True)
        if self.in_a_row >= self.patience:
            raise UserError(
                f"gradients were not finite in {self.patience} steps in a row, the last of them {trainer.global_step}; "
                "the last good checkpoint is kept. Try a lower module.learning_rate"
            )


class SeededSteps(Callback):
    """Seeds torch for every batch by its number (for dropout and noise), so that a resumed run draws the same numbers."""

    def __init__(self, seed: int = 0):
        self.seed = seed

    def on_train_batch_start(self, trainer: L.Trainer, module: L.LightningModule, batch: Any, index: int) -> None:
        key = np.random.SeedSequence((self.seed, trainer.current_epoch, index, trainer.global_rank))
        torch.manual_seed(int(key.generate_state(1, np.uint64)[0]))


class Speed(Callback):
    """Logs how fast a run trains: excerpts per second, the share of the time spent waiting for data, and the GPU's memory."""

    def __init__(self):
        self.ended_at = self.began_at = self.since = time.monotonic()
        self.items, self.waited_s = 0, 0.0

    def on_train_batch_start(self, trainer: L.Trainer, module: L.LightningModule, batch: Any, index: int) -> None:
        self.began_at = time.monotonic()
        self.waited_s += self.began_at - self.ended_at

    def on_train_batch_end(self, trainer: L.Trainer, module: L.LightningModule, outputs: Any, batch: Any, index: int) -> None:
        self.ended_at = time.monotonic()
        self.items += len(batch["context"]) * trainer.world_size
        if trainer.global_step % trainer.log_every_n_steps:
            return
        passed_s = max(self.ended_at - self.since, 1e-6)
        figures = {"speed/excerpts_per_s": self.items / passed_s, "speed/data_wait": self.waited_s / passed_s}
        if module.device.type == "cuda":
            figures["speed/gpu_gb"] = torch.cuda.max_memory_allocated(module.device) / 1e9
        for logger in trainer.loggers:
            logger.log_metrics(figures, trainer.global_step)
        self.since, self.items, self.waited_s = self.ended_at, 0, 0.0

    def on_validation_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """What validation took is no time of training."""
        self.ended_at = self.since = time.monotonic()
        self.items, self.waited_s = 0, 0.0
