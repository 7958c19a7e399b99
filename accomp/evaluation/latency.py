"""How long one cycle takes: ours through the very Streamer that plays, and the paper's in its own shapes, side by side.

A cycle is what happens between the last sample of a step being heard and the answer being there: encode the new
context, sample, decode the new audio. The paper's side is its 257 M U-Net, called twice (consistency), between a
Music2Latent that encodes 6 s and decodes int(64 r) + 1 frames; weights are random there, which changes no time.
"""

import json
import logging
import os
import platform
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from accomp.checkpoint import Model, load_model
from accomp.codec.contract import Codec
from accomp.codec.music2latent import Music2Latent
from accomp.diffusion.inpaint import Kept, paper_cm
from accomp.diffusion.noise import karras
from accomp.diffusion.precond import SIGMA_MIN, ConsistencyDenoiser
from accomp.diffusion.transformer import CLOCK_FEATURES, Condition
from accomp.diffusion.unet import PaperUNet
from accomp.evaluation.report import write_text
from accomp.evaluation.settings import Settings
from accomp.metrics.latency import lead_ms, percentiles
from accomp.stream.rollout import Stopwatch
from accomp.stream.streamer import Streamer
from accomp.timeline import SAMPLE_RATE, WINDOW, Step
from accomp.window import masks

log = logging.getLogger(__name__)

FRAMES, CHANNELS = 64, 64  # of the paper's latent image
WARM_UP = 3  # cycles of ours that nobody looks at
Timing = dict[str, float]


def run(settings: Settings) -> Path:
    """Time both, write `latency.json` and log the comparison. `latency.paper_cycles=0` leaves the paper out."""
    shape = settings.latency
    step = Step(shape.r, shape.w)
    codec = Music2Latent() if shape.paper_cycles else None  # first, so that a missing package is told at once
    model = load_model(settings.model, settings.device)
    ours = time_live(model, settings, step)
    live = summary(ours) | {
        "model": model.name,
        "sampler": settings.sampler or model.config["sampler"],
        "stems": list(settings.stems),
        "cycles": len(ours),
        "lead_ms": {key: lead_ms(value, step, settings.overlap) for key, value in summary(ours)["cycle_ms"].items()},
    }
    result = {"r": shape.r, "w": shape.w, "step_s": step.seconds, "live": live}
    if codec is not None:
        theirs = time_paper(codec.to(model.device), filler(PaperUNet().to(model.device).eval()), settings, step)
        result["paper"] = summary(theirs) | {"cycles": len(theirs), "weights": "random"}
        result["ratio"] = result["paper"]["cycle_ms"]["p50"] / live["cycle_ms"]["p50"]
    result["machine"] = machine(model.device)
    path = settings.out_dir / "latency.json"
    write_text(path, json.dumps(result, indent=2) + "\n")
    log.info("\n%s\n%s", describe(result), path)
    return path


def time_live(model: Model, settings: Settings, step: Step) -> list[Timing]:
    """Cycles of our Streamer on noise, warm: each hears one new step and answers it."""
    streamer = Streamer(model, settings.stems, sampler=settings.sampler, seed=settings.latency.seed)
    streamer.warm_up(step.samples, step.offset)
    rng = np.random.default_rng(settings.latency.seed)
    timings = []
    for k in tqdm(range(WARM_UP + settings.latency.steps), desc="ours", unit="cycle"):
        heard = (0.1 * rng.standard_normal(step.samples)).astype(np.float32)
        watch = Stopwatch()
        streamer.push(k * step.samples, heard)
        streamer.step((k + 1) * step.samples, step.samples, step.offset, settings.overlap, watch.lap)
        timings.append(watch.times())
    return timings[WARM_UP:]


def filler(net: PaperUNet) -> Callable[[Tensor, Condition, Tensor], Tensor]:
    """The paper's two calls: own latents (B, C, T), a condition and noise (4, B, C, T) -> the filled window (B, C, T)."""
    denoiser, sigmas = ConsistencyDenoiser(net), karras(3, SIGMA_MIN, 80.0, rho=9)

    def fill(own: Tensor, condition: Condition, noise: Tensor) -> Tensor:
        def denoise(x: Tensor, sigma: Tensor) -> Tensor:
            return denoiser(x, sigma.to(x.device).expand(len(x)), condition)

        return paper_cm(denoise, noise[0], sigmas, lambda i: noise[i + 1], Kept(own, condition.masks.known))

    return fill


@torch.inference_mode()
def time_paper(codec: Codec, fill: Callable[..., Tensor], settings: Settings, step: Step) -> list[Timing]:
    """Cycles of the paper's shapes, after one unseen: encode 6 s, two network calls, decode the newest frames."""
    device = next(codec.parameters()).device
    generator = torch.Generator(device).manual_seed(settings.latency.seed)
    new = int(FRAMES * step.ratio)
    hidden = min(FRAMES, max(0, int(FRAMES * step.ratio * (step.depth + 1))))
    where = (torch.tensor([frame], device=device) for frame in (0, FRAMES - hidden, 0, FRAMES - new))
    mask, stem = masks(FRAMES, *where), torch.zeros(1, dtype=torch.long, device=device)
    own, clock = (torch.zeros(1, rows, FRAMES, device=device) for rows in (CHANNELS, CLOCK_FEATURES))
    timings = []
    for _ in tqdm(range(1 + settings.latency.paper_cycles), desc="the paper's", unit="cycle"):
        heard = 0.1 * torch.randn(1, WINDOW, generator=generator, device=device)
        noise = torch.randn(4, *own.shape, generator=generator, device=device)
        watch = Stopwatch()
        context = codec.encode(heard)
        watch.lap("encode")
        own = fill(own, Condition(context, own, mask, stem, clock), noise)
        watch.lap("sample")
        codec.decode(own[:, :, -(new + 1) :]).cpu()  # waits for an accelerator to finish
        watch.lap("decode")
        timings.append(watch.times())
        own = torch.cat([own[..., new:], torch.zeros_like(own[..., :new])], dim=-1)
    return timings[1:]


def summary(timings: Sequence[Timing]) -> dict[str, dict[str, float]]:
    """Percentiles of every phase and of the whole cycle, in ms."""
    names = ("cycle_ms", "encode_ms", "sample_ms", "decode_ms")
    return {
        name: {key: round(value, 2) for key, value in percentiles([t[name] for t in timings]).items()} for name in names
    }


def machine(device: torch.device) -> dict[str, str | int | float]:
    """What the times were measured on."""
    facts = {
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count() or 0,
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
    }
    if hasattr(os, "getloadavg"):
        facts["load_average_1min"] = round(os.getloadavg()[0], 2)
    return facts


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def describe(result: dict) -> str:
    """The comparison in a few lines."""
    lines = [f"{'ms per cycle':14}{'median':>9}{'p95':>9}{'max':>9}   encode + sample + decode (medians)"]
    for side in ("live", "paper"):
        if side in result:
            cycle = result[side]["cycle_ms"]
            parts = " + ".join(f"{result[side][f'{name}_ms']['p50']:.0f}" for name in ("encode", "sample", "decode"))
            lines.append(f"{side:14}{cycle['p50']:9.0f}{cycle['p95']:9.0f}{cycle['max']:9.0f}   {parts}")
    if "ratio" in result:
        facts = result["machine"]
        lines.append(
            f"ratio {result['ratio']:.1f} on {facts['processor']}, {facts['threads']} threads, {SAMPLE_RATE} Hz"
        )
    return "\n".join(lines)
