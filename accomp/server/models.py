"""From a model folder to streamers: the only part of the server that imports torch."""

from collections.abc import Callable
from pathlib import Path

import torch

from accomp.beat.external import ExternalClock
from accomp.errors import UserError
from accomp.plan.chart import ChartPlan
from accomp.plan.own import OwnPlan
from accomp.stream.quick import load_quick
from accomp.stream.streamer import Streamer


def models_beside(folder: Path) -> dict[str, Path]:
    """The model folders beside this one that can play, by name: what a client asks for is only ever looked up here."""
    beside = [path for path in folder.resolve().parent.iterdir() if (path / "config.yaml").is_file()]
    return {path.name: path for path in beside if (path / "codec.safetensors").is_file()}


def streamers_of(folder: Path, device: str, sampler: str | None, together: bool = False, *, strict: bool = True) -> Callable:
    """A maker of streamers of a model folder, stems -> Streamer, each with a clock that a transport can override.

    Raises UserError when the model is damaged. Unless `strict`, a model without that sampler plays with its own.
    """
    model = load_quick(folder, device)
    for module in (model.codec, *model.denoisers.values()):
        if not all(bool(torch.isfinite(tensor).all()) for tensor in module.state_dict().values()):
            raise UserError(f"{folder}: damaged model folder (weights that are not finite); fetch it again")
    if not strict and sampler not in model.config["samplers"]:
        sampler = None

    def make(stems: tuple[str, ...]) -> Streamer:
        streamer = Streamer(model, stems, sampler=sampler, together=together)
        streamer.clock = ExternalClock(streamer.clock, streamer.hop)
        if isinstance(streamer.plan, OwnPlan):
            streamer.plan = ChartPlan([], streamer.plan, streamer.hop)
        return streamer

    make.stems = model.stems
    return make


def device_name(device: str) -> str:
    """What torch calls it: a bare number is a CUDA device, "auto" the fastest there is."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return f"cuda:{device}" if device.isdigit() else device
