"""Do stem and context belong together? A small network that was trained on this question alone.

Two encoders, one for stems and one for contexts, turn the spectrogram that a sketch codec's latents are into a unit vector
every 93 ms; a pair scores the mean product of the vectors of the same moment. Trained contrastively (`python train.py
experiment=coherence`): a stem must be nearer to the context it was played with than to others, to the same context shifted in
time included, so that the beat counts as well as the chords. The idea is COCOLA's (Ciranni et al. 2024); network, features and
training data are ours, so the numbers are never COCOLA's. Computed in overlapping pieces of 5 s, blind to their level.
Failure rule: pieces of an answer that are silent while the context sounds score -1; an excerpt shorter than 5 s is one piece.
"""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
import yaml
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from accomp.audio import is_silent
from accomp.codec.sketch import SketchCodec
from accomp.disk import write_whole
from accomp.errors import UserError
from accomp.metrics.contract import Column, Excerpt, Metric, Options
from accomp.timeline import SAMPLE_RATE
from accomp.training_run import load_codec, read_run, run_config

COLUMNS = (
    Column("coherence", "coherence", "A small contrastive model of ours: do stem and context belong together? -1 to 1. Not "
           "COCOLA.", normalised=True),
)  # fmt: skip
PIECE = 5 * SAMPLE_RATE  # samples
STEP = PIECE // 2
DILATIONS = (1, 2, 4, 8)  # a vector depends on the 3 s around it
WEIGHTS = "coherence.safetensors"


class Encoder(nn.Module):
    """Latents (B, C, T) -> unit vectors (B, size, T / 2)."""

    def __init__(self, width: int, size: int, channels: int):
        super().__init__()
        self.into = nn.Conv1d(channels, width, 5, stride=2, padding=2)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.GroupNorm(8, width), nn.GELU(), nn.Conv1d(width, width, 3, padding=d, dilation=d))
            for d in DILATIONS
        )
        self.out = nn.Conv1d(width, size, 1)

    def forward(self, latents: Tensor) -> Tensor:
        h = self.into(latents)
        for block in self.blocks:
            h = h + block(h)
        return F.normalize(self.out(F.gelu(h)), dim=1)


class Coherence(nn.Module):
    """Latents of stems and of contexts (B, C, T) -> unit vectors; their mean inner product says how well two belong together.

    `width` is that of the networks, `size` that of the vectors, `channels` that of the latents. `louder` (C, 1) is what a
    decibel adds to every frame of the codec's latents, `silence` (C, 1) a frame of nothing.
    """

    def __init__(self, width: int = 128, size: int = 64, channels: int = 64):
        super().__init__()
        self.config = {"width": width, "size": size, "channels": channels}
        self.of_stem, self.of_context = Encoder(**self.config), Encoder(**self.config)
        self.scale = nn.Parameter(torch.tensor(2.3))  # logarithm of the inverse temperature
        self.register_buffer("louder", torch.ones(channels, 1))
        self.register_buffer("silence", torch.zeros(channels, 1))

    @torch.no_grad()
    def calibrate(self, codec: SketchCodec) -> None:
        """Store what loudness and silence are in this codec's latents."""
        self.louder.copy_(codec.basis.sum(1, keepdim=True))
        self.silence.copy_(codec.encode(torch.zeros(1, 8 * codec.hop))[0, :, -1:])

    def levelled(self, latents: Tensor) -> Tensor:
        """The same music as if its loudest frame always had the same level."""
        level = (latents * self.louder).sum(1, keepdim=True) / self.louder.square().sum()
        return latents - self.louder * level.amax(2, keepdim=True)

    def stems(self, latents: Tensor) -> Tensor:
        return self.of_stem(self.levelled(latents))

    def contexts(self, latents: Tensor) -> Tensor:
        return self.of_context(self.levelled(latents))

    def sounds(self, latents: Tensor) -> Tensor:
        """Which of (B, C, T) are more than silence, (B,): at least a tenth of their frames."""
        return ((latents - self.silence).abs().amax(1) > 0.5).float().mean(1) > 0.1


def make_metric(options: Options) -> Metric:
    """`coherence`, by the model of a folder or of a training run. Raises UserError when there is none."""
    net, codec = load(Path(options.coherence))
    known: dict[int, Tensor] = {}  # contexts, which every answer to one meets again

    @torch.inference_mode()
    def coherence(excerpt: Excerpt) -> dict[str, float]:
        stems, contexts = pieces(excerpt.answer), pieces(excerpt.context)
        key = hash(contexts.tobytes())
        if key not in known:
            known[key] = net.contexts(codec.encode(torch.from_numpy(contexts)))
        scores = (net.stems(codec.encode(torch.from_numpy(stems))) * known[key]).sum(1).mean(1)
        scores[torch.tensor([is_silent(stem) for stem in stems])] = -1.0
        sounds = torch.tensor([not is_silent(context) for context in contexts])
        return {"coherence": float(scores[sounds].mean())}

    return coherence


def pieces(audio: np.ndarray) -> np.ndarray:
    """(N,) -> (pieces, 5 s), each beginning half a piece after the one before; a short excerpt is padded."""
    padded = np.pad(audio, (0, max(PIECE - len(audio), 0))).astype(np.float32)
    return np.lib.stride_tricks.sliding_window_view(padded, PIECE)[::STEP].copy()


def load(source: Path) -> tuple[Coherence, SketchCodec]:
    """Network and codec of a folder with coherence.safetensors, or of a run of experiment=coherence."""
    if (source / "checkpoints").is_dir():
        module = run_config(source)["module"]
        return read_run(source, "net.", Coherence(**module["net"])), sketch_codec(module["codec"])
    if not (source / WEIGHTS).is_file():
        raise UserError(f"{source}: no coherence model; train one with `python train.py experiment=coherence`")
    try:
        config = yaml.safe_load((source / "config.yaml").read_text())
        net, codec = Coherence(**config["net"]), SketchCodec(**config["codec"])
        weights = load_file(source / WEIGHTS)
        codec.load_state_dict({name: weights.pop(name) for name in codec.latent_weights()}, strict=False)
        net.load_state_dict(weights)
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:120]
        raise UserError(f"{source}: damaged coherence model ({type(error).__name__}: {reason}); make it again") from error
    return net.eval(), codec.eval()


def depends_on(options: Options) -> str:
    """What tells one coherence model from another, and from itself before it was trained further."""
    source = options.coherence
    files = [Path(source, WEIGHTS), Path(source, "checkpoints", "last.ckpt")]
    return f"{source}:{max((path.stat().st_mtime_ns for path in files if path.is_file()), default=0)}"


def sketch_codec(source: str) -> SketchCodec:
    """The codec of a model folder or a run. Raises UserError when its latents are no sketch, and so have no level."""
    codec = load_codec(source)
    if not isinstance(codec, SketchCodec):
        raise UserError(f"{source}: coherence needs the latents of a sketch codec; give one with module.codec=FOLDER")
    return codec


def write_folder(run: Path, out: Path) -> None:
    """Write the trained network of a run into a folder, with the part of its codec that encodes."""
    net, codec = load(run)
    out.mkdir(parents=True, exist_ok=True)
    config = {"net": net.config, "codec": asdict(codec.config)}
    write_whole(out / "config.yaml", yaml.safe_dump(config).encode())
    weights = {name: value.half().contiguous() for name, value in (net.state_dict() | codec.latent_weights()).items()}
    write_whole(out / WEIGHTS, save(weights))
