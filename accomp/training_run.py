"""Reads what a training run left in its folder: its configuration, and the averaged weights of its last checkpoint."""

import logging
from dataclasses import dataclass
from pathlib import Path

import torch
import yaml
from torch import nn

from accomp.codec.contract import Codec
from accomp.errors import UserError
from accomp.model import load_model
from accomp.parts import build_part
from accomp.timeline import WIRE_RATE, check_rate
from accomp.trials import read_status

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunFacts:
    """How a run was trained: optimiser steps, data sets, the commit of the code, and the command."""

    steps: int
    data: str
    code: str
    command: str


def read_checkpoint(run: Path) -> dict:
    """A training run's last checkpoint; its tensors stay in the file until they are used."""
    path = run / "checkpoints" / "last.ckpt"
    if not path.is_file():
        raise UserError(f"{path}: no checkpoint; train it first (python train.py experiment=...)")
    return torch.load(path, map_location="cpu", weights_only=True, mmap=True)


def read_run(run: Path, prefix: str, module: nn.Module, strict: bool = True) -> nn.Module:
    """Load the averaged weights of a training run's last checkpoint, found under `prefix`, into a module.

    Unless `strict`, what the run lacks stays as it is and what the module lacks is left out. Raises UserError when they do
    not fit.
    """
    state = read_checkpoint(run)["state_dict"]
    chosen = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
    try:
        module.load_state_dict(chosen, strict=strict)
    except RuntimeError as error:
        reason = " ".join(str(error).split()).partition(": ")[2][:200]
        raise UserError(
            f"{run}: its network has another size or another conditioning than is needed here ({reason}); train it anew"
        ) from error
    return module.eval()


def check_latents(run: Path, codec: str, source: str) -> None:
    """UserError when a run was trained on latents of another codec than that of this fingerprint, which is `source`'s."""
    trained_on = read_checkpoint(run).get("SlakhDataModule", {}).get("codec")  # None: on audio, or not said
    if trained_on is None:
        log.warning("%s does not say on which codec's latents it was trained", run)
    elif trained_on != codec:
        raise UserError(f"{run} was trained on latents of codec {trained_on}; {source} is of codec {codec}")


def run_facts(run: Path) -> RunFacts:
    """How a run was trained, as its folder says."""
    data = run_config(run)["data"]
    sets = data.get("sets") or Path(data["root"]).name
    first = (run / "config.yaml").read_text().partition("\n")[0]
    return RunFacts(
        steps=read_checkpoint(run)["global_step"],
        data=sets if isinstance(sets, str) else ", ".join(sets),
        code=first.removeprefix("# code: ") if first.startswith("# code: ") else "unknown",
        command=read_status(run).get("command", "unknown"),
    )


def run_config(run: Path) -> dict:
    """The resolved configuration of a training run."""
    path = run / "config.yaml"
    if not path.is_file():
        raise UserError(f"{path}: no such run or model folder; train.py and `python -m accomp.export` write them")
    return yaml.safe_load(path.read_text())


def codec_config(source: Path) -> dict:
    """How the codec of a training run or of a model folder is made, see `accomp.parts`."""
    config = run_config(source)
    codec = config.get("codec") or config["module"].get("codec")
    if not isinstance(codec, dict):
        raise UserError(f"{source}: neither a model folder nor a run that trained a codec")
    return codec


def load_codec(source: Path | str) -> Codec:
    """The codec of a training run or of a model folder; of a run, rounded to half precision as it will be shipped."""
    source = Path(source)
    if (source / "codec.safetensors").is_file():
        return load_model(source).codec
    check_rate(run_config(source)["data"].get("sample_rate", WIRE_RATE), str(source))
    codec = read_run(source, "codec.", build_part(codec_config(source), trusted=True))
    codec.load_state_dict({name: value.half().float() for name, value in codec.state_dict().items()})
    return codec
