"""Codecs that are not causal, as the paper's is not, but fast: for tests of what a streamer may use and when."""

import torch
from torch import Tensor
from torch.nn import functional as F

from accomp.codec.contract import Codec

TAIL = 1536


class LeakyCodec(Codec):
    """Every frame knows its two neighbours, and all of the window by its loudness; like Music2Latent, decoding overhangs."""

    hop, channels, delay, causal = 4096, 64, 882, False

    def encode(self, audio: Tensor) -> Tensor:
        frames = audio.shape[1] // self.hop
        own = audio[:, : frames * self.hop].unflatten(1, (frames, 64, -1)).mean(-1).transpose(1, 2)
        smeared = F.avg_pool1d(own, 3, 1, 1, count_include_pad=True)
        return smeared / (1e-3 + own.square().mean((1, 2), keepdim=True).sqrt())

    def decode_window(self, latents: Tensor) -> Tensor:
        audio = latents.transpose(1, 2).repeat_interleave(self.hop // 64, 2).flatten(1).tanh()
        return F.pad(audio, (0, TAIL))

    def decode(self, latents: Tensor) -> Tensor:
        return self.decode_window(latents)[:, :-TAIL]

    def encode_stream(self, audio, state=None):
        raise AssertionError("frames of such a codec change with what follows: encode windows")

    def decode_stream(self, latents, state=None):
        return self.decode(latents), state


class ExactCodec(LeakyCodec):
    """A frame is its own samples and those that overhang: nothing is lost, and whatever is out of place shows."""

    channels = 4096 + TAIL

    def encode(self, audio: Tensor) -> Tensor:
        return F.pad(audio, (0, TAIL)).unfold(1, self.channels, self.hop).transpose(1, 2)[:, :, : audio.shape[1] // self.hop]

    def decode_window(self, latents: Tensor) -> Tensor:
        return torch.cat([latents[:, : self.hop].transpose(1, 2).flatten(1), latents[:, self.hop :, -1]], 1)
