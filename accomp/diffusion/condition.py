"""The condition of a denoiser: everything it is told beside the noisy latents and their noise level."""

from dataclasses import dataclass, fields, replace

from torch import Tensor

from accomp.window import Masks


@dataclass(frozen=True)
class Condition:
    """Latents (B, C, T), masks (B, T), stem (B,), clock (B, CLOCK_FEATURES, T).

    Latents outside their mask are ignored; a clock of zeros is no clock.
    """

    context: Tensor
    past: Tensor
    masks: Masks
    stem: Tensor
    clock: Tensor

    def __getitem__(self, items: slice) -> "Condition":
        return Condition(*(getattr(self, field.name)[items] for field in fields(self)))

    def without_condition(self, which: Tensor) -> "Condition":
        """The same, except that the items in `which` (B,) are given neither the player nor a clock."""
        visible = self.masks.visible & ~which[:, None]
        return replace(self, masks=replace(self.masks, visible=visible), clock=self.clock * ~which.view(-1, 1, 1))
