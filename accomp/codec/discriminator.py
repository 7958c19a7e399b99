"""The discriminator that tells recordings from reconstructions, for adversarial training of a codec's decoder.

One small convolutional network for each of several window lengths takes the complex spectrogram, real and imaginary
parts, with magnitudes to the power 0.4 (after the multi-scale STFT discriminator of Défossez et al. 2022, EnCodec). The
losses are the hinge loss (Lim and Ye 2017) and feature matching (Kumar et al. 2019, MelGAN).
"""

from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from accomp.codec.losses import compressed_stft


class StftDiscriminator(nn.Module):
    """Audio (B, N) -> scores (B, 1, T, F'), one for each window, and features (B, D, T, F'), one for each window and
    layer.

    A score is positive where the audio passes for a recording. `windows` are lengths in samples.
    """

    def __init__(self, windows: Sequence[int] = (512, 1024, 2048), width: int = 24, layers: int = 4):
        super().__init__()
        self.windows = tuple(windows)
        self.networks = nn.ModuleList(_network(width, layers) for _ in self.windows)

    def forward(self, audio: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        # In single precision always: half precision makes hinge losses coarse, and torch 2.11's bf16 convolutions (oneDNN)
        # crash in their backward pass on processors.
        scores, features = [], []
        with torch.autocast(audio.device.type, enabled=False):
            for length, network in zip(self.windows, self.networks, strict=True):
                x = compressed_stft(audio.float(), length)[0].permute(0, 3, 2, 1)  # (B, 2, T, F)
                for layer in network[:-1]:
                    x = F.leaky_relu(layer(x), 0.2)
                    features.append(x)
                scores.append(network[-1](x))
        return scores, features


def _network(width: int, layers: int) -> nn.ModuleList:
    """Convolutions that reach wider in time and are coarser in frequency from one to the next."""
    first = nn.Conv2d(2, width, (3, 9), padding=(1, 4))
    later = [nn.Conv2d(width, width, (3, 9), stride=(1, 2), dilation=(2**i, 1), padding=(2**i, 4)) for i in range(layers - 1)]
    last = nn.Conv2d(width, 1, (3, 3), padding=(1, 1))
    return nn.ModuleList(weight_norm(layer) for layer in (first, *later, last))


def discriminator_loss(real: Sequence[Tensor], fake: Sequence[Tensor]) -> Tensor:
    """Hinge loss of the discriminator: 0 once every recording scores above 1 and every reconstruction below -1."""
    return _mean(F.relu(1 - r).mean() + F.relu(1 + f).mean() for r, f in zip(real, fake, strict=True))


def adversarial_loss(fake: Sequence[Tensor]) -> Tensor:
    """The codec's loss: small where reconstructions pass for recordings."""
    return _mean(-score.mean() for score in fake)


def feature_loss(real: Sequence[Tensor], fake: Sequence[Tensor]) -> Tensor:
    """Distance of a reconstruction from its recording in the discriminator's features, relative to their size."""
    pairs = zip(real, fake, strict=True)
    return _mean((r.detach() - f).abs().mean() / r.detach().abs().mean().clamp(min=1e-6) for r, f in pairs)


def _mean(values: Iterable[Tensor]) -> Tensor:
    return torch.stack(list(values)).mean()
