"""The judge that tells recordings from reconstructions, so that the decoder learns to sound like music and not like an average.

One small convolutional network for each of several window lengths looks at the complex spectrogram, real and imaginary
parts, with magnitudes to the power 0.4 (after the multi-scale STFT discriminator of Défossez et al. 2022, EnCodec). The losses
are the hinge loss (Lim and Ye 2017) and feature matching (Kumar et al. 2019, MelGAN).
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from accomp.codec.losses import compressed_stft

Judgement = tuple[
    list[Tensor], list[Tensor]
]  # scores (B, 1, T, F') and features (B, D, T, F'), of every window and layer


class StftDiscriminator(nn.Module):
    """Audio (B, N) -> how real it sounds, at every time and frequency, for each window length in samples."""

    def __init__(self, windows: Sequence[int] = (512, 1024, 2048), width: int = 24, layers: int = 4):
        super().__init__()
        self.windows = tuple(windows)
        self.judges = nn.ModuleList(_judge(width, layers) for _ in self.windows)

    def forward(self, audio: Tensor) -> Judgement:
        # In single precision always: half precision makes hinge losses coarse, and torch 2.11's bf16 convolutions (oneDNN)
        # crash in their backward pass on processors.
        with torch.autocast(audio.device.type, enabled=False):
            return self._judgement(audio.float())

    def _judgement(self, audio: Tensor) -> Judgement:
        scores, features = [], []
        for length, judge in zip(self.windows, self.judges, strict=True):
            x = compressed_stft(audio, length)[0].permute(0, 3, 2, 1)  # (B, 2, T, F)
            for layer in judge[:-1]:
                x = F.leaky_relu(layer(x), 0.2)
                features.append(x)
            scores.append(judge[-1](x))
        return scores, features


def _judge(width: int, layers: int) -> nn.ModuleList:
    """Convolutions that look wider in time and coarser in frequency from one to the next."""
    first = nn.Conv2d(2, width, (3, 9), padding=(1, 4))
    later = [
        nn.Conv2d(width, width, (3, 9), stride=(1, 2), dilation=(2**i, 1), padding=(2**i, 4)) for i in range(layers - 1)
    ]
    last = nn.Conv2d(width, 1, (3, 3), padding=(1, 1))
    return nn.ModuleList(weight_norm(layer) for layer in (first, *later, last))


def judge_loss(real: Sequence[Tensor], fake: Sequence[Tensor]) -> Tensor:
    """Hinge loss of the judge: 0 once every recording scores above 1 and every reconstruction below -1."""
    return _mean(F.relu(1 - r).mean() + F.relu(1 + f).mean() for r, f in zip(real, fake, strict=True))


def adversarial_loss(fake: Sequence[Tensor]) -> Tensor:
    """What the codec pays for reconstructions that the judge does not take for recordings."""
    return _mean(-score.mean() for score in fake)


def feature_loss(real: Sequence[Tensor], fake: Sequence[Tensor]) -> Tensor:
    """Distance of a reconstruction from its recording in the judge's features, relative to their size."""
    pairs = zip(real, fake, strict=True)
    return _mean((r.detach() - f).abs().mean() / r.detach().abs().mean().clamp(min=1e-6) for r, f in pairs)


def _mean(values) -> Tensor:
    return torch.stack(list(values)).mean()
