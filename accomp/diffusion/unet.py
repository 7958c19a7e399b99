"""The paper's network: a U-Net on the image of 6 s of latents, channels by frames.

The DDPM++ variant of Song et al. 2021 in the wording of Karras et al. 2022 (EDM), at the size of arXiv 2604.07612:
257,523,969 parameters on a 64 x 64 latent image (64 Music2Latent channels by 64 frames; the LAST axis is time).
`PaperUNet` puts it behind the contract of all networks here.

Parameter names equal those of the published checkpoints, so that their tensors load with strict=True.
Shapes: B batch, H latent channels (64), T frames (64), S stems (4).
"""

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from accomp.diffusion.condition import Condition


class UNet(nn.Module):
    """Noisy stem and context, both as latent images, in; the raw network output F out.

    `resolution` and `width` are the image side and the base channels, `multipliers` the channel factor per level,
    `blocks` the residual blocks per encoder level (the decoder has one more), `attention_at` the image sides whose
    blocks attend over the whole image. The defaults are the published network.
    """

    def __init__(
        self,
        resolution: int = 64,
        stems: int = 4,
        width: int = 256,
        multipliers: Sequence[int] = (1, 2, 2, 2),
        blocks: int = 4,
        attention_at: Sequence[int] = (8, 16, 32),
        dropout: float = 0.1,
    ):
        super().__init__()
        self.stems, self.width = stems, width
        emb = 4 * width
        self.map_label = _linear(stems, width)
        self.map_layer0 = _linear(width, emb)
        self.map_layer1 = _linear(emb, emb)

        def block(cin: int, cout: int, **options) -> Block:
            return Block(cin, cout, emb, dropout, **options)

        self.enc, self.dec = nn.ModuleDict(), nn.ModuleDict()
        channels = self._add_encoder(block, resolution, multipliers, blocks, attention_at)
        self._add_decoder(block, resolution, multipliers, blocks, attention_at, channels)

    def _add_encoder(self, block: Callable, resolution: int, multipliers: Sequence, blocks: int, at: Sequence) -> list[int]:
        """Fills `enc`; the channels of every layer's output, which the decoder takes from the end."""
        channels = []
        for level, multiplier in enumerate(multipliers):
            side = resolution >> level
            if level == 0:
                self.enc[f"{side}x{side}_conv"] = _conv(2, self.width, 3)
                channels.append(self.width)
            else:
                self.enc[f"{side}x{side}_down"] = block(channels[-1], channels[-1], down=True)
                channels.append(channels[-1])
            for i in range(blocks):
                wide = self.width * multiplier
                self.enc[f"{side}x{side}_block{i}"] = block(channels[-1], wide, attention=side in at)
                channels.append(wide)
        return channels

    def _add_decoder(
        self, block: Callable, resolution: int, multipliers: Sequence, blocks: int, at: Sequence, kept: list[int]
    ) -> None:
        channels = kept[-1]
        for level, multiplier in reversed(list(enumerate(multipliers))):
            side, wide = resolution >> level, self.width * multiplier
            if level == len(multipliers) - 1:
                self.dec[f"{side}x{side}_in0"] = block(channels, channels, attention=True)
                self.dec[f"{side}x{side}_in1"] = block(channels, channels)
            else:
                self.dec[f"{side}x{side}_up"] = block(channels, channels, up=True)
            for i in range(blocks + 1):
                attends = i == blocks and side in at
                self.dec[f"{side}x{side}_block{i}"] = block(channels + kept.pop(), wide, attention=attends)
                channels = wide
        self.dec[f"{resolution}x{resolution}_aux_norm"] = _norm(channels)
        self.dec[f"{resolution}x{resolution}_aux_conv"] = _conv(channels, 1, 3, scale=1e-5)

    def forward(self, x: Tensor, context: Tensor, labels: Tensor, c_noise: Tensor) -> Tensor:
        """Scaled noisy latents and context (B, 1, H, T), one-hot stems (B, S), ln(sigma) / 4 (B,) -> (B, 1, H, T).

        Computes in the precision of its weights, whatever that of its inputs.
        """
        x, context, labels = (value.to(self.map_label.weight.dtype) for value in (x, context, labels))
        emb = self._noise_embedding(c_noise).to(x.dtype) + self.map_label(labels * math.sqrt(self.stems))
        emb = F.silu(self.map_layer1(F.silu(self.map_layer0(emb))))
        x = torch.cat([x, context], dim=1)
        kept = []
        for layer in self.enc.values():
            x = layer(x, emb) if isinstance(layer, Block) else layer(x)
            kept.append(x)
        for layer in self.dec.values():
            if not isinstance(layer, Block):
                x = layer(F.silu(x) if isinstance(layer, nn.Conv2d) else x)
                continue
            if x.shape[1] != layer.cin:
                x = torch.cat([x, kept.pop()], dim=1)
            x = layer(x, emb)
        return x

    def _noise_embedding(self, c_noise: Tensor) -> Tensor:
        """Sines then cosines of the log noise level at `width / 2` frequencies from 1 down to 1e-4."""
        half = self.width // 2
        exponent = torch.arange(half, device=c_noise.device, dtype=torch.float32) / (half - 1)
        angle = c_noise[:, None] * (1e-4**exponent)
        return torch.cat([angle.sin(), angle.cos()], dim=1)


class Block(nn.Module):
    """Two convolutions modulated by the noise level, with optional self-attention over the image afterwards."""

    def __init__(self, cin, cout, emb, dropout, *, up=False, down=False, attention=False):
        super().__init__()
        self.cin, self.dropout, self.attends = cin, dropout, attention
        self.norm0 = _norm(cin)
        self.conv0 = ResampledConv(cin, cout, 3, up, down) if up or down else _conv(cin, cout, 3)
        self.affine = _linear(emb, cout)
        self.norm1 = _norm(cout)
        self.conv1 = _conv(cout, cout, 3, scale=1e-5)
        self.skip = None
        if up or down:
            self.skip = ResampledConv(cin, cout, 1, up, down)
        elif cin != cout:
            self.skip = _conv(cin, cout, 1)
        if attention:
            self.norm2 = _norm(cout)
            self.qkv = _conv(cout, 3 * cout, 1, scale=math.sqrt(0.2))
            self.proj = _conv(cout, cout, 1, scale=1e-5)

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        y = self.conv0(F.silu(self.norm0(x)))
        y = F.silu(self.norm1(y + self.affine(emb)[:, :, None, None]))
        y = self.conv1(F.dropout(y, self.dropout, self.training))
        x = (y + (x if self.skip is None else self.skip(x))) * math.sqrt(0.5)
        return (x + self._attend(x)) * math.sqrt(0.5) if self.attends else x

    def _attend(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        # q, k and v of the published weights are interleaved along the channels, not stacked: index = 3 * channel + i.
        q, k, v = self.qkv(self.norm2(x)).view(b, c, 3, h * w).permute(2, 0, 3, 1)
        y = F.scaled_dot_product_attention(q, k, v)
        return self.proj(y.transpose(1, 2).reshape(b, c, h, w))


class ResampledConv(nn.Module):
    """Halves or doubles the image with a 2 x 2 box, then convolves."""

    def __init__(self, cin: int, cout: int, kernel: int, up: bool, down: bool):
        super().__init__()
        assert up != down, "a resampling convolution goes one way"
        self.up = up
        self.weight, self.bias = _conv(cin, cout, kernel).parameters()
        self.register_buffer("resample_filter", torch.full((1, 1, 2, 2), 0.25))

    def forward(self, x: Tensor) -> Tensor:
        channels = x.shape[1]
        box = self.resample_filter.expand(channels, 1, 2, 2)
        if self.up:
            x = F.conv_transpose2d(x, 4 * box, stride=2, groups=channels)
        else:
            x = F.conv2d(x, box, stride=2, groups=channels)
        return F.conv2d(x, self.weight, self.bias, padding=self.weight.shape[-1] // 2)


class PaperUNet(nn.Module):
    """The U-Net as a network like any other: latents, noise level and condition in, the raw network output out.

    Of the condition it uses the context, zeroed where it is not visible, and the stem; it has no clock, and no past of its
    own except what a sampler puts back (`accomp.diffusion.inpaint`).
    """

    def __init__(self, **values):
        super().__init__()
        self.unet = UNet(**values)
        self.stems = self.unet.stems

    def forward(self, x: Tensor, c_noise: Tensor, condition: Condition) -> Tensor:
        """x (B, C, T) scaled to unit variance, c_noise (B,), T a multiple of 8 -> (B, C, T)."""
        context = condition.context * condition.masks.visible.unsqueeze(1).to(x.dtype)
        labels = F.one_hot(condition.stem, self.stems).to(x.dtype)
        return self.unet(x[:, None], context[:, None], labels, c_noise)[:, 0]


def _norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(min(32, channels // 4), channels, eps=1e-6)


def _linear(cin: int, cout: int) -> nn.Linear:
    return _xavier(nn.Linear(cin, cout))


def _conv(cin: int, cout: int, kernel: int, scale: float = 1.0) -> nn.Conv2d:
    return _xavier(nn.Conv2d(cin, cout, kernel, padding=kernel // 2), scale)


def _xavier(layer, scale: float = 1.0):
    """Xavier-uniform initial weights; with `scale` near zero a branch starts close to zero."""
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    with torch.no_grad():
        layer.weight.mul_(scale)
    return layer
