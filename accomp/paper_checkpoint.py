"""Turns a checkpoint of the paper's models into a model folder that plays, running nothing that is in the file.

    python -m accomp.paper_checkpoint last.ckpt models/paper_ldm [--codec music2latent.pt | --random-codec]

Reads the released Lightning files (Zenodo 10.5281/zenodo.19045462) and those of `train.py experiment=paper_*`. Every tensor of
the network must be there, with its name and shape, and every tensor in the file must have a known purpose.
"""

import argparse
import logging
import pickle
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors.torch import save_file
from torch import Tensor

from accomp.archive import read_archive
from accomp.codec.music2latent import WEIGHTS_MISSING, Music2Latent, package_weights
from accomp.command_line import command, parser_of
from accomp.diffusion.presets import ADPM2, CM
from accomp.diffusion.unet import UNet
from accomp.disk import whole_folder
from accomp.errors import UserError

log = logging.getLogger(__name__)

FRAMES = 64  # of the paper's window
SAMPLERS = {"edm": {"adpm2_5": ADPM2}, "consistency": {"cm_2": CM | {"steps": 3}, "cm_1": CM | {"steps": 2}}}
COUNTED = {"edm": ("adpm2", ADPM2, 0), "consistency": ("cm", CM, 1)}  # name, settings, noise levels more than its number


def sampler_settings(form: str, text: str) -> tuple[str, dict]:
    """A sampler by its name, "STEPS" or "STEPS:RHO" or "STEPS:RHO:SIGMA_MAX", as in `--sampler 10:7:80`, and its settings."""
    kind, values, more = COUNTED[form]
    try:
        steps, *others = text.split(":")
        numbers = dict(zip(("rho", "sigma_max"), map(float, others), strict=False))
        if int(steps) < 1 or len(others) > 2 or not all(number > 0 for number in numbers.values()):
            raise ValueError(text)
    except ValueError as error:
        raise UserError(f"--sampler {text}: write STEPS, STEPS:RHO or STEPS:RHO:SIGMA_MAX, as in 10:7:80") from error
    name = "_".join([kind, steps, *(f"{key.replace('_', '')}{value:g}" for key, value in numbers.items())])
    return name, values | numbers | {"steps": int(steps) + more}


@dataclass(frozen=True)
class Layout:
    """Where a kind of checkpoint keeps its networks, as prefixes of tensor names.

    `served` is the one to play, `copies` must equal it, `others` were only used in training. `sign` is a prefix that only this
    kind has; empty: `served`.
    """

    name: str
    form: str
    served: str
    copies: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    sign: str = ""


LAYOUTS = (
    Layout("published diffusion model", "edm", "model.unet.", copies=("model.diffusion.net.",)),
    Layout(
        "published consistency model",
        "consistency",
        "net.model.unet.",
        others=("target_model.model.unet.", "teacher_model.model.unet."),
    ),
    Layout(
        "consistency model of train.py",
        "consistency",
        "denoiser.net.unet.",
        others=("helpers.ema.net.unet.",),
        sign="helpers.ema.net.unet.",
    ),
    Layout("diffusion model of train.py", "edm", "denoiser.net.unet."),
)


@dataclass
class Network:
    """What a checkpoint holds: the network's tensors and values, and a report of all that was found."""

    layout: Layout
    values: dict[str, int]
    tensors: dict[str, Tensor]
    report: list[str] = field(default_factory=list)


def read_network(path: Path) -> Network:
    """Read the network to be served from a checkpoint. Raises UserError, in one line, whatever is wrong with the file."""
    if not path.is_file():
        raise UserError(f"{path}: no such file; give a Lightning checkpoint (last.ckpt)")
    try:
        content, stood_in = read_archive(path)
        layout, groups = sort_out(content["state_dict"])
        values = check_names(layout.served, groups[layout.served])
        tensors = {name: tensor.float().contiguous() for name, tensor in groups[layout.served].items()}
        broken = [name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()]
        if broken:
            raise UserError(f"{len(broken)} tensors are not finite, e.g. {broken[0]}; fetch it again")
        for prefix in layout.copies:
            for name, tensor in groups.get(prefix, {}).items():
                if not torch.equal(tensor.float(), tensors[name]):
                    raise UserError(f"{prefix}{name} differs from {layout.served}{name}: which of them is the model?")
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    except (
        *(OSError, EOFError, zipfile.BadZipFile, pickle.UnpicklingError, RuntimeError, AttributeError),
        *(LookupError, TypeError, ValueError, OverflowError, MemoryError),
    ) as error:
        reason = " ".join(str(error).split())[:150]
        raise UserError(f"{path}: not a whole checkpoint ({type(error).__name__}: {reason}); fetch it again") from error
    counts = ", ".join(f"{prefix}* {len(names)}" for prefix, names in groups.items())
    report = [f"layout: {layout.name}", f"tensors: {counts}; played: {layout.served}*", masks_of(content)]
    if stood_in:
        report.append(f"classes in the file that were not loaded: {', '.join(stood_in)}"[:500])
    return Network(layout, values, tensors, report)


def sort_out(state: dict) -> tuple[Layout, dict[str, dict[str, Tensor]]]:
    """The layout of a checkpoint and its tensors by prefix. Raises UserError when one belongs nowhere."""
    layout = next((one for one in LAYOUTS if any(name.startswith(one.sign or one.served) for name in state)), None)
    if layout is None:
        known = ", ".join(one.served + "*" for one in LAYOUTS)
        raise UserError(f"holds none of {known} but {_some(state)}: not a checkpoint of the paper's network")
    groups: dict[str, dict[str, Tensor]] = {}
    strange = []
    for name, tensor in state.items():
        prefix = next((p for p in (layout.served, *layout.copies, *layout.others) if name.startswith(p)), None)
        if prefix is None or not isinstance(tensor, Tensor):
            strange.append(name)
        else:
            groups.setdefault(prefix, {})[name.removeprefix(prefix)] = tensor
    if strange:
        raise UserError(f"{len(strange)} tensors have no known purpose in a {layout.name}: {_some(strange)}")
    for prefix, names in groups.items():
        odd = names.keys() ^ groups[layout.served].keys()
        if odd:
            raise UserError(f"{prefix}* and {layout.served}* do not hold the same tensors: {_some(odd)}")
    return layout, groups


def check_names(prefix: str, tensors: dict[str, Tensor]) -> dict[str, int]:
    """The values of the U-Net that has exactly these tensors. Raises UserError when there is none."""
    label = tensors.get("map_label.weight")
    width = label.shape[0] if label is not None and len(label.shape) == 2 else 0
    blocks = sum(name.startswith("enc.64x64_block") and name.endswith("conv0.weight") for name in tensors)
    values = {"width": width, "blocks": blocks}
    if not (0 < width <= 2048 and width % 16 == 0 and 0 < blocks <= 16):
        raise UserError(f"{prefix}* is another architecture than the paper's U-Net ({_some(tensors)})")
    with torch.device("meta"):
        expected = {name: tuple(value.shape) for name, value in UNet(**values).state_dict().items()}
    faults = {
        "missing": expected.keys() - tensors.keys(),
        "too many": tensors.keys() - expected.keys(),
        "of another shape": {n for n in expected.keys() & tensors.keys() if expected[n] != tensors[n].shape},
    }
    told = [f"{len(names)} {fault} ({_some(names)})" for fault, names in faults.items() if names]
    if told:
        raise UserError(f"{prefix}* is another architecture than the paper's U-Net: tensors {', '.join(told)}")
    return values


def masks_of(content: dict) -> str:
    """Whether the model was trained with hidden context, as far as the file says. Without, it cannot play at w >= 0."""
    without = "trained WITHOUT masks: made for w = -1 only, expect nonsense at w = 0 and 1"
    known = content.get("hyper_parameters", {})
    hidden = _dig(known, "conditioner", "draw", "hidden") or _dig(known, "inpaint_mask_ratios")
    if isinstance(hidden, list | tuple):
        return f"masks: {'trained with ' + str(list(hidden))[:80] if any(hidden) else without}"
    teacher = _dig(known, "cfg", "diffusion", "teacher_model_path")
    if not isinstance(teacher, str):
        return "masks: the file does not say whether it was trained with hidden context"
    named = f"(teacher: {teacher[:200]!r})"
    if "masked" in teacher or "2025-03-01" in teacher:
        return f"masks: distilled from the masked teacher {named}"
    if "2025-01-23" in teacher or "2025-02-02" in teacher:
        return f"masks: {without} {named}"
    return f"masks: unknown teacher {named}"


def _dig(value: Any, *path: str) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else getattr(value, name, None)
    return value


def _some(names: Any) -> str:
    """The first names of a collection, for an error message."""
    names = sorted(map(str, names))
    return ", ".join(name[:60] for name in names[:3]) + (", ..." if len(names) > 3 else "")


def configuration(form: str, values: dict[str, int], more: Sequence[str] = ()) -> dict:
    """What the model folder says of a diffusion ("edm") or consistency model with these values of its U-Net.

    `more` are samplers beside the published ones, see `sampler_settings`.
    """
    part = "teacher" if form == "edm" else "student"
    known = SAMPLERS[form] | dict(sampler_settings(form, text) for text in more)
    samplers = {name: {"denoiser": part} | settings for name, settings in known.items()}
    return {
        "codec": {"_target_": "accomp.codec.music2latent.Music2Latent"},
        "net": {"_target_": "accomp.diffusion.unet.PaperUNet"} | values,
        "denoisers": {part: {"form": form, "sigma_data": 1.0}},
        "samplers": samplers,
        "sampler": next(iter(samplers)),
        "frames": FRAMES,
        "longest_step": FRAMES,
    }


CARD = """# {name}

A model of arXiv 2604.07612, converted from `{source}` by `python -m accomp.paper_checkpoint`.

{report}

Play it with `python serve.py --model {name}`. Its codec is Music2Latent, code and weights CC BY-NC 4.0: not for
commercial use. {codec}.
"""


RANDOM = "Its weights here are RANDOM (--random-codec): it plays noise, which tells how fast the model is, not how good"


def convert(
    source: Path, out: Path, codec: Music2Latent | None, remark: str, samplers: Sequence[str] = (),
    facts: Sequence[str] = (),
) -> Network:  # fmt: skip
    """Write the model folder `out`, without a codec when None; it appears whole or not at all. `facts` go onto its card."""
    if out.exists():
        raise UserError(f"{out} exists already; delete it or choose another name")
    network = read_network(source)
    config = configuration(network.layout.form, network.values, samplers)
    (part,) = config["denoisers"]
    report = "\n".join(f"- {line}" for line in (*network.report, *facts))
    card = CARD.format(name=out.name, source=source.name, report=report, codec=remark)
    with whole_folder(out) as folder:
        save_file({f"net.unet.{name}": tensor for name, tensor in network.tensors.items()},
                  folder / f"{part}.safetensors")  # fmt: skip
        if codec is not None:
            save_file(codec.state_dict(), folder / "codec.safetensors")
        (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
        (folder / "README.md").write_text(card)
    return network


def run(options: argparse.Namespace) -> None:
    """Convert with the codec that was asked for, and tell what was found."""
    weights = None if options.random_codec else options.codec or package_weights()
    if options.random_codec:
        codec, remark = Music2Latent.untrained(), RANDOM
    elif weights is not None:
        codec, remark = Music2Latent(weights), "Its weights are in codec.safetensors"
    else:
        codec, remark = None, f"This folder {WEIGHTS_MISSING}"
    network = convert(options.source, options.out, codec, remark, options.sampler)
    for line in network.report:
        log.info("%s", line)
    if weights is None:
        log.warning("codec: %s", remark)
    log.info("wrote %s", options.out)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = parser_of(__doc__)
    parser.add_argument("source", type=Path, help="a Lightning checkpoint, e.g. last.ckpt")
    parser.add_argument("out", type=Path, help="the model folder to write, e.g. models/paper_ldm")
    codec = parser.add_mutually_exclusive_group()
    codec.add_argument("--codec", type=Path, help="music2latent.pt (default: where the package music2latent keeps it)")
    codec.add_argument("--random-codec", action="store_true", help="a codec of random weights, which plays noise: to try "
                       "the model out where Music2Latent's weights are not to be had")  # fmt: skip
    parser.add_argument("--sampler", action="append", default=[], metavar="STEPS[:RHO[:SIGMA_MAX]]",
                        help="a sampler more beside the published one, e.g. 10:9:80; may be given several times")  # fmt: skip
    return command(parser, arguments, run)


if __name__ == "__main__":
    sys.exit(main())
