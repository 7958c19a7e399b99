"""What a distillation costs, over all sessions of a run: time, and calls of the teacher's network."""

import logging
import time
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback
from torch import nn

from accomp.diffusion.precond import Denoiser

log = logging.getLogger(__name__)


class Cost(Callback):
    """Logs cost/wall_s, cost/cpu_s, cost/gpu_s and cost/teacher_calls at every validation, and to the log at the end.

    Seconds of CPU are this process's (not its data workers'), seconds of GPU those for which one was held; both are times
    the number of ranks. A call of the teacher's network serves a whole batch; a guided answer takes two. Lightning's
    ThroughputMonitor has none of these, forgets earlier sessions, and waits for the GPU at every batch.
    """

    def __init__(self, teacher: nn.Module):
        self.calls = 0
        self.earlier = {"wall_s": 0.0, "cpu_s": 0.0, "gpu_s": 0.0}  # sessions that were interrupted
        self.began, self.ranks, self.gpus = (time.perf_counter(), time.process_time()), 1, 0
        inner = next(module for module in teacher.modules() if isinstance(module, Denoiser))  # within its guidance
        inner.register_forward_hook(self.count)

    def count(self, *_: Any) -> None:
        self.calls += 1

    def on_fit_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self.began = time.perf_counter(), time.process_time()
        self.ranks, self.gpus = trainer.world_size, trainer.world_size * (module.device.type == "cuda")

    def spent(self) -> dict[str, float]:
        """All sessions together."""
        wall, cpu = time.perf_counter() - self.began[0], time.process_time() - self.began[1]
        now = {"wall_s": wall, "cpu_s": cpu * self.ranks, "gpu_s": wall * self.gpus}
        return {name: self.earlier[name] + value for name, value in now.items()} | {"teacher_calls": self.calls}

    def state_dict(self) -> dict[str, float]:
        return self.spent()

    def load_state_dict(self, state: dict[str, float]) -> None:
        self.earlier = {name: value for name, value in state.items() if name != "teacher_calls"}
        self.calls = state["teacher_calls"]

    def on_validation_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        module.log_dict({f"cost/{name}": float(value) for name, value in self.spent().items()})

    def on_fit_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        if trainer.is_global_zero:
            text = "cost of this distillation: %.0f s, %.0f s of CPU, %.0f s of GPU, %d calls of the teacher's network"
            log.info(text, *self.spent().values())
