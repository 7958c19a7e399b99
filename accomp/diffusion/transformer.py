"""The live network: a transformer over latent frames, conditioned on the player, its own past and the beat.

Every token is a patch of frames. It carries the noisy target, the model's own clean past, the player's context, the
three masks that say which of these exist, the clock, and the plan if there is one. Noise level, stem
and clock enter through adaptive layer norm, with one shared modulation and a learned table per layer (Chen et al. 2023,
PixArt-alpha); the clock's part differs from token to token.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from accomp.diffusion.condition import Condition
from accomp.diffusion.keys import Keys
from accomp.timeline import STEMS

BEAT, BAR = 8, 4  # harmonics of the phases that the network is given: down to thirty-second notes, and beats of the bar


@dataclass(frozen=True)
class TransformerConfig:
    channels: int = 64  # C of the codec
    width: int = 256
    layers: int = 6
    heads: int = 4
    expansion: int = 3  # hidden features of the feed-forward part, in widths
    patch: int = 2  # frames per token
    plan: int = 0  # rows of the plan; 0: none
    stems: int = len(STEMS)  # classes of instruments
    keys: int = 0  # the first rows of the latents, where each is a key; see `Keys`
    lowest_pitch: int = 21  # MIDI pitch of the first
    key_features: int = 16  # of each key and frame


def rotary(count: int, size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cosines and sines (count, size / 2) of rotary position embedding, counted from the window's end (Su et al. 2021)."""
    position = torch.arange(count - 1, -1, -1, device=device)[:, None].float()
    frequency = torch.exp(torch.arange(0, size, 2, device=device) * (-math.log(10_000) / size))
    return torch.cos(position * frequency), torch.sin(position * frequency)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    a, b = x.float().chunk(2, -1)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], -1).to(x.dtype)


def harmonics(clock: Tensor) -> Tensor:
    """The clock with more harmonics of its phases, (B, CLOCK_FEATURES, T) -> (B, 2 (BEAT + BAR) + 2, T).

    A drum stroke is short compared with a beat; from slow sinusoids alone a network takes very long to learn where it falls.
    """
    rows = []
    for (sin, cos), count in ((clock[:, 0:2].unbind(1), BEAT), (clock[:, 4:6].unbind(1), BAR)):
        s, c = sin, cos
        for _ in range(count):
            rows += [s, c]
            s, c = s * cos + c * sin, c * cos - s * sin
    return torch.cat([torch.stack(rows, 1), clock[:, 8:]], 1)


class Layer(nn.Module):
    """Attention and feed-forward, each modulated.  (B, S, D), (B, S, 6 D) -> (B, S - first, D): the tokens from `first` on."""

    def __init__(self, c: TransformerConfig):
        super().__init__()
        self.heads = c.heads
        self.table = nn.Parameter(torch.randn(6 * c.width) / c.width**0.5)
        self.qkv = nn.Linear(c.width, 3 * c.width, bias=False)
        self.mix = nn.Linear(c.width, c.width, bias=False)
        self.up = nn.Linear(c.width, c.expansion * c.width)
        self.down = nn.Linear(c.expansion * c.width, c.width)

    def forward(self, x: Tensor, modulation: Tensor, cos: Tensor, sin: Tensor, first: int = 0) -> Tensor:
        shift_a, scale_a, gate_a, shift_f, scale_f, gate_f = (modulation + self.table).chunk(6, -1)
        gate_a, shift_f, scale_f, gate_f = (z[:, first:] for z in (gate_a, shift_f, scale_f, gate_f))
        y = F.layer_norm(x, x.shape[-1:]) * (1 + scale_a) + shift_a
        q, k, v = self.qkv(y).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # each (B, heads, S, D / heads)
        q, k = (F.rms_norm(z, z.shape[-1:]) for z in (q[:, :, first:], k))
        y = F.scaled_dot_product_attention(rotate(q, cos[first:], sin[first:]), rotate(k, cos, sin), v)
        x = x[:, first:] + gate_a * self.mix(y.transpose(1, 2).flatten(2))
        y = F.layer_norm(x, x.shape[-1:]) * (1 + scale_f) + shift_f
        return x + gate_f * self.down(F.gelu(self.up(y)))


class Transformer(nn.Module):
    """F of the live family: noisy latents and a condition in, the raw network output out."""

    def __init__(self, config: TransformerConfig | None = None, **values):
        super().__init__()
        self.config = c = config or TransformerConfig(**values)
        rhythm = 2 * (BEAT + BAR) + 2
        self.into = nn.Linear(c.patch * (3 * c.channels + 3 + rhythm + c.plan), c.width)
        self.keys = self.gain = None
        if c.keys:
            self.keys = Keys(c.keys, c.lowest_pitch, c.key_features, c.width, c.patch, bool(c.plan))
            self.gain = nn.Linear(c.width, c.channels)  # of the noisy latents, for channels that are silent
            nn.init.zeros_(self.gain.weight)
            nn.init.zeros_(self.gain.bias)
        self.noise = nn.Sequential(nn.Linear(c.width, c.width), nn.SiLU(), nn.Linear(c.width, c.width))
        self.stem = nn.Embedding(c.stems, c.width)
        self.clock = nn.Linear(c.patch * rhythm, c.width, bias=False)
        self.modulate = nn.Linear(c.width, 6 * c.width)
        self.layers = nn.ModuleList(Layer(c) for _ in range(c.layers))
        self.out = nn.Linear(c.width, c.patch * c.channels)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor, c_noise: Tensor, condition: Condition) -> Tensor:
        """x (B, C, T) scaled to unit variance, c_noise (B,), T a multiple of the patch -> (B, C, T).

        In playing, frames that are no target are zeros: nobody asks for them, and the last layer is spared most of them.
        """
        m = condition.masks
        visible, known, target = (mask.unsqueeze(1).to(x.dtype) for mask in (m.visible, m.known, m.target))
        clock = harmonics(condition.clock.to(x.dtype)).expand(len(x), -1, -1)
        past, context = condition.past * known, condition.context * visible
        parts = [x * target, past, context, visible, known, target, clock]
        plan = None
        if self.config.plan:
            plan = condition.plan
            plan = x.new_zeros(len(x), self.config.plan, x.shape[2]) if plan is None else plan.to(x.dtype)
            parts.append(plan)
        h = self.into(self.tokens(torch.cat(parts, 1)))
        modulation = self.noise(self.embed(c_noise)) + self.stem(condition.stem)
        if self.keys is not None:
            gain = self.gain(F.silu(modulation)).unsqueeze(2)
            keys, tokens = self.keys.read(self.keys.grids([x * target, past, context], plan), modulation)
            h = h + tokens
        modulation = modulation[:, None] + self.clock(self.tokens(clock))
        modulation = self.modulate(F.silu(modulation))
        cos, sin = rotary(h.shape[1], self.config.width // self.config.heads, x.device)
        first = 0 if self.training else self.first_token(m.target)
        for layer in self.layers[:-1]:
            h = layer(h, modulation, cos, sin)
        h = self.layers[-1](h, modulation, cos, sin, first)
        h = F.layer_norm(h, h.shape[-1:])
        y = self.out(h).unflatten(-1, (self.config.patch, -1)).flatten(1, 2).transpose(1, 2)  # (B, S, p C) -> (B, C, T)
        start = first * self.config.patch
        if self.keys is not None:
            written = self.keys.write(keys[..., start:], h)
            y = y + gain * x[:, :, start:] + F.pad(written, (0, 0, 0, y.shape[1] - self.config.keys))
        return y if self.training else F.pad(y, (start, 0)) * target

    def first_token(self, target: Tensor) -> int:
        """The token before that of the first frame in target (B, T), which convolutions over keys look at; 0 without any."""
        frames = target.any(0).nonzero()
        return max(int(frames[0]) // self.config.patch - 1, 0) if len(frames) else 0

    def tokens(self, x: Tensor) -> Tensor:
        """(B, K, T) -> (B, T / patch, patch K)."""
        return x.transpose(1, 2).unflatten(1, (-1, self.config.patch)).flatten(2)

    def embed(self, c_noise: Tensor) -> Tensor:
        """Sines and cosines of the noise level, (B,) -> (B, D)."""
        half = self.config.width // 2
        frequency = torch.exp(torch.linspace(0, math.log(1000), half, device=c_noise.device))
        angle = c_noise[:, None].float() * frequency
        return torch.cat([angle.sin(), angle.cos()], -1)
