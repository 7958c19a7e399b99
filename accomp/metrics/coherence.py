"""Do stem and context belong together? A small network that was trained on this question alone.

Two encoders, one for stems and one for contexts, turn the levels of bands of the spectrum into a unit vector every 93 ms; a
pair scores the mean product of the vectors of the same moment. Trained contrastively (`python train.py
experiment=coherence`): a stem must be nearer to the context it was played with than to others, to the same context shifted in
time included, so that the beat counts as well as the chords. The idea is COCOLA's (Ciranni et al. 2024); network, features and
training data are ours, so the numbers are never COCOLA's. Computed in overlapping pieces of 5 s, blind to their level.
Failure rule: pieces of an answer that are silent while the context sounds score -1; an excerpt shorter than 5 s is one piece.
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
import yaml
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from accomp.audio import is_silent
from accomp.codec.spectrum import bands
from accomp.disk import write_whole
from accomp.errors import UserError
from accomp.metrics.contract import Column, Excerpt, Metric, Options
from accomp.timeline import SAMPLE_RATE
from accomp.training_run import read_run, run_config

COLUMNS = (
    Column("coherence", "coherence", "A small contrastive model of ours: do stem and context belong together? -1 to 1. Not "
           "COCOLA.", normalised=True),
)  # fmt: skip
PIECE = 5 * SAMPLE_RATE  # samples
STEP = PIECE // 2
DILATIONS = (1, 2, 4, 8)  # a vector depends on the 3 s around it
WEIGHTS = "coherence.safetensors"
HOP, QUARTER = 2048, 512  # samples per frame, and per part of it in which what is sudden is seen
LONG, SHORT = 4096, 1024  # samples of the windows
FINE, COARSE = 96, 12  # bands of a frame, and of each of its quarters
FLOOR_DB = -70.0
QUIETEST = -0.9  # level of a band that is no silence, see `Bands`


class Bands(nn.Module):
    """Audio (B, N) -> decibels of the bands of every frame, (B, K, N // HOP): 96 over the last 4096 samples, eight or more to
    the octave, and 12 in each quarter of the frame. Scaled so that -70 dB, the floor, is -1, and -10 dB is 1.
    """

    count = FINE + HOP // QUARTER * COARSE  # K

    def __init__(self):
        super().__init__()
        self.register_buffer("fine", bands(FINE, LONG), persistent=False)
        self.register_buffer("coarse", bands(COARSE, SHORT, 60.0), persistent=False)
        self.register_buffer("long_window", torch.hann_window(LONG), persistent=False)
        self.register_buffer("short_window", torch.hann_window(SHORT), persistent=False)

    def forward(self, audio: Tensor) -> Tensor:
        audio = F.pad(audio[:, : audio.shape[1] // HOP * HOP], (LONG - HOP, 0))
        long = torch.fft.rfft(audio.unfold(1, LONG, HOP) * self.long_window).abs().square() @ self.fine.T
        recent = audio[:, LONG - HOP - QUARTER :]
        short = torch.fft.rfft(recent.unfold(1, SHORT, QUARTER) * self.short_window).abs().square() @ self.coarse.T
        short = short.unflatten(1, (-1, HOP // QUARTER)).flatten(2)
        db = torch.cat([10 * torch.log10(long / LONG + 1e-12), 10 * torch.log10(short / QUARTER + 1e-12)], 2)
        return ((db.clamp(min=FLOOR_DB) + 40) / 30).transpose(1, 2)


class Encoder(nn.Module):
    """Projected levels (B, C, T) -> unit vectors (B, size, T / 2)."""

    def __init__(self, width: int, size: int, channels: int):
        super().__init__()
        self.into = nn.Conv1d(channels, width, 5, stride=2, padding=2)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.GroupNorm(8, width), nn.GELU(), nn.Conv1d(width, width, 3, padding=d, dilation=d))
            for d in DILATIONS
        )
        self.out = nn.Conv1d(width, size, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.into(x)
        for block in self.blocks:
            h = h + block(h)
        return F.normalize(self.out(F.gelu(h)), dim=1)


class Coherence(nn.Module):
    """Levels of the bands of stems and of contexts (B, K, T) -> unit vectors; their mean inner product says how well two
    belong together.

    `width` is that of the networks, `size` that of the vectors, `channels` that of the projection which both share.
    """

    def __init__(self, width: int = 128, size: int = 64, channels: int = 64):
        super().__init__()
        self.config = {"width": width, "size": size, "channels": channels}
        self.bands = Bands()
        self.project = nn.Conv1d(Bands.count, channels, 1)
        self.of_stem, self.of_context = Encoder(**self.config), Encoder(**self.config)
        self.scale = nn.Parameter(torch.tensor(2.3))  # logarithm of the inverse temperature

    def levelled(self, levels: Tensor) -> Tensor:
        """Projected levels (B, C, T) of the same music as if its loudest frame always had the same level."""
        x = self.project(levels)
        louder = self.project.weight.sum(1)  # what one unit more in every band adds, (C, 1)
        level = (x * louder).sum(1, keepdim=True) / louder.square().sum()
        return x - louder * level.amax(2, keepdim=True)

    def stems(self, levels: Tensor) -> Tensor:
        return self.of_stem(self.levelled(levels))

    def contexts(self, levels: Tensor) -> Tensor:
        return self.of_context(self.levelled(levels))


def audible(levels: Tensor) -> Tensor:
    """Which of (B, K, T) are more than silence, (B,): at least a tenth of their frames."""
    return (levels.amax(1) > QUIETEST).float().mean(1) > 0.1


def make_metric(options: Options) -> Metric:
    """`coherence`, by the model of a folder or of a training run. Raises UserError when there is none."""
    net = load(Path(options.coherence))
    known: dict[int, Tensor] = {}  # contexts, which every answer to one meets again

    @torch.inference_mode()
    def coherence(excerpt: Excerpt) -> dict[str, float]:
        stems, contexts = pieces(excerpt.answer), pieces(excerpt.context)
        key = hash(contexts.tobytes())
        if key not in known:
            known[key] = net.contexts(net.bands(torch.from_numpy(contexts)))
        scores = (net.stems(net.bands(torch.from_numpy(stems))) * known[key]).sum(1).mean(1)
        scores[torch.tensor([is_silent(stem) for stem in stems])] = -1.0
        sounds = torch.tensor([not is_silent(context) for context in contexts])
        return {"coherence": float(scores[sounds].mean())}

    return coherence


def pieces(audio: np.ndarray) -> np.ndarray:
    """(N,) -> (pieces, 5 s), each beginning half a piece after the one before; a short excerpt is padded."""
    padded = np.pad(audio, (0, max(PIECE - len(audio), 0))).astype(np.float32)
    return np.lib.stride_tricks.sliding_window_view(padded, PIECE)[::STEP].copy()


def load(source: Path) -> Coherence:
    """The network of a folder with coherence.safetensors, or of a run of experiment=coherence."""
    if (source / "checkpoints").is_dir():
        return read_run(source, "net.", Coherence(**run_config(source)["module"]["net"]))
    if not (source / WEIGHTS).is_file():
        raise UserError(f"{source}: no coherence model; train one with `python train.py experiment=coherence`")
    try:
        net = Coherence(**yaml.safe_load((source / "config.yaml").read_text())["net"])
        net.load_state_dict(load_file(source / WEIGHTS))
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:120]
        raise UserError(f"{source}: damaged coherence model ({type(error).__name__}: {reason}); make it again") from error
    return net.eval()


def depends_on(options: Options) -> str:
    """What tells one coherence model from another, and from itself before it was trained further."""
    source = options.coherence
    files = [Path(source, WEIGHTS), Path(source, "checkpoints", "last.ckpt")]
    return f"{source}:{max((path.stat().st_mtime_ns for path in files if path.is_file()), default=0)}"


def write_folder(run: Path, out: Path) -> None:
    """Write the trained network of a run into a folder."""
    net = load(run)
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / "config.yaml", yaml.safe_dump({"net": net.config}).encode())
    weights = {name: value.half().contiguous() for name, value in net.state_dict().items()}
    write_whole(out / WEIGHTS, save(weights))
