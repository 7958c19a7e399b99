"""Do stem and context belong together? The opinion of a small network that was trained on nothing but that question.

Two encoders, one for stems and one for contexts, turn 5 s of sound into unit vectors; their product is the score. Trained
contrastively (`python train.py experiment=coherence`): a stem must be nearer to the context it was played with than to
others, to contexts of the same song shifted in time included, so that it hears the beat as well as the chords. The idea is
COCOLA's (Ciranni et al. 2024); the network, its size and its training data are ours, so the numbers are never COCOLA's.
Failure rule: pieces of an answer that are silent while the context sounds score -1; an excerpt shorter than 5 s is one piece.
"""

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
import yaml
from safetensors.torch import load_file
from torch import Tensor, nn

from accomp.checkpoint import read_run, run_config, save_weights
from accomp.codec.sketch import bands
from accomp.errors import UserError
from accomp.metrics.contract import Excerpt, Metric
from accomp.metrics.levels import is_silent
from accomp.timeline import SAMPLE_RATE

PIECE = 5 * SAMPLE_RATE  # samples
STEP = PIECE // 2
BANDS, FFT, HOP = 64, 2048, 1024  # a spectrum every 23 ms


@dataclass(frozen=True)
class CoherenceConfig:
    width: int = 48
    size: int = 128  # of the vectors


class Encoder(nn.Module):
    """Log spectrogram (B, 64, T) -> unit vectors (B, size)."""

    def __init__(self, c: CoherenceConfig):
        super().__init__()
        layers = []
        for i, (into, out) in enumerate(pairwise((1, c.width // 2, c.width, 2 * c.width, 2 * c.width))):
            conv = nn.Conv2d(into, out, 3, stride=(2, 2 if i else 1), padding=1)
            layers += [conv, nn.GroupNorm(8, out), nn.GELU()]
        self.layers = nn.Sequential(*layers)
        self.memory = nn.GRU(2 * c.width * BANDS // 16, c.size, batch_first=True, bidirectional=True)
        self.out = nn.Linear(2 * c.size, c.size)

    def forward(self, spectrogram: Tensor) -> Tensor:
        h = self.layers(spectrogram.unsqueeze(1))  # (B, 2 width, 4, T / 8)
        h, _ = self.memory(h.flatten(1, 2).transpose(1, 2))
        return F.normalize(self.out(h.mean(1)), dim=1)


class Coherence(nn.Module):
    """Stems and contexts (B, N) -> unit vectors; their inner product says how well two belong together."""

    def __init__(self, config: CoherenceConfig | None = None, **values):
        super().__init__()
        self.config = c = config or CoherenceConfig(**values)
        self.of_stem, self.of_context = Encoder(c), Encoder(c)
        self.scale = nn.Parameter(torch.tensor(2.3))  # logarithm of the inverse temperature
        self.register_buffer("bands", bands(BANDS, FFT), persistent=False)
        self.register_buffer("window", torch.hann_window(FFT), persistent=False)

    def spectrogram(self, audio: Tensor) -> Tensor:
        """Audio (B, N) -> decibels of 64 bands above each item's own floor of -60 dB, about 0..1, (B, 64, T).

        Blind to level: an item is measured against its own loudest place.
        """
        spectrum = torch.stft(audio, FFT, HOP, window=self.window, return_complex=True, pad_mode="constant")
        db = 10 * torch.log10(self.bands @ spectrum.abs().square() + 1e-10)
        return ((db - db.amax((1, 2), keepdim=True) + 60) / 60).clamp(0, 1)

    def stems(self, audio: Tensor) -> Tensor:
        return self.of_stem(self.spectrogram(audio))

    def contexts(self, audio: Tensor) -> Tensor:
        return self.of_context(self.spectrogram(audio))


def coherence_metric(source: str) -> Metric:
    """The metric of a model folder, or of a training run. Raises UserError when there is none."""
    net = load(Path(source))

    @torch.inference_mode()
    def coherence(excerpt: Excerpt) -> dict[str, float]:
        pieces = [(_piece(excerpt.answer, at), _piece(excerpt.context, at)) for at in starts(len(excerpt.answer))]
        heard = [(stem, context) for stem, context in pieces if not is_silent(context)]
        if not heard:
            return {"coherence": float("nan")}
        stems, contexts = (torch.from_numpy(np.stack(side)) for side in zip(*heard, strict=True))
        scores = (net.stems(stems) * net.contexts(contexts)).sum(1)
        silent = torch.tensor([is_silent(stem) for stem, _ in heard])
        return {"coherence": float(scores.masked_fill(silent, -1.0).mean())}

    return coherence


def starts(samples: int) -> Sequence[int]:
    return range(0, max(samples - PIECE, 0) + 1, STEP)


def _piece(audio: np.ndarray, at: int) -> np.ndarray:
    piece = audio[at : at + PIECE]
    return np.pad(piece, (0, PIECE - len(piece))).astype(np.float32)


def load(source: Path) -> Coherence:
    """The network of a folder with coherence.safetensors, or of a run of experiment=coherence."""
    if (source / "coherence.safetensors").is_file():
        net = Coherence(**yaml.safe_load((source / "config.yaml").read_text()))
        net.load_state_dict(
            {name: value.float() for name, value in load_file(source / "coherence.safetensors").items()}
        )
        return net.eval()
    if (source / "checkpoints").is_dir():
        return read_run(source, "net.", Coherence(**run_config(source)["module"]["net"]))
    raise UserError(f"{source}: no coherence model; train one with `python train.py experiment=coherence`")


def main(arguments: Sequence[str]) -> int:
    """python -m accomp.metrics.coherence RUN OUT: put a trained network into a folder, in half precision."""
    if len(arguments) != 2:
        sys.stderr.write(f"{main.__doc__}\n")
        return 2
    try:
        net = load(Path(arguments[0]))
    except UserError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    out = Path(arguments[1])
    out.mkdir(parents=True, exist_ok=True)
    (out / "config.yaml").write_text(yaml.safe_dump(asdict(net.config)))
    save_weights(net, out / "coherence.safetensors")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
