"""What the model may see and what it must play: masks over the frames of a window, live and in training.

A window of T frames ends with the frames to be generated. Along it lie

    session start          live edge      target start          window end
    |---- visible context ----|--- hidden ---|
    |---------- known: own past -------------|------ target ------|

A frame of the context is visible when it lies between the session's start and the live edge; hidden is not the same as
silent, so the masks go into the network. With depth w = -1 the live edge lies at the window's end.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Masks:
    """Boolean masks (B, T): context that exists, own past that exists, frames to generate."""

    visible: Tensor
    known: Tensor
    target: Tensor

    def __getitem__(self, items: slice) -> "Masks":
        return Masks(self.visible[items], self.known[items], self.target[items])

    def before(self, cut: Tensor, edge: Tensor) -> "Masks":
        """The same windows with everything from frame `cut` (B,) on to be generated, hearing nothing from `edge` (B,) on."""
        t = torch.arange(self.target.shape[1], device=self.target.device)
        later = t >= cut[:, None]
        return Masks(self.visible & (t < edge[:, None]), self.known & ~later, self.target | later)

    def to(self, device: torch.device) -> "Masks":
        return Masks(self.visible.to(device), self.known.to(device), self.target.to(device))


def masks(frames: int, start: Tensor, edge: Tensor, known: Tensor, target: Tensor) -> Masks:
    """Masks of windows given as frame indices (B,), each counted from the window's first frame.

    `start` the session's first frame, `edge` one past the last visible frame, `known` the first known frame, `target` the
    first frame to generate.
    """
    t = torch.arange(frames, device=start.device)
    start, edge, known, target = (x[:, None] for x in (start, edge, known, target))
    return Masks(
        visible=(t >= start) & (t < edge),
        known=(t >= torch.maximum(start, known)) & (t < target),
        target=(t >= target).expand(start.shape[0], frames),
    )


@dataclass(frozen=True)
class PlayingDraw:
    """Masks drawn as they occur in playing: every item draws how much is visible, how much is known, how much is to be played.

    Lengths are in frames; probabilities are per item.
    """

    longest_step: int = 66  # about 3 s at hop 2048
    longest_hidden: int = 66  # between the live edge and the first frame to generate
    long_target: float = 0.2  # probability of a target longer than any step: teaches whole phrases
    retrospective: float = 0.25  # probability that the whole window is visible (w = -1)
    immediate: float = 0.15  # probability that nothing is hidden before the target (w = 0)
    cold: float = 0.1  # probability that no own past is known
    partial_past: float = 0.15  # probability that the own past begins late
    young_session: float = 0.2  # probability that the session began inside the window

    def __call__(self, batch: int, frames: int, generator: torch.Generator | None = None) -> Masks:
        def uniform(low: Tensor | float, high: Tensor | float) -> Tensor:
            return low + (high - low) * torch.rand(batch, generator=generator)

        def happens(probability: float) -> Tensor:
            return torch.rand(batch, generator=generator) < probability

        longest = min(self.longest_step, frames)
        step = torch.exp(uniform(0.0, torch.tensor(longest + 1.0).log())).long().clamp(1, longest)
        step = torch.where(happens(self.long_target), uniform(longest, frames).long().clamp(1, frames), step)
        target = frames - step
        hidden = torch.where(happens(self.immediate), 0, uniform(0, self.longest_hidden + 1).long())
        edge = torch.where(happens(self.retrospective), frames, (target - hidden).clamp(min=0))
        known = torch.where(happens(self.partial_past), uniform(0, target + 1).long(), 0)
        known = torch.where(happens(self.cold), target, known)
        start = torch.where(happens(self.young_session), uniform(0, target + 1).long(), 0)
        return masks(frames, start, edge, known, target)


@dataclass(frozen=True)
class PaperDraw:
    """The paper's three masks: the last 0, 16 or 32 of 64 context frames are hidden, the whole window is the target."""

    hidden: tuple[float, ...] = (0.0, 0.25, 0.5)  # fractions of the window

    def __call__(self, batch: int, frames: int, generator: torch.Generator | None = None) -> Masks:
        choice = torch.randint(len(self.hidden), (batch,), generator=generator)
        edge = frames - (torch.tensor(self.hidden)[choice] * frames).long()
        zero = torch.zeros(batch, dtype=torch.long)
        return masks(frames, zero, edge, zero, zero)
