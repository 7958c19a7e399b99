"""The paper's distillation, as published (arXiv 2604.07612)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from accomp.diffusion.consistency import grid
from accomp.diffusion.noise import log_normal
from accomp.diffusion.precond import SIGMA_MIN, Denoiser
from accomp.lit.distillation import Consistency
from accomp.lit.objective import Nets

SIGMA_MAX, RHO = 80.0, 9.0  # of the distillation grid


@dataclass(frozen=True)
class PaperConsistency(Consistency):
    """`Consistency` with the published draws; the average keeps its dropout on, and both errors are of the whole batch.

    `noise_mean` and `noise_std` are the teacher's.
    """

    ema_decay: float = 0.999
    dsm_weight: float = 1.0
    dsm_share: float = 1.0
    noise_mean: float = -1.2
    noise_std: float = 1.2

    def grid(self) -> Tensor:
        return grid(self.points, SIGMA_MIN, SIGMA_MAX, RHO)

    def draw_levels(self, batch: int, generator: torch.Generator) -> tuple[Tensor, int]:
        """The number of teacher steps k = 1..points - 1 has P(k) proportional to k."""
        most = self.points - 1
        steps = 1 + int(torch.multinomial(torch.arange(1.0, most + 1), 1, generator=generator))
        return torch.randint(most - steps + 1, (batch,), generator=generator), steps

    def draw_sigma(self, batch: int, generator: torch.Generator) -> Tensor:
        """Half log-normal, half along the first 0.7 of the grid's curve; (B,)."""
        low = log_normal(batch // 2, self.noise_mean, self.noise_std, generator)
        u = 0.7 * torch.rand(batch - batch // 2, generator=generator)
        top, bottom = SIGMA_MAX ** (1 / RHO), SIGMA_MIN ** (1 / RHO)
        return torch.cat([low, (top + u * (bottom - top)) ** RHO])

    def average(self, nets: Nets) -> Denoiser:
        return nets.helpers["ema"]
