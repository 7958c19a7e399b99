"""The condition of a denoiser: everything it is told beside the noisy latents and their noise level."""

from dataclasses import dataclass, fields, replace

from torch import Tensor

from accomp.window import Masks


@dataclass(frozen=True)
class Condition:
    """Latents (B, C, T), masks (B, T), stem (B,), clock (B, CLOCK_FEATURES, T), plan (B, plan_rows(C), T) or None.

    Latents outside their mask are ignored; a clock of zeros is no clock, and a plan of zeros or None is none.
    """

    context: Tensor
    past: Tensor
    masks: Masks
    stem: Tensor
    clock: Tensor
    plan: Tensor | None = None

    def __getitem__(self, items: slice) -> "Condition":
        values = (getattr(self, field.name) for field in fields(self))
        return Condition(*(None if value is None else value[items] for value in values))

    def without_condition(self, which: Tensor) -> "Condition":
        """The same, except that the items in `which` (B,) are given neither the player nor a clock nor a plan."""
        visible, kept = self.masks.visible & ~which[:, None], ~which.view(-1, 1, 1)
        plan = None if self.plan is None else self.plan * kept
        return replace(self, masks=replace(self.masks, visible=visible), clock=self.clock * kept, plan=plan)
