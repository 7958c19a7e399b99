"""MusiCNN, a network that names what is heard in music, as an embedding (Pons and Serra 2019, arXiv:1909.06654).

It was trained on other people's music with other people's labels, and shares nothing with this project's codecs. Its weights
ship in the package `musicnn`, which itself needs an old TensorFlow; here they are read and run without it.
"""

from functools import cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchaudio.transforms import MelSpectrogram

from accomp.audio import resample
from accomp.errors import UserError
from accomp.metrics.checkpoint_file import read_weights
from accomp.metrics.embeddings import Embed
from accomp.timeline import SAMPLE_RATE

RATE, FFT, HOP, MELS = 16_000, 512, 256, 96  # Hz; samples; samples; bands
FRAMES = 187  # of a piece of 3 s
BATCH = 16  # pieces
TIMBRES, TIMBRE_FRAMES = ((38, 204), (67, 204)), 7  # bands that a filter covers, and how many filters
RHYTHMS = ((128, 51), (64, 51), (32, 51))  # frames that a filter covers, and how many filters
MIDDLE, DENSE = 64, 200
FETCH = "pip download musicnn==0.1.0 --no-deps, unzip it, and name its folder musicnn/MTT_musicnn"


def same(x: Tensor, frames: int) -> Tensor:
    """(B, C, T, bands) padded over time so that a filter of `frames` frames leaves T."""
    before = (frames - 1) // 2
    return F.pad(x, (0, 0, before, frames - 1 - before))


class Filters(nn.Module):
    """A convolution over time, (B, 1, T, bands) -> (B, filters, T, bands - covered + 1), rectified and normalised."""

    def __init__(self, filters: int, frames: int, covered: int):
        super().__init__()
        self.frames = frames
        self.conv, self.norm = nn.Conv2d(1, filters, (frames, covered)), nn.BatchNorm2d(filters, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(same(x, self.frames)).relu())


class Musicnn(nn.Module):
    """Log-mel spectrograms (B, FRAMES, MELS) -> the layer before the tags, (B, DENSE), and the tags' logits (B, tags)."""

    def __init__(self, tags: int = 50):
        super().__init__()
        front = [Filters(filters, TIMBRE_FRAMES, bands) for bands, filters in TIMBRES]
        front += [Filters(filters, frames, 1) for frames, filters in RHYTHMS]
        self.norm, self.front = nn.BatchNorm2d(1, eps=1e-3), nn.ModuleList(front)
        width = sum(filters for _, filters in TIMBRES + RHYTHMS)
        self.middle = nn.ModuleList(Filters(MIDDLE, TIMBRE_FRAMES, covered) for covered in (width, MIDDLE, MIDDLE))
        pooled = 2 * (width + 3 * MIDDLE)
        self.pooled, self.dense = nn.BatchNorm1d(pooled, eps=1e-3), nn.Linear(pooled, DENSE)
        self.out = nn.Sequential(nn.BatchNorm1d(DENSE, eps=1e-3), nn.Linear(DENSE, tags))

    def forward(self, mel: Tensor) -> tuple[Tensor, Tensor]:
        x = self.norm(mel[:, None])
        front = torch.cat([filters(x).amax(3, keepdim=True) for filters in self.front], 1)
        first = self.middle[0](front.transpose(1, 3))
        second = first + self.middle[1](first.transpose(1, 3))
        third = second + self.middle[2](second.transpose(1, 3))
        found = torch.cat([front, first, second, third], 1)[..., 0]
        dense = self.dense(self.pooled(torch.stack([found.amax(2), found.mean(2)], 2).flatten(1))).relu()
        return dense, self.out(dense)

    def load(self, weights: dict[str, np.ndarray]) -> None:
        """Take weights by their names in the checkpoint. Raises KeyError or RuntimeError when they are another network's."""
        layers = [*self.front, *self.middle]
        norms = [self.norm, *(layer.norm for layer in layers), self.pooled, self.out[0]]
        found: list[tuple[Tensor, np.ndarray]] = []
        for kind, group in (("conv2d", [layer.conv for layer in layers]), ("dense", [self.dense, self.out[1]])):
            for i, layer in enumerate(group):
                kernel, bias = (weights[f"{_numbered(kind, i)}/{part}"] for part in ("kernel", "bias"))
                found += [(layer.weight, np.moveaxis(kernel, (-1, -2), (0, 1))), (layer.bias, bias)]
        for i, norm in enumerate(norms):
            tensors = norm.weight, norm.bias, norm.running_mean, norm.running_var
            parts = "gamma", "beta", "moving_mean", "moving_variance"
            found += [
                (tensor, weights[f"{_numbered('batch_normalization', i)}/{part}"])
                for tensor, part in zip(tensors, parts, strict=True)
            ]
        with torch.no_grad():
            for tensor, value in found:
                tensor.copy_(torch.tensor(value))


def _numbered(name: str, i: int) -> str:
    return f"{name}_{i}" if i else name


def musicnn(folder: Path | str) -> Musicnn:
    """The network with the weights in a folder of the package, such as MTT_musicnn. Raises UserError when there are none."""
    try:
        weights = read_weights(folder)
        net = Musicnn(len(weights["dense_1/bias"]))
        net.load(weights)
    except FileNotFoundError as error:
        raise UserError(f"{folder}: no weights of MusiCNN ({FETCH}; or leave musicnn=null to do without)") from error
    except (OSError, ValueError, LookupError, RuntimeError) as error:
        raise UserError(f"{folder}: not MusiCNN's weights ({' '.join(str(error).split())[:120]})") from error
    return net.eval().requires_grad_(False)


def pieces(audio: np.ndarray) -> Tensor:
    """Log-mel spectrograms (M, FRAMES, MELS) of audio (N,), in pieces of 3 s; at least one, repeated to its length."""
    sound = torch.from_numpy(np.asarray(resample(np.asarray(audio, np.float32), SAMPLE_RATE, RATE), np.float32))
    if len(sound) < (least := FRAMES * HOP):
        sound = sound.repeat(-(-least // len(sound)))[:least]
    mel = _spectrogram()(sound).T
    return torch.log10(1 + 10_000 * mel).unfold(0, FRAMES, FRAMES).transpose(1, 2)


@cache
def _spectrogram() -> MelSpectrogram:
    return MelSpectrogram(
        RATE, FFT, hop_length=HOP, n_mels=MELS, power=2, pad_mode="constant", norm="slaney", mel_scale="slaney"
    )


def musicnn_embedding(folder: Path | str) -> Embed:
    """Audio (N,) at SAMPLE_RATE -> points (M, DENSE), one for every whole 3 s."""
    net = musicnn(folder)

    @torch.inference_mode()
    def embed(audio: np.ndarray) -> np.ndarray:
        return torch.cat([net(some)[0] for some in pieces(audio).split(BATCH)]).double().numpy()

    return embed
