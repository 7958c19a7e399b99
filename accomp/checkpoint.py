"""A deployed model is a folder: config.yaml, *.safetensors in half precision, and a model card. No code, no pickles.

    python -m accomp.checkpoint OUT_DIR --codec RUN --teacher RUN [--student RUN] [--tracker RUN]

gathers training runs (folders with config.yaml and checkpoints/last.ckpt) into one.
"""

import argparse
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
import yaml
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn

from accomp.beat.tracker import Tracker
from accomp.codec.autoencoder import Autoencoder
from accomp.codec.contract import Codec
from accomp.codec.music2latent import WEIGHTS_MISSING, Music2Latent
from accomp.codec.sketch import SketchCodec
from accomp.data.disk import write_whole
from accomp.diffusion import inpaint, samplers
from accomp.diffusion.noise import karras
from accomp.diffusion.precond import ClassifierFreeGuidance, ConsistencyDenoiser, Denoiser
from accomp.diffusion.transformer import Transformer
from accomp.diffusion.unet import PaperUNet
from accomp.errors import UserError
from accomp.window import PlayingDraw

log = logging.getLogger(__name__)

# Everything that a configuration may name; nothing is imported or called by a name from a file.
CODECS = {"causal": Autoencoder, "sketch": SketchCodec, "music2latent": Music2Latent}
NETS = {"transformer": Transformer, "paper_unet": PaperUNet}
LARGE = {Music2Latent, PaperUNet}  # take no room until they are loaded
FORMS = {"edm": Denoiser, "consistency": ConsistencyDenoiser}
SAMPLERS = {
    "euler": samplers.euler,
    "heun": samplers.heun,
    "dpm_solver": samplers.dpm_solver,
    "consistency": samplers.consistency,
    "adpm2": inpaint.adpm2,
    "paper_cm": inpaint.paper_cm,
}


# Parts of tensor names that have changed since weights were published.
RENAMED = (("net.ear.", "net.pitch_head."),)


@dataclass
class Model:
    """A codec, denoisers and the samplers that drive them, and a beat tracker if there is one.

    `frames` is the length of the window, `longest_step` the most frames to generate at once.
    """

    name: str
    config: dict
    codec: Codec
    denoisers: dict[str, nn.Module]
    tracker: Tracker | None
    device: torch.device
    frames: int = field(init=False)
    longest_step: int = field(init=False)

    def __post_init__(self):
        self.frames, self.longest_step = self.config["frames"], self.config["longest_step"]

    def sampler(self, name: str | None = None) -> tuple[nn.Module, Callable, Tensor]:
        """The denoiser, sampler function and noise levels that go by this name (the default when None)."""
        known = self.config["samplers"]
        name = name or self.config["sampler"]
        if name not in known:
            raise UserError(f"sampler {name!r} is not in model {self.name}; choose one of {', '.join(known)}")
        s = known[name]
        sigmas = karras(s["steps"], s["sigma_min"], s["sigma_max"], s["rho"])
        denoiser = self.denoisers[s["denoiser"]]
        if (scale := s.get("guidance", 1.0)) != 1.0:
            denoiser = ClassifierFreeGuidance(denoiser, scale)
        return denoiser, SAMPLERS[s["function"]], sigmas

    def candidates(self, name: str | None = None) -> int:
        """How many answers this sampler makes, for the teacher to choose from."""
        return self.config["samplers"][name or self.config["sampler"]].get("candidates", 1)


def load_model(folder: Path | str, device: str = "cpu", precision: torch.dtype = torch.float32) -> Model:
    """Load a model folder for playing. Raises UserError when it is missing, damaged or not of this program.

    `precision` is that of the paper's network and codec (see `accomp.stream.quick`); all else is float32.
    """
    folder = Path(folder)
    if not (folder / "config.yaml").is_file():
        raise UserError(f"{folder}: no model folder (config.yaml is missing); the one that ships is models/live")
    target = usable(device)
    try:
        config = yaml.safe_load((folder / "config.yaml").read_text())
        if config["codec"]["kind"] == "music2latent" and not (folder / "codec.safetensors").is_file():
            raise UserError(f"{folder}: {WEIGHTS_MISSING}")
        codec = _build(CODECS, config["codec"])
        _load(codec, folder / "codec.safetensors", precision)
        denoisers = {}
        for name, form in config["denoisers"].items():
            denoisers[name] = FORMS[form["form"]](_build(NETS, config["net"]), form["sigma_data"])
            _load(denoisers[name], folder / f"{name}.safetensors", precision)
        tracker = None
        if "tracker" in config:
            tracker = Tracker(**config["tracker"])
            _load(tracker, folder / "tracker.safetensors")
        model = Model(folder.resolve().name, config, codec, denoisers, tracker, target)
        model.sampler()
    except UserError:
        raise
    except (
        OSError,
        yaml.YAMLError,
        KeyError,
        TypeError,
        AttributeError,
        ValueError,
        RuntimeError,
        SafetensorError,
    ) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{folder}: damaged model folder ({type(error).__name__}: {reason}); fetch it again") from error
    for module in filter(None, (codec, tracker, *denoisers.values())):
        module.to(target).eval().requires_grad_(False)
    return model


def usable(device: str) -> torch.device:
    """The device of this name; UserError when nothing can be computed there."""
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        raise UserError(
            f"device {device!r} cannot be used here ({str(error).splitlines()[0]}); try --device cpu"
        ) from error


def _build(kinds: dict[str, type], values: dict) -> nn.Module:
    values = dict(values)
    kind = kinds[values.pop("kind")]
    with torch.device("meta" if kind in LARGE else "cpu"):
        return kind(**values)


def current_name(name: str) -> str:
    """Today's name of a tensor that an earlier version of the program wrote."""
    for before, now in RENAMED:
        name = name.replace(before, now)
    return name


def _load(module: nn.Module, path: Path, precision: torch.dtype = torch.float32) -> None:
    """Load weights into a float32 module, or into an empty one in this precision; every name and shape must match."""
    if any(parameter.is_meta for parameter in module.parameters()):
        module.load_state_dict(dict(_tensors(path, precision)), assign=True)
    else:
        module.load_state_dict({current_name(name): value.float() for name, value in load_file(path).items()})


def _tensors(path: Path, precision: torch.dtype) -> Iterator[tuple[str, Tensor]]:
    """The tensors of a file one by one; it is opened for each, so that what was read of it does not stay in memory."""
    with safe_open(path, "pt") as file:
        names = list(file.keys())
    for name in names:
        with safe_open(path, "pt") as file:
            yield name, file.get_tensor(name).to(precision, copy=True)


def save_weights(module: nn.Module, path: Path) -> None:
    """Write a module's weights in half precision."""
    weights = {name: value.detach().half().contiguous().cpu() for name, value in module.state_dict().items()}
    write_whole(path, save(weights))


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


def load_codec(source: Path | str) -> Codec:
    """The codec of a training run or of a model folder; of a run, rounded to half precision as it will be shipped."""
    source = Path(source)
    if (source / "codec.safetensors").is_file():
        return load_model(source).codec
    module = run_config(source)["module"]
    kind = "sketch" if module["_target_"].endswith("SketchModule") else "causal"
    codec = read_run(source, "codec.", CODECS[kind](**module["codec"]))
    codec.load_state_dict({name: value.half().float() for name, value in codec.state_dict().items()})
    return codec


TEACHER = {
    "denoiser": "teacher",
    "function": "dpm_solver",
    "sigma_min": 0.05,
    "sigma_max": 20.0,
    "rho": 5.0,
    "guidance": 4.0,
}
STUDENT = {"denoiser": "student", "function": "consistency", "sigma_max": 20.0, "rho": 7.0}
DEFAULT_SAMPLERS = {
    "teacher_4": TEACHER | {"steps": 4, "sigma_min": 0.3},
    "teacher_6": TEACHER | {"steps": 6, "sigma_min": 0.15},
    "teacher_12": TEACHER | {"steps": 12},
    "student_1": STUDENT | {"steps": 1, "sigma_min": 20.0},
    "student_2": STUDENT | {"steps": 2, "sigma_min": 1.0},
    "student_2_of_4": STUDENT | {"steps": 2, "sigma_min": 1.0, "candidates": 4},
    "student_4": STUDENT | {"steps": 4, "sigma_min": 0.3},
}
# For `PaperRecipeModule`, whose network is not told what is known.
REPLACEMENT = {
    "adpm2_5": {
        "denoiser": "teacher",
        "function": "adpm2",
        "steps": 5,
        "sigma_min": 1e-4,
        "sigma_max": 50.0,
        "rho": 9.0,
    }
}


def gather(out: Path, codec: Path, teacher: Path, student: Path | None, tracker: Path | None) -> None:
    """Put the averaged weights of training runs into a new model folder; it appears whole or not at all."""
    module = run_config(teacher)["module"]
    net = Transformer(**module["net"])
    parts = {"codec": load_codec(codec), "teacher": read_run(teacher, "denoiser.", Denoiser(net))}
    denoisers = {"teacher": {"form": "edm", "sigma_data": 1.0}}
    known = REPLACEMENT if module["_target_"].endswith("PaperRecipeModule") else DEFAULT_SAMPLERS
    if not module.get("cond_dropout"):  # a teacher trained with its condition at all times cannot be guided
        known = {name: {key: value for key, value in s.items() if key != "guidance"} for name, s in known.items()}
    if student is not None:
        parts["student"] = read_run(student, "denoiser.", ConsistencyDenoiser(Transformer(**module["net"])))
        denoisers["student"] = {"form": "consistency", "sigma_data": 1.0}
    config = {
        "codec": {"kind": next(k for k, v in CODECS.items() if type(parts["codec"]) is v)}
        | asdict(parts["codec"].config),
        "net": {"kind": "transformer"} | module["net"],
        "denoisers": denoisers,
        "samplers": {name: s for name, s in known.items() if s["denoiser"] in denoisers},
        "sampler": "student_2" if student is not None else next(iter(known)),
        "frames": run_config(teacher)["data"]["frames"],
        "longest_step": module["draw"].get("longest_step", PlayingDraw.longest_step),
    }
    if tracker is not None:
        config["tracker"] = run_config(tracker)["module"]["tracker"]
        parts["tracker"] = read_run(tracker, "tracker.", Tracker(**config["tracker"]))
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent) as temporary:
        for name, part in parts.items():
            save_weights(part, Path(temporary) / f"{name}.safetensors")
        (Path(temporary) / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
        out.mkdir(exist_ok=True)
        for file in Path(temporary).iterdir():
            os.replace(file, out / file.name)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the model folder to write, e.g. models/mine")
    parser.add_argument("--codec", type=Path, required=True, help="a run of experiment=autoencoder, or a model folder")
    parser.add_argument("--teacher", type=Path, required=True, help="a run of experiment=diffusion")
    parser.add_argument("--student", type=Path, help="a run of experiment=student")
    parser.add_argument("--tracker", type=Path, help="a run of experiment=tracker")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        gather(options.out, options.codec, options.teacher, options.student, options.tracker)
    except UserError as error:
        log.error("error: %s", error)
        return 2
    log.info("wrote %s", options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
