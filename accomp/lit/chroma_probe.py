"""Pitch classes as an auxiliary task: a probe asks the network's hidden states which notes sound."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from accomp.diffusion.condition import Condition
from accomp.diffusion.transformer import Transformer, TransformerConfig
from accomp.timeline import PITCH_CLASSES


@contextmanager
def capture_output(layer: nn.Module) -> Iterator[list[Tensor]]:
    """Collects the outputs of a layer in a list, call by call, while the block runs."""
    captured: list[Tensor] = []
    hook = layer.register_forward_hook(lambda _layer, _inputs, output: captured.append(output))
    try:
        yield captured
    finally:
        hook.remove()


def masked_bce(logits: Tensor, notes: Tensor, where: Tensor | None = None) -> Tensor:
    """Binary cross entropy of pitch classes (B, K, T), NaN where unknown, in the frames `where` (B, T): a number."""
    asked = notes.isfinite()
    if where is not None:
        asked = asked & where.unsqueeze(1)
    error = F.binary_cross_entropy_with_logits(logits.float(), notes.nan_to_num(), reduction="none")
    return (error * asked).sum() / asked.sum().clamp(min=1)


class ChromaProbe(nn.Module):
    """Linear probe of a transformer's hidden states for the pitch classes of the player and of the target.

    Its loss makes the network represent the player's harmony, predict it where it is hidden, and plan its own, as the
    features of a recogniser do for image models (Yu et al. 2025, REPA). Used in training only; `weight` scales its losses.
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
        """Errors in the pitch classes (B, 2 PITCH_CLASSES, T) of the player and of the target, by name.

        `notes`: read from the planning layer's output, `hidden`. If the network has a pitch-class head also
        `notes_context`: what the head finds in the visible context, and `notes_target`: what it finds in the denoised target,
        `estimate`.
        """
        losses = {"notes": masked_bce(self(hidden), notes)}
        if net.pitch_head is not None:
            theirs, own = notes.split(PITCH_CLASSES, 1)
            visible = condition.masks.visible
            losses["notes_context"] = masked_bce(net.pitch_head(condition.context * visible.unsqueeze(1)), theirs, visible)
            # With the head's weights held constant, or it would learn to find what the network intends.
            constant = {name: weight.detach() for name, weight in net.pitch_head.named_parameters()}
            found = functional_call(net.pitch_head, constant, estimate)
            losses["notes_target"] = masked_bce(found, own, condition.masks.target)
        return {name: self.weight * loss for name, loss in losses.items()}
