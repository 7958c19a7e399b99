"""What a student learns from its teacher: three answers to the question what a good jump is.

Each takes the `StudentModule` that is trained, a batch and all chance of the step, and gives the losses to add up, by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from accomp.diffusion.consistency import draw_levels, drift, endpoint, grid, teacher_steps
from accomp.diffusion.noise import log_normal
from accomp.diffusion.precond import Denoiser, loss_weight
from accomp.diffusion.transformer import Condition
from accomp.errors import UserError
from accomp.window import masks

if TYPE_CHECKING:
    from accomp.lit.student import StudentModule


@dataclass(frozen=True)
class Endpoint:
    """The student must give in one call what the teacher gives in all of its steps.

    `teacher_steps` steps of the teacher, and one call more, lead from a level between `sigma_max` and `sigma_min`, drawn
    uniformly in its logarithm, down to `sigma_min`; with probability `from_noise` per item from `sigma_max`, pure noise.
    """

    sigma_min: float = 0.3
    sigma_max: float = 20.0
    from_noise: float = 0.5
    teacher_steps: int = 3
    ema_decay = 0.0  # no slow copy

    def __call__(self, module: StudentModule, batch: dict, generator: torch.Generator) -> dict[str, Tensor]:
        target = batch["target"]
        condition = module.playing.condition(batch, generator, module.denoiser)
        place, pure = torch.rand(2, len(target), generator=generator)
        place = torch.where(pure < self.from_noise, 1.0, place)
        sigma = (self.sigma_min * (self.sigma_max / self.sigma_min) ** place).to(target)
        clean = target * (sigma < self.sigma_max).view(-1, 1, 1)  # at the top there is nothing but noise, as in play
        x = clean + sigma.view(-1, 1, 1) * torch.randn(target.shape, generator=generator).to(target)
        goal = endpoint(module.teacher, x, sigma, condition, self.teacher_steps, self.sigma_min)
        return {"endpoint": module.distance(module.denoiser(x, sigma, condition), goal, condition).mean()}


@dataclass(frozen=True)
class Consistency:
    """The paper's distillation, its defects mended: the answer to match comes from a slow copy of the student in eval mode.

    On a grid of `points` noise levels the teacher walks up to `most_teacher_steps` steps between the two answers; the slow copy
    keeps `ema_decay` of itself per step; `dsm_weight` weighs the distance to the truth, on half of the batch.
    """

    points: int = 18
    most_teacher_steps: int = 2
    ema_decay: float = 0.98
    dsm_weight: float = 0.5

    def __call__(self, module: StudentModule, batch: dict, generator: torch.Generator) -> dict[str, Tensor]:
        target = batch["target"]
        condition = module.playing.condition(batch, generator, module.denoiser)
        levels, steps = draw_levels(len(target), self.points, self.most_teacher_steps, generator)
        levels, sigmas = levels.to(target.device), grid(self.points).to(target)
        noise = torch.randn(target.shape, generator=generator).to(target)
        x = target + sigmas[levels].view(-1, 1, 1) * noise
        answer = module.denoiser(x, sigmas[levels], condition)
        with torch.no_grad():
            x = teacher_steps(module.teacher, x, levels, steps, sigmas, condition)
            goal = module.slow.eval()(x, sigmas[levels + steps], condition)
        cd = module.distance(answer, goal, condition).mean()

        half = slice(0, (len(target) + 1) // 2)
        target, condition, h = target[half], condition[half], module.playing.hparams
        sigma = log_normal(len(target), h.noise_mean, h.noise_std, generator).to(target)
        estimate = module.denoiser(target + sigma.view(-1, 1, 1) * noise[half], sigma, condition)
        dsm = (loss_weight(sigma) * module.distance(estimate, target, condition)).mean()
        return {"cd": cd, "dsm": self.dsm_weight * dsm}


@dataclass(frozen=True)
class Rollout:
    """The student plays on from its own playing, as on stage, and must still land where the teacher would from there.

    It plays `fewest` to `most` steps of up to `longest_step` frames, in windows of `window` frames that slide along the
    excerpt; each step is one call at the first of `levels`, or more. Every item has a depth of its own, -1, 0 or 1, and with
    probability `cold` it has played nothing before. The last `supervised_steps` are compared with the teacher's from the
    same past, and all steps as one against the true stem (`drift`, weighed by `whole`). Gradients flow through the last
    call of a judged step and never from one step into the next, or the student would learn pasts that are easy to go on from
    (Huang et al. 2025, Self Forcing); so memory does not grow with the number of steps.
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
    whole: float = 0.1
    ema_decay = 0.0  # no slow copy

    def __call__(self, module: StudentModule, batch: dict, generator: torch.Generator) -> dict[str, Tensor]:
        steps, step = self.draw(batch["target"].shape[2], generator)
        played, distances = self.play(module, batch, steps, step, generator)
        truth = batch["target"][:, :, self.window - step :][:, :, : steps * step]
        return {"rollout": torch.stack(distances).mean(), "whole": self.whole * drift(played, truth).mean()}

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
        self, module: StudentModule, batch: dict, steps: int, step: int, generator: torch.Generator
    ) -> tuple[Tensor, list[Tensor]]:
        """What the student plays from frame `window` - `step` on, (B, C, steps * step); distances (B,) of judged steps."""
        own = module.playing.noisy_past(batch["target"], generator)
        clock = module.playing.jitter(batch["clock"], generator)
        calls = int(torch.randint(1, len(self.levels) + 1, (), generator=generator))
        depth = torch.randint(-1, 2, (len(own),), generator=generator).to(own.device)
        cold = (torch.rand(len(own), generator=generator) < self.cold).to(own.device)
        first = torch.full_like(depth, self.window - step)  # to be played, counted from the window's first frame
        distances = []
        for i in range(steps):
            here = slice(i * step, i * step + self.window)
            known = (cold * first - i * step).clamp(min=0)
            told = Condition(
                batch["context"][:, :, here],
                own[:, :, here].detach(),
                masks(self.window, torch.zeros_like(first), first - depth * step, known, first),
                batch["stem"],
                clock[:, :, here],
            )
            judged = i >= steps - self.supervised_steps
            x, sigma, answer = self.jump(module.denoiser, told, calls, judged, generator)
            if judged:
                goal = endpoint(module.teacher, x, sigma, told, self.teacher_steps, self.sigma_min)
                distances.append(module.distance(answer, goal, told))
            new = here.stop - step
            own = torch.cat([own[:, :, :new], answer[:, :, -step:], own[:, :, here.stop :]], 2)
        return own[:, :, self.window - step :][:, :, : steps * step], distances

    def jump(
        self, student: Denoiser, told: Condition, calls: int, judged: bool, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The last call's noisy frames, their noise level, and the answer; in a judged step that call has gradients."""
        answer = torch.zeros_like(told.past)
        for left, level in zip(reversed(range(calls)), self.levels, strict=False):
            x = answer + level * torch.randn(answer.shape, generator=generator).to(answer)
            sigma = x.new_full((len(x),), level)
            with torch.set_grad_enabled(judged and not left and torch.is_grad_enabled()):
                answer = student(x, sigma, told)
        return x, sigma, answer
