"""The part of a network that sees latents as notes: a grid of keys and frames, the same at every key.

Which key sounds is one of 88 numbers of a frame. A token of a few hundred features cannot hold them all, and a linear
layer must learn of every key anew that its octave is in the chord. Here small convolutions with the weights shared by all
keys read notes, and the pitch classes of the plan laid out over the keys, before the tokens, and write notes after them,
with what was read close at hand (as the skip connections of a U-Net, Ronneberger et al. 2015).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from accomp.plan.contract import BASS, CHROMA, HARMONY_ROWS
from accomp.timeline import PITCH_CLASSES

LATENTS = 3  # grids of latents: the noisy target, the past and the context


class Keys(nn.Module):
    """Reads notes for the tokens of a network, and writes them from its tokens.

    Args:
        keys: the first rows of the latents (B, C, T), each a key
        lowest_pitch: the MIDI pitch of the first
        features: of each key and frame
        width: features of a token
        patch: frames per token
        plan: whether there is a plan, see `accomp.plan.contract`
    """

    def __init__(self, keys: int, lowest_pitch: int, features: int, width: int, patch: int, plan: bool):
        super().__init__()
        self.keys, self.patch = keys, patch
        pitch_class = (torch.arange(keys) + lowest_pitch) % PITCH_CLASSES
        self.register_buffer("pitch_class", pitch_class, persistent=False)
        self.see = nn.Conv2d(LATENTS + 4 * plan, features, (3, 5), padding=(1, 2))
        self.modulate = nn.Linear(width, 4 * features)
        self.again = nn.Conv2d(features, features, (3, 5), padding=(1, 2))
        self.into = nn.Linear(patch * keys * features, width)
        self.spread = nn.Linear(width, patch * keys * features // 2)
        self.join = nn.Conv2d(features + features // 2, features, 3, padding=1)
        self.out = nn.Conv2d(features, 1, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def grids(self, latents: list[Tensor], plan: Tensor | None) -> Tensor:
        """Latents, each (B, C, T), and the plan (B, plan_rows(C), T) as grids (B, G, keys, T)."""
        grids = [x[:, : self.keys] for x in latents]
        if plan is not None:
            channels = (plan.shape[1] - HARMONY_ROWS) // 2
            grids += [plan[:, rows][:, self.pitch_class] for rows in (CHROMA, BASS)]
            grids += [plan[:, first : first + self.keys] for first in (HARMONY_ROWS, HARMONY_ROWS + channels)]
        return torch.stack(grids, 1).contiguous(memory_format=torch.channels_last)  # faster on processors

    def read(self, grids: Tensor, modulation: Tensor) -> tuple[Tensor, Tensor]:
        """Grids (B, G, keys, T) and the modulation of the whole window (B, D) -> features of keys (B, F, keys, T) and
        of tokens (B, S, D).
        """
        scale, shift, scale_2, shift_2 = self.modulate(F.silu(modulation))[:, :, None, None].chunk(4, 1)
        x = F.gelu(self.see(grids) * (1 + scale) + shift)
        x = x + F.gelu(self.again(x) * (1 + scale_2) + shift_2)
        return x, self.into(x.permute(0, 3, 1, 2).flatten(2).unflatten(1, (-1, self.patch)).flatten(2))

    def write(self, features: Tensor, tokens: Tensor) -> Tensor:
        """Features of keys (B, F, keys, T) and tokens (B, S, D) -> rows of keys (B, keys, T)."""
        x = self.spread(tokens).unflatten(2, (self.patch, -1, self.keys)).flatten(1, 2).permute(0, 2, 3, 1)
        return self.out(F.gelu(self.join(torch.cat([features, x], 1))))[:, 0]
