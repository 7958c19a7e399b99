"""A model for playing: a codec, denoisers with their samplers, and a beat tracker, loaded from a model folder.

A model folder holds config.yaml, *.safetensors and a model card; no code and no pickles. `accomp.export` writes one.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
import yaml
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from accomp.codec.contract import Codec
from accomp.codec.music2latent import WEIGHTS_MISSING, Music2Latent
from accomp.diffusion import inpaint, samplers
from accomp.diffusion.noise import karras
from accomp.diffusion.precond import ClassifierFreeGuidance, ConsistencyDenoiser, Denoiser
from accomp.diffusion.unet import PaperUNet
from accomp.errors import UserError
from accomp.parts import build_part, build_tracker, named, part_class
from accomp.run_kind import export_command
from accomp.timeline import STEMS, WIRE_RATE, check_rate

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


# What is done with the network's answers, and can be left out to hear what it is worth: keys that the plan does not expect are
# made less likely, the energies of held notes are averaged, a bass sounds one key at a time, and a stem that has rested or lost
# the beat begins anew.
PARTS = ("weights", "smoothing", "monophonic", "renewal")
WITHOUT = " without "

# What reading a damaged model folder raises.
DAMAGE = (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError, RuntimeError, SafetensorError)


@dataclass
class Model:
    """A codec, denoisers and the samplers that drive them, and a beat tracker if there is one.

    `frames` is the length of the window, `longest_step` the most frames to generate at once.
    """

    name: str
    config: dict
    codec: Codec
    denoisers: dict[str, nn.Module]
    tracker: nn.Module | None  # with the contract of accomp.beat.tracker.Tracker
    device: torch.device
    frames: int = field(init=False)
    longest_step: int = field(init=False)

    def __post_init__(self):
        self.frames, self.longest_step = self.config["frames"], self.config["longest_step"]

    @property
    def stems(self) -> tuple[str, ...]:
        """The classes of instruments that it can play, in their order."""
        return tuple(self.config.get("stems", STEMS))

    def uses(self, part: str) -> bool:
        """Whether this one of PARTS is not left out."""
        return part not in self.config.get("without", ())

    def monophonic(self, stems: Sequence[str]) -> Tensor:
        """Whether the notes of each of these stems sound one at a time, (B,)."""
        single = self.config.get("monophonic", ()) if self.uses("monophonic") else ()
        return torch.tensor([stem in single for stem in stems], device=self.device)

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
        function = s["function"]  # one of SAMPLERS, or a function of this package by its dotted name
        return denoiser, SAMPLERS.get(function) or named(function), sigmas

    def candidates(self, name: str | None = None) -> int:
        """How many answers this sampler makes, for the teacher to choose from."""
        return self.config["samplers"][name or self.config["sampler"]].get("candidates", 1)


def load_model(folder: Path | str, device: str = "cpu", precision: torch.dtype = torch.float32) -> Model:
    """Load a model folder for playing. Raises UserError when it is missing, damaged or not of this program.

    "FOLDER without PART+PART" is the model that plays without these of PARTS. `precision` is that of the paper's
    network and codec (see `accomp.stream.quick`); all else is float32.
    """
    folder, left_out = without_parts(folder)
    if not (folder / "config.yaml").is_file():
        raise UserError(f"{folder}: no model folder (config.yaml is missing); the one that ships is models/live")
    target = usable(device)
    try:
        config = yaml.safe_load((folder / "config.yaml").read_text())
        if "module" in config:
            command = export_command(folder, config["module"])
            raise UserError(f"{folder} is a training run; `{command}` makes a model folder of it")
        check_rate(config.get("sample_rate", WIRE_RATE), str(folder))
        if part_class(config["codec"]) is Music2Latent and not (folder / "codec.safetensors").is_file():
            raise UserError(f"{folder}: {WEIGHTS_MISSING}")
        codec = _build(config["codec"])
        _load(codec, folder / "codec.safetensors", precision)
        denoisers = {}
        for name, form in config["denoisers"].items():
            denoisers[name] = FORMS[form["form"]](_build(config["net"]), form["sigma_data"])
            _load(denoisers[name], folder / f"{name}.safetensors", precision)
        tracker = None
        if "tracker" in config:
            tracker = build_tracker(config["tracker"])
            _load(tracker, folder / "tracker.safetensors")
        name = folder.resolve().name + (WITHOUT + "+".join(left_out) if left_out else "")
        model = Model(name, config | {"without": left_out}, codec, denoisers, tracker, target)
        model.sampler()
    except UserError:
        raise
    except DAMAGE as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{folder}: damaged model folder ({type(error).__name__}: {reason}); fetch it again") from error
    for module in filter(None, (codec, tracker, *denoisers.values())):
        module.to(target).eval().requires_grad_(False)
    return model


def without_parts(folder: Path | str) -> tuple[Path, list[str]]:
    """The folder and the parts left out in "FOLDER without PART+PART". Raises UserError for an unknown part."""
    path, _, parts = str(folder).partition(WITHOUT)
    left_out = [part.strip() for part in parts.split("+") if part.strip()]
    if unknown := [part for part in left_out if part not in PARTS]:
        raise UserError(
            f"{folder}: {unknown[0]!r} is no part that can be left out; choose among {', '.join(PARTS)}, joined by +"
        )
    return Path(path), left_out


def usable(device: str) -> torch.device:
    """The device of this name; UserError when nothing can be computed there."""
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"device {device!r} cannot be used here ({str(error).splitlines()[0]}); try --device cpu") from error


def _build(values: dict) -> nn.Module:
    with torch.device("meta" if part_class(values) in LARGE else "cpu"):
        return build_part(values)


def _load(module: nn.Module, path: Path, precision: torch.dtype = torch.float32) -> None:
    """Load weights into a float32 module, or into an empty one in this precision; every name and shape must match."""
    if any(parameter.is_meta for parameter in module.parameters()):
        module.load_state_dict(dict(_tensors(path, precision)), assign=True)
    else:
        module.load_state_dict({name: value.float() for name, value in load_file(path).items()})


def _tensors(path: Path, precision: torch.dtype) -> Iterator[tuple[str, Tensor]]:
    """The tensors of a file one by one; it is opened for each, so that what was read of it does not stay in memory."""
    with safe_open(path, "pt") as file:
        names = list(file.keys())
    for name in names:
        with safe_open(path, "pt") as file:
            yield name, file.get_tensor(name).to(precision, copy=True)
