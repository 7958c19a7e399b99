"""Training in processes of its own, forked from this one so that nothing is imported twice; and ways to stop it."""

import json
import multiprocessing
import os
import runpy
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import CSVLogger

ROOT = Path(__file__).parent.parent
LIMIT_S = 600


def forked(task: Callable[[], int | None], log: Path, **environment: str) -> BaseProcess:
    """Start a process that does a task and ends with its result as exit status, as a process of its own does: it waits
    for what it has started. What it says goes to `log`.
    """

    def begin() -> None:
        os.setsid()
        for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):  # whatever the tests before have installed
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(out, 1)
        os.dup2(out, 2)
        sys.stdout, sys.stderr = os.fdopen(1, "w", buffering=1), os.fdopen(2, "w", buffering=1)
        os.environ.update(environment)
        sys.exit(task())

    process = multiprocessing.get_context("fork").Process(target=begin)
    process.start()
    return process


def ended(process: BaseProcess) -> int:
    """Wait for a process; its exit status, or minus the signal that killed it. One that hangs is killed."""
    process.join(LIMIT_S)
    if process.exitcode is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.join()
        raise TimeoutError(f"process {process.pid} did not end within {LIMIT_S} s")
    return process.exitcode


def answer(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def wait_for(done: Callable[[], object], what: str, limit_s: float = 60) -> None:
    deadline = time.monotonic() + limit_s
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: nothing after {limit_s} s")
        time.sleep(0.2)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def train(out: Path, *arguments: str, ranks: int = 1, log: Path | None = None, **environment: str) -> list[int]:
    """`python train.py` with arguments, as one process or as ranks started by torchrun; how each ended.

    What it says goes to the folder `log`, or to `out`.
    """
    shape = ["trainer.precision=32-true", "+trainer.enable_progress_bar=false", "callbacks.progress=null"]
    port = str(free_port())

    def rank(i: int) -> dict[str, str]:
        if ranks == 1:
            return environment
        world = {"RANK": i, "LOCAL_RANK": i, "WORLD_SIZE": ranks, "LOCAL_WORLD_SIZE": ranks, "GROUP_RANK": 0}
        meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "TORCHELASTIC_RUN_ID": "test"}
        return {k: str(v) for k, v in world.items()} | meeting | environment

    started = [run_script("train.py", out, i, (*shape, *arguments), rank(i), log) for i in range(ranks)]
    return [ended(process) for process in started]


def evaluate(out: Path, *arguments: str) -> list[int]:
    """`python evaluate.py` with arguments; how it ended."""
    return [ended(run_script("evaluate.py", out, 0, arguments, {}))]


def run_script(
    script: str, out: Path, number: int, arguments: Sequence[str], environment: dict, log: Path | None = None
) -> BaseProcess:
    """Start one of the scripts at the top, with `out` as its output folder; what it says goes to output<number>.log in the
    folder `log`, or in `out`.
    """
    settings = [str(argument) for argument in arguments if argument != "-m"]
    argv = [script, *["-m"] * ("-m" in arguments), *settings, f"out_dir={out}"]

    def task() -> None:
        os.chdir(ROOT)
        sys.argv = argv
        runpy.run_path(script, run_name="__main__")

    folder = log or out
    folder.mkdir(parents=True, exist_ok=True)
    return forked(task, folder / f"output{number}.log", **environment)


def said(out: Path) -> str:
    return "".join(path.read_text()[-3000:] for path in sorted(out.glob("output*.log")))


def state(out: Path) -> dict:
    return torch.load(out / "checkpoints/last.ckpt", weights_only=True)


def assert_equal_weights(one: Path, two: Path) -> None:
    """Weights, averages and the optimiser's memory are the same to the bit, after the same number of steps."""
    one, two = state(one), state(two)
    assert one["global_step"] == two["global_step"]
    for part in ("current_model_state", "state_dict"):
        for name, value in one[part].items():
            assert torch.equal(value, two[part][name]), (part, name)
    for index, memory in one["optimizer_states"][0]["state"].items():
        for name, value in memory.items():
            assert torch.equal(value, two["optimizer_states"][0]["state"][index][name]), (index, name)


class SignalAt(Callback):
    """Sends this process a signal while it is in its n-th optimiser step, on one rank or on all of them."""

    def __init__(self, step: int, number: int = signal.SIGKILL, rank: int | None = None):
        self.step, self.number, self.rank = step, number, rank

    def on_train_batch_start(self, trainer: L.Trainer, module, batch, index: int) -> None:
        if trainer.global_step == self.step - 1 and self.rank in (None, trainer.global_rank):
            os.kill(os.getpid(), self.number)


class SignalAll(SignalAt):
    """Sends a signal to this process and to all that it has started."""

    def on_train_batch_start(self, trainer: L.Trainer, module, batch, index: int) -> None:
        if trainer.global_step == self.step - 1:
            os.killpg(os.getpgid(0), self.number)


class FullDiskAt(Callback):
    """From an optimiser step on, no checkpoint can be written, as PyTorch reports it of a full disk."""

    def __init__(self, step: int):
        self.step = step

    def on_train_batch_start(self, trainer: L.Trainer, module, batch, index: int) -> None:
        if trainer.global_step >= self.step - 1:

            def fail(*_) -> None:
                raise RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 64 vs 0")

            torch.save = fail


class FailAt(Callback):
    """Raises an error of the program in an optimiser step."""

    def __init__(self, step: int):
        self.step = step

    def on_train_batch_start(self, trainer: L.Trainer, module, batch, index: int) -> None:
        if trainer.global_step == self.step - 1:
            raise ZeroDivisionError(f"in step\n{self.step}")


class PoisonAt(Callback):
    """Breaks the gradients of some optimiser steps."""

    def __init__(self, steps: list[int]):
        self.steps = steps

    def on_after_backward(self, trainer: L.Trainer, module) -> None:
        if trainer.global_step + 1 in self.steps:
            next(p for p in module.parameters() if p.grad is not None).grad[...] = float("nan")


class Facts(Callback):
    """Writes what a rank trained with, and what came of it, beside the checkpoints."""

    def on_train_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        total = sum(float(value.double().sum()) for value in module.state_dict().values())
        facts = {"learning_rate": module.hparams.learning_rate, "sum": total, "ranks": trainer.world_size}
        (Path(trainer.default_root_dir) / f"rank{trainer.global_rank}.json").write_text(json.dumps(facts))


class Slowly(Callback):
    """Takes its time over every step, so that something can happen meanwhile."""

    def __init__(self, seconds: float):
        self.seconds = seconds

    def on_train_batch_start(self, *_) -> None:
        time.sleep(self.seconds)


class Pace(Callback):
    """Writes how many steps a second it made after the first few, and which part of the time went into logging."""

    def __init__(self, after: int = 5):
        self.after = after

    def on_train_batch_end(self, trainer: L.Trainer, *_) -> None:
        if trainer.global_step == self.after:
            self.begun = time.perf_counter()

    def on_train_end(self, trainer: L.Trainer, module) -> None:
        seconds = time.perf_counter() - self.begun
        spent = sum(logger.spent for logger in trainer.loggers if isinstance(logger, TimedLogger))
        pace = {"steps_per_s": (trainer.global_step - self.after) / seconds, "logging": spent / seconds}
        (Path(trainer.default_root_dir) / f"pace{trainer.global_rank}.json").write_text(json.dumps(pace))


class TimedLogger(CSVLogger):
    """The CSV logger with a stopwatch."""

    spent = 0.0

    def log_metrics(self, metrics: dict, step: int | None = None) -> None:
        before = time.perf_counter()
        super().log_metrics(metrics, step)
        self.spent += time.perf_counter() - before

    def save(self) -> None:
        before = time.perf_counter()
        super().save()
        self.spent += time.perf_counter() - before
