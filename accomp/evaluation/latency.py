"""How long one cycle takes: ours, the paper's network in the original's way, and the same network in ours, side by side.

A cycle is what happens between the arrival of a step's last sample and the answer being there: encode the new
context, sample, decode the new audio. The original's way: float32, one kernel after the other, a Music2Latent that encodes
6 s and decodes int(64 r) + 1 frames. Our way is the very Streamer that plays, made `quick`: the same network, the same number
of calls; the decoder also says again the 2 frames that its seams need. Weights are random, which changes no time.
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

from accomp.beat.clock import CLOCK_FEATURES
from accomp.codec.contract import Codec
from accomp.codec.music2latent import Music2Latent
from accomp.diffusion.condition import Condition
from accomp.diffusion.inpaint import Kept
from accomp.diffusion.unet import PaperUNet
from accomp.disk import write_text
from accomp.errors import UserError
from accomp.evaluation.settings import Settings
from accomp.metrics.latency import lead_ms, percentiles
from accomp.model import FORMS, Model, load_model
from accomp.paper_checkpoint import FRAMES, SAMPLERS, configuration
from accomp.stream.quick import quick
from accomp.stream.stopwatch import Stopwatch
from accomp.stream.streamer import Streamer
from accomp.timeline import SAMPLE_RATE, WINDOW, Step
from accomp.window import masks

log = logging.getLogger(__name__)

CHANNELS = 64  # of the paper's latent image
DRAWS = 17  # of unit noise, that the sampler with most calls takes for a window
Timing = dict[str, float]


def run(settings: Settings) -> Path:
    """Time all three, write `latency.json` and log the comparison. `latency.paper_cycles=0` leaves the paper out."""
    shape = settings.latency
    step = Step(shape.r, shape.w)
    known = [name for samplers in SAMPLERS.values() for name in samplers]
    if shape.paper_sampler not in known:
        raise UserError(f"latency.paper_sampler={shape.paper_sampler}: choose among {', '.join(known)}")
    codec = Music2Latent() if shape.paper_cycles else None  # first, so that a missing package is told at once
    model = load_model(settings.model, settings.device)
    cycles = time_live(model, settings, step, settings.sampler, shape.steps)
    result = {"r": shape.r, "w": shape.w, "step_s": step.seconds}
    result["live"] = side(cycles, settings, step) | {"sampler": settings.sampler or model.config["sampler"]}
    result["live"] |= {"model": model.name, "stems": list(settings.stems)}
    if codec is not None:
        model = paper_model(codec, PaperUNet().eval(), shape.paper_sampler, model.device)  # the live one is let go
        cycles = time_paper(codec, filler(model), settings, step)
        facts = {"sampler": shape.paper_sampler, "weights": "random", "weights_gb": weights_gb(model)}
        result["paper"] = side(cycles, settings, step) | facts
        cycles = time_live(quick(model), settings, step, cycles=shape.paper_cycles, warm_up=1)
        result["quick"] = side(cycles, settings, step) | facts | {"weights_gb": weights_gb(model)}
        times_ms = {name: result[name]["cycle_ms"]["p50"] for name in ("live", "paper", "quick")}
        result["ratio"] = times_ms["paper"] / times_ms["live"]
        result["quick_ratio"] = times_ms["paper"] / times_ms["quick"]
    result["machine"] = machine(model.device)
    path = settings.out_dir / "latency.json"
    write_text(path, json.dumps(result, indent=2) + "\n")
    log.info("\n%s\n%s", describe(result), path)
    return path


def paper_model(codec: Codec, net: PaperUNet, sampler: str, device: torch.device) -> Model:
    """A model of the paper's, to be played by one of its samplers; of a network's and a codec's weights as they are."""
    form = next(form for form, known in SAMPLERS.items() if sampler in known)
    config = configuration(form, {}) | {"sampler": sampler}
    (part,) = config["denoisers"]
    denoiser = FORMS[form](net)
    for module in (codec, denoiser):
        module.to(device).eval().requires_grad_(False)
    return Model("paper", config, codec, {part: denoiser}, None, device)


def time_live(
    model: Model, settings: Settings, step: Step, sampler: str | None = None, cycles: int = 1, warm_up: int = 3
) -> list[Timing]:
    """Cycles of our Streamer on noise, after `warm_up` unseen: each takes in one new step and answers it."""
    streamer = Streamer(model, settings.stems, sampler=sampler, seed=settings.latency.seed)
    streamer.warm_up(step.samples, step.offset, warm_up)
    rng = np.random.default_rng(settings.latency.seed)
    timings = []
    for k in tqdm(range(warm_up + cycles), desc=model.name, unit="cycle"):
        block = (0.1 * rng.standard_normal(step.samples)).astype(np.float32)
        watch = Stopwatch()
        streamer.push(k * step.samples, block)
        streamer.step((k + 1) * step.samples, step.samples, step.offset, settings.overlap, watch.record)
        timings.append(watch.timings())
    return timings[warm_up:]


def filler(model: Model) -> Callable[[Tensor, Condition, Tensor], Tensor]:
    """The paper's calls: own latents (B, C, T), a condition and noise (DRAWS, B, C, T) -> the filled window (B, C, T)."""
    denoiser, sampler, sigmas = model.sampler()

    def fill(own: Tensor, condition: Condition, noise: Tensor) -> Tensor:
        def denoise(x: Tensor, sigma: Tensor) -> Tensor:
            return denoiser(x, sigma.to(x.device).expand(len(x)), condition)

        return sampler(denoise, noise[0], sigmas, lambda i: noise[i + 1], Kept(own, condition.masks.known))

    return fill


@torch.inference_mode()
def time_paper(codec: Codec, fill: Callable[..., Tensor], settings: Settings, step: Step) -> list[Timing]:
    """Cycles in the original's way, after one unseen: encode 6 s, call the network, decode the newest frames."""
    device = next(codec.parameters()).device
    generator = torch.Generator(device).manual_seed(settings.latency.seed)
    new = int(FRAMES * step.ratio)
    hidden = min(FRAMES, max(0, int(FRAMES * step.ratio * (step.depth + 1))))
    where = (torch.tensor([frame], device=device) for frame in (0, FRAMES - hidden, 0, FRAMES - new))
    mask, stem = masks(FRAMES, *where), torch.zeros(1, dtype=torch.long, device=device)
    own, clock = (torch.zeros(1, rows, FRAMES, device=device) for rows in (CHANNELS, CLOCK_FEATURES))
    timings = []
    for _ in tqdm(range(1 + settings.latency.paper_cycles), desc="in the original's way", unit="cycle"):
        block = 0.1 * torch.randn(1, WINDOW, generator=generator, device=device)
        noise = torch.randn(DRAWS, *own.shape, generator=generator, device=device)
        watch = Stopwatch()
        context = codec.encode(block)
        watch.record("encode")
        own = fill(own, Condition(context, own, mask, stem, clock), noise)
        watch.record("sample")
        codec.decode(own[:, :, -(new + 1) :]).cpu()  # waits for an accelerator to finish
        watch.record("decode")
        timings.append(watch.timings())
        own = torch.cat([own[..., new:], torch.zeros_like(own[..., :new])], dim=-1)
    return timings[1:]


def side(timings: Sequence[Timing], settings: Settings, step: Step) -> dict:
    """What is reported of each of the three: times, how many, and how early an answer is."""
    times = summary(timings)
    lead = {key: lead_ms(value, step, settings.overlap) for key, value in times["cycle_ms"].items()}
    return times | {"cycles": len(timings), "lead_ms": lead}


def weights_gb(model: Model) -> float:
    modules = (model.codec, *model.denoisers.values())
    return sum(value.nbytes for module in modules for value in module.state_dict().values()) / 1e9


def summary(timings: Sequence[Timing]) -> dict[str, dict[str, float]]:
    """Percentiles of every phase and of the whole cycle, in ms."""
    names = ("cycle_ms", "encode_ms", "sample_ms", "decode_ms")
    return {name: {key: round(value, 2) for key, value in percentiles([t[name] for t in timings]).items()} for name in names}


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


SIDES = {"live": "live", "paper": "paper", "quick": "paper, our way"}


def describe(result: dict) -> str:
    """The comparison in a few lines."""
    lines = [f"{'ms per cycle':16}{'median':>9}{'p95':>9}{'max':>9}   encode + sample + decode (medians)"]
    for name, label in SIDES.items():
        if name in result:
            cycle = result[name]["cycle_ms"]
            parts = " + ".join(f"{result[name][f'{part}_ms']['p50']:.0f}" for part in ("encode", "sample", "decode"))
            lines.append(f"{label:16}{cycle['p50']:9.0f}{cycle['p95']:9.0f}{cycle['max']:9.0f}   {parts}")
    if "ratio" in result:
        facts, quick = result["machine"], result["quick"]
        lines += [
            f"live is {result['ratio']:.1f} times as quick as the paper's, our way with the paper's network "
            f"({quick['sampler']}) {result['quick_ratio']:.2f} times, with {quick['weights_gb']:.2f} GB of weights",
            f"{facts['processor']}, {facts['device']}, {facts['threads']} threads, {SAMPLE_RATE} Hz",
        ]
    return "\n".join(lines)
