"""Measures every stage from songs to training steps, in one run of about a minute.

    python -m accomp.benchmarks.data [--codec models/live] [--soundfont A.sf2 ...] [--device cuda] [--workers 4]

prints a table and writes out/data/benchmark.json. Speeds per core count processor time, so that a busy machine does not
change them; the rates of loader and training step are of the clock on the wall and want an idle one. The latents come from
a small untrained codec of the shipped one's shape, which makes no difference to the loader.
"""

import argparse
import json
import logging
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, default_collate

from accomp.codec.autoencoder import Autoencoder
from accomp.codec.contract import Codec
from accomp.command_line import command, parser_of
from accomp.data.band.build import build
from accomp.data.band.tracks import composed_specs, shipped_font
from accomp.data.datamodule import SlakhDataModule
from accomp.data.excerpts import SeededStream
from accomp.data.latents import encode_set
from accomp.data.slakh import find_tracks
from accomp.data.track import Track
from accomp.diffusion.transformer import Transformer
from accomp.disk import write_whole
from accomp.lit.conditioner import Conditioner
from accomp.lit.denoising import DenoisingModule
from accomp.lit.score_matching import ScoreMatching
from accomp.lit.seeds import seeded_generator
from accomp.plan.contract import plan_rows
from accomp.timeline import SAMPLE_RATE, STEMS
from accomp.training_run import load_codec

log = logging.getLogger(__name__)

SONG_S, BATCH, FRAMES = 20.0, 16, 192
CHANNELS, KEYS, KEY_FEATURES = 128, 88, 12  # of the shipped latents and network
TRACKS, TRACK_S = 22, 60.0  # the embedded band as `make data` builds it
BATCHES, STEPS = 600, 10  # for the memory slope; training steps timed
GOALS = {
    "band_stem_seconds_per_core_second": (">=", 60.0),
    "embedded_band_s_on_two_cores": ("<=", 60.0),
    "encode_times_real_time_per_core": (">=", 20.0),
    "loader_over_training_step": (">=", 5.0),
    "data_wait_share": ("<=", 0.05),
    "rss_mb_per_1000_batches": ("<=", 1.0),
}


def time_band(out: Path, fonts: Sequence[Path]) -> float:
    """Stem-seconds of finished FLAC per second of one core; leaves four songs in `out`."""
    specs = [replace(spec, font=fonts[i % len(fonts)]) for i, spec in enumerate(composed_specs(4, SONG_S, seed=0))]
    start = time.process_time()
    made = build(specs, out, 1, {})
    return sum(song.stems * song.seconds for song in made) / (time.process_time() - start)


def time_embedded_band(out: Path) -> float:
    """Seconds to build the whole embedded band with two processes, their start included."""
    start = time.perf_counter()
    build(composed_specs(TRACKS, TRACK_S, seed=0), out, 2, {})
    return time.perf_counter() - start


@torch.inference_mode()
def time_codec(codec: Codec, track: Track) -> float:
    """Seconds of audio encoded per second of one core, with one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    audio = [torch.from_numpy(track.read(stem))[None] for stem in STEMS if track.stem_files[stem]]
    codec.encode(audio[0][:, : 20 * codec.hop])  # the first call prepares
    start = time.process_time()
    for stem in audio:
        codec.encode(stem)
    took_s = time.process_time() - start
    torch.set_num_threads(threads)
    return sum(stem.shape[1] for stem in audio) / SAMPLE_RATE / took_s


def time_loader(loader: DataLoader) -> float:
    """Excerpts per second."""
    stream = iter(loader)
    next(stream)  # starts the workers
    start = time.perf_counter()
    for _ in range(BATCHES // 4):
        next(stream)
    return BATCHES // 4 * BATCH / (time.perf_counter() - start)


def time_training(loader: DataLoader, device: str) -> tuple[float, float]:
    """Excerpts per second that the shipped denoiser's training consumes, and its share of time spent waiting for data."""
    net = Transformer(channels=CHANNELS, plan=plan_rows(CHANNELS), keys=KEYS, key_features=KEY_FEATURES)
    module = DenoisingModule(net, Conditioner(), ScoreMatching(), 5e-4).to(device).train()
    optimiser = module.configure_optimizers()
    stream, waited, worked = iter(loader), [], []
    for step in range(STEPS + 2):
        begin = time.perf_counter()
        batch = {name: value.to(device) for name, value in next(stream).items()}
        ready = time.perf_counter()
        with torch.autocast(device, torch.bfloat16):
            loss = torch.stack(list(module.losses(batch, seeded_generator(step)).values())).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        loss.item()  # waits for the device
        waited.append(ready - begin)
        worked.append(time.perf_counter() - ready)
    wait, work = sum(waited[2:]), sum(worked[2:])
    return STEPS * BATCH / work, wait / (wait + work)


def memory_slope(excerpts: Dataset) -> float:
    """Growth of resident memory in MB per 1,000 batches, after the first quarter; NaN where there is no /proc."""
    statm, resident = Path("/proc/self/statm"), []
    if not statm.exists():
        return float("nan")
    for i in range(BATCHES):
        default_collate([excerpts[i * BATCH + j] for j in range(BATCH)])
        resident.append(int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6)
    settled = resident[BATCHES // 4 :]
    return float(np.polyfit(np.arange(len(settled)), settled, 1)[0] * 1000)


def measure(codec: Codec, fonts: Sequence[Path], device: str, workers: int) -> dict[str, float]:
    """All figures, by name."""
    with tempfile.TemporaryDirectory() as folder:
        band, latents = Path(folder) / "band", Path(folder) / "latents"
        stem_s = time_band(band, fonts)
        band_s = time_embedded_band(Path(folder) / "embedded")
        speed = time_codec(codec, find_tracks(band)[0])
        tiny = {"width": 16, "latent_width": 16, "encoder_blocks": 1, "decoder_blocks": 1, "latent_blocks": 1}
        small = Autoencoder(channels=CHANNELS, **tiny).eval()
        encode_set(band, small, latents)
        data = SlakhDataModule(str(band), BATCH, latents=str(latents), frames=FRAMES, workers=workers, plan={})
        excerpts, endless = data.excerpts("train"), SeededStream(1 << 40)
        slope = memory_slope(excerpts)
        loaded = time_loader(data.loader(excerpts, endless))
        consumed, share = time_training(data.loader(excerpts, endless), device)
    return {
        "band_stem_seconds_per_core_second": stem_s,
        "embedded_band_s_on_two_cores": band_s,
        "encode_times_real_time_per_core": speed,
        "loader_excerpts_per_s": loaded,
        "training_excerpts_per_s": consumed,
        "loader_over_training_step": loaded / consumed,
        "data_wait_share": share,
        "rss_mb_per_1000_batches": slope,
    }


def main(argv: Sequence[str] | None = None) -> int:
    parser = parser_of(__doc__)
    parser.add_argument("--codec", type=Path, help="model folder or run; without it, an untrained waveform codec")
    parser.add_argument("--soundfont", type=Path, nargs="+", default=[shipped_font()])
    parser.add_argument("--device", default="cpu", help="of the training step")
    parser.add_argument("--workers", type=int, default=1, help="of the loader")
    parser.add_argument("--out", type=Path, default=Path("out/data/benchmark.json"))
    return command(parser, argv, _benchmark)


def _benchmark(o: argparse.Namespace) -> None:
    codec = load_codec(o.codec) if o.codec else Autoencoder().eval()
    figures = measure(codec, o.soundfont, o.device, o.workers)
    for name, value in figures.items():
        sign, goal = GOALS.get(name, ("", None))
        log.info("%-36s %10.3g  %s", name, value, "" if goal is None else f"goal {sign} {goal:g}")
    about = {"cores": os.cpu_count(), "load": os.getloadavg()[0], "device": o.device, "workers": o.workers}
    o.out.parent.mkdir(parents=True, exist_ok=True)
    write_whole(o.out, (json.dumps({"figures": figures, "goals": GOALS, "machine": about}, indent=1) + "\n").encode())


if __name__ == "__main__":
    sys.exit(main())
