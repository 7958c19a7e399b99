"""Distillation on the student's own output: it plays several steps in a row, as it does live, and is corrected there."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from accomp.diffusion.condition import Condition
from accomp.diffusion.consistency import drift, endpoint
from accomp.diffusion.precond import Denoiser, masked_mse
from accomp.errors import UserError
from accomp.lit.conditioner import Conditioner, seen_plan
from accomp.lit.objective import Nets, Objective
from accomp.window import masks


@dataclass(frozen=True)
class Rollout(Objective):
    """The student plays several steps in a row; the last ones must be what the teacher gives from the same past.

    It plays `fewest` to `most` steps of up to `longest_step` frames, in windows of `window` frames that move along the
    excerpt; each step is one call at the first of `levels`, or more. Every item has a depth of its own, -1, 0 or 1, and with
    probability `cold` no past of its own at the start. The last `supervised_steps` are compared with the teacher's answer,
    and all steps together with the true stem (`drift`, with weight `drift_weight`). Gradients flow through the last call of a
    supervised step and never from one step into the next, or the student would learn pasts that are easy to continue (Huang
    et al. 2025, Self Forcing); so memory does not grow with the number of steps. `change` as in `masked_mse`.
    """

    window: int = 128
    fewest: int = 4
    most: int = 8
    longest_step: int = 32
    supervised_steps: int = 2
    levels: Sequence[float] = (20.0, 1.0)
    teacher_steps: int = 3
    sigma_min: float = 0.3
    cold: float = 0.25
    drift_weight: float = 0.1
    change: float = 0.0

    def __call__(self, nets: Nets, conditioner: Callable, batch: dict, generator: torch.Generator) -> dict[str, Tensor]:
        steps, step = self.draw(batch["target"].shape[2], generator)
        played, distances = self.play(nets, conditioner, batch, steps, step, generator)
        truth = batch["target"][:, :, self.window - step :][:, :, : steps * step]
        return {"rollout": torch.stack(distances).mean(), "drift": self.drift_weight * drift(played, truth).mean()}

    def draw(self, frames: int, generator: torch.Generator) -> tuple[int, int]:
        """How many steps a batch of excerpts of so many frames plays, and of how many frames each."""
        steps = int(torch.randint(self.fewest, self.most + 1, (), generator=generator))
        longest = min(self.longest_step, self.window, (frames - self.window) // (steps - 1))
        if longest < 1:
            raise UserError(
                f"{steps} steps after a window of {self.window} frames do not fit into excerpts of {frames}; "
                "set data.frames higher or module.objective.window lower"
            )
        return steps, int(torch.randint(1, longest + 1, (), generator=generator))

    def play(
        self, nets: Nets, conditioner: Conditioner, batch: dict, steps: int, step: int, generator: torch.Generator
    ) -> tuple[Tensor, list[Tensor]]:
        """What the student plays from frame `window` - `step` on, (B, C, steps * step); errors (B,) of supervised steps."""
        own = conditioner.noisy_past(batch["target"], generator)
        clock = conditioner.jitter(batch["clock"], generator)
        calls = int(torch.randint(1, len(self.levels) + 1, (), generator=generator))
        depth = torch.randint(-1, 2, (len(own),), generator=generator).to(own.device)
        cold = (torch.rand(len(own), generator=generator) < self.cold).to(own.device)
        first = torch.full_like(depth, self.window - step)  # to be played, counted from the window's first frame
        distances = []
        for i in range(steps):
            here = slice(i * step, i * step + self.window)
            known = (cold * first - i * step).clamp(min=0)
            within = masks(self.window, torch.zeros_like(first), first - depth * step, known, first)
            condition = Condition(
                batch["context"][:, :, here],
                own[:, :, here].detach(),
                within,
                batch["stem"],
                clock[:, :, here],
                seen_plan(batch, within, clock, here),
            )
            supervised = i >= steps - self.supervised_steps
            x, sigma, answer = self.sample(nets.denoiser, condition, calls, supervised, generator)
            if supervised:
                goal = endpoint(nets.teacher, x, sigma, condition, self.teacher_steps, self.sigma_min)
                distances.append(masked_mse(answer, goal, condition.masks.target, self.change))
            new = here.stop - step
            own = torch.cat([own[:, :, :new], answer[:, :, -step:], own[:, :, here.stop :]], 2)
        return own[:, :, self.window - step :][:, :, : steps * step], distances

    def sample(
        self, student: Denoiser, condition: Condition, calls: int, supervised: bool, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The last call's noisy frames, their noise level, and the answer; in a supervised step that call has gradients."""
        answer = torch.zeros_like(condition.past)
        for left, level in zip(reversed(range(calls)), self.levels, strict=False):
            x = answer + level * torch.randn(answer.shape, generator=generator).to(answer)
            sigma = x.new_full((len(x),), level)
            with torch.set_grad_enabled(supervised and not left and torch.is_grad_enabled()):
                answer = student(x, sigma, condition)
        return x, sigma, answer
