"""What makes the network aware of harmony: in training it is asked which notes sound."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from accomp.diffusion.transformer import Condition, Transformer, TransformerConfig
from accomp.timeline import PITCH_CLASSES


@contextmanager
def capture_output(layer: nn.Module) -> Iterator[list[Tensor]]:
    """What a layer of a network says while it is called, call by call."""
    said: list[Tensor] = []
    hook = layer.register_forward_hook(lambda _layer, _inputs, output: said.append(output))
    try:
        yield said
    finally:
        hook.remove()


def masked_bce(logits: Tensor, notes: Tensor, where: Tensor | None = None) -> Tensor:
    """Binary cross entropy of pitch classes (B, K, T), NaN where unknown, in the frames `where` (B, T): a number."""
    asked = notes.isfinite()
    if where is not None:
        asked = asked & where.unsqueeze(1)
    error = F.binary_cross_entropy_with_logits(logits.float(), notes.nan_to_num(), reduction="none")
    return (error * asked).sum() / asked.sum().clamp(min=1)


def planning_layer(net: Transformer) -> nn.Module:
    """The layer after which two thirds of the network have passed; what is left can turn a plan into sound."""
    return net.layers[max(2 * len(net.layers) // 3, 1) - 1]


class ChromaProbe(nn.Module):
    """Reads from the hidden states of a transformer which notes sound: those of the player, and those to be played.

    So the network is made to hear the player's harmony, to foresee it where it is hidden, and to plan its own, as a
    recogniser's features teach an image model what to paint (Yu et al. 2025, REPA). Only training needs it. `weight` is
    that of its losses.
    """

    def __init__(self, config: TransformerConfig, weight: float):
        super().__init__()
        self.patch, self.weight = config.patch, weight
        self.read = nn.Linear(config.width, config.patch * 2 * PITCH_CLASSES)

    def forward(self, hidden: Tensor) -> Tensor:
        """(B, T / patch, D) -> logits (B, 2 PITCH_CLASSES, T) for the player's pitch classes and for its own."""
        read = self.read(F.layer_norm(hidden, hidden.shape[-1:]))
        return read.unflatten(-1, (self.patch, -1)).flatten(1, 2).transpose(1, 2)

    def losses(
        self, net: Transformer, hidden: Tensor, estimate: Tensor, condition: Condition, notes: Tensor
    ) -> dict[str, Tensor]:
        """How wrong the network is about the notes (B, 2 PITCH_CLASSES, T) of the player and of the target.

        `notes`: those that its planning layer, `hidden`, is aware of. With an ear also `heard`: those that the ear hears the
        player play; and `sounded`: those that the same ear hears in the denoised target, `estimate`.
        """
        losses = {"notes": masked_bce(self(hidden), notes)}
        if net.pitch_head is not None:
            theirs, own = notes.split(PITCH_CLASSES, 1)
            visible = condition.masks.visible
            losses["heard"] = masked_bce(net.pitch_head(condition.context * visible.unsqueeze(1)), theirs, visible)
            # With weights that are not moved, or the ear would learn to hear what the network wishes.
            unmoved = {name: weight.detach() for name, weight in net.pitch_head.named_parameters()}
            losses["sounded"] = masked_bce(
                functional_call(net.pitch_head, unmoved, estimate), own, condition.masks.target
            )
        return {name: self.weight * loss for name, loss in losses.items()}
