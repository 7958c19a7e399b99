"""Reads what a training run left in its folder: its configuration, and the averaged weights of its last checkpoint."""

from pathlib import Path

import torch
import yaml
from torch import nn

from accomp.codec.contract import Codec
from accomp.errors import UserError
from accomp.model import current_name, load_model
from accomp.parts import build_part


def read_run(run: Path, prefix: str, module: nn.Module, strict: bool = True) -> nn.Module:
    """Load the averaged weights of a training run's last checkpoint, found under `prefix`, into a module.

    Unless `strict`, what the run lacks stays as it is and what the module lacks is left out.
    """
    path = run / "checkpoints" / "last.ckpt"
    if not path.is_file():
        raise UserError(f"{path}: no checkpoint; train it first (python train.py experiment=...)")
    state = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    chosen = {
        current_name(name.removeprefix(prefix)): value for name, value in state.items() if name.startswith(prefix)
    }
    module.load_state_dict(chosen, strict=strict)
    return module.eval()


def run_config(run: Path) -> dict:
    """The resolved configuration of a training run."""
    path = run / "config.yaml"
    if not path.is_file():
        raise UserError(f"{path}: no such run; give the folder that train.py wrote")
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
    codec = read_run(source, "codec.", build_part(codec_config(source), trusted=True))
    codec.load_state_dict({name: value.half().float() for name, value in codec.state_dict().items()})
    return codec
