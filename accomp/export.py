"""Gathers training runs (folders with config.yaml and checkpoints/last.ckpt) into a model folder that `serve.py` plays.

    python -m accomp.export OUT_DIR --codec RUN --teacher RUN [--student RUN] [--tracker RUN]
    python -m accomp.export OUT_DIR --paper RUN       # of experiment=paper_..., or one of its checkpoints
    python -m accomp.export OUT_DIR --coherence RUN   # of experiment=coherence, for `evaluate.py coherence=OUT_DIR`

The folder appears whole or not at all, with a card (README.md) that says what its parts were trained with. Runs that do not
belong together are refused, and so is a folder that is there already.
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml
from hydra.utils import instantiate
from safetensors.torch import save
from torch import nn

from accomp.codec.fingerprint import fingerprint
from accomp.codec.music2latent import WEIGHTS_MISSING, Music2Latent, package_weights
from accomp.command_line import command, parser_of
from accomp.diffusion.precond import ConsistencyDenoiser, Denoiser
from accomp.diffusion.presets import MONOPHONIC, samplers_of
from accomp.disk import whole_folder, write_whole
from accomp.errors import UserError
from accomp.metrics.coherence import write_folder
from accomp.model import load_model
from accomp.model_card import card
from accomp.paper_checkpoint import convert
from accomp.parts import build_part, build_tracker
from accomp.run_kind import ROLES, export_command, kind_of
from accomp.timeline import SAMPLE_RATE, STEMS
from accomp.training_run import check_latents, codec_config, load_codec, read_run, run_config, run_facts
from accomp.window import PlayingDraw

log = logging.getLogger(__name__)


def save_weights(module: nn.Module, path: Path) -> None:
    """Write a module's weights in half precision."""
    weights = {name: value.detach().half().contiguous().cpu() for name, value in module.state_dict().items()}
    write_whole(path, save(weights))


def export(out: Path, runs: dict[str, Path], samplers: dict[str, dict] | None = None) -> None:
    """Put the averaged weights of training runs, by role ("codec", "teacher", "student", "tracker"), into a model
    folder.

    Codec and tracker may be those of a model folder. Raises UserError when the runs do not belong together or `out` is
    there already.
    """
    refuse_folder(out)
    for role, run in runs.items():
        check_role(role, run)
    if "student" in runs:
        check_teacher(runs["student"], runs["teacher"])
    parts: dict[str, nn.Module] = {"codec": load_codec(runs["codec"])}
    for role in runs.keys() - {"codec"}:
        if is_model(runs[role]):
            if fingerprint(load_codec(runs[role])) != fingerprint(parts["codec"]):
                raise UserError(f"--{role} {runs[role]}: works on another codec's latents; give --codec {runs[role]}")
        else:
            check_latents(runs[role], fingerprint(parts["codec"]), "--codec")
    config = configuration(runs)
    config["samplers"] |= samplers or {}
    for role, run in runs.items():
        if role == "tracker":
            shipped = load_model(run).tracker if is_model(run) else None
            parts[role] = shipped or read_run(run, "tracker.", build_tracker(config["tracker"], trusted=True))
        elif role != "codec":
            form = Denoiser if role == "teacher" else ConsistencyDenoiser
            parts[role] = read_run(run, "denoiser.", form(build_part(config["net"], trusted=True)))
    with whole_folder(out) as folder:
        for name, part in parts.items():
            save_weights(part, folder / f"{name}.safetensors")
        (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
        (folder / "README.md").write_text(card(out, config, parts, runs))
        load_model(folder)


def is_model(source: Path) -> bool:
    """Whether this is a model folder, not a training run."""
    return source.is_dir() and "denoisers" in run_config(source)


def check_role(role: str, run: Path) -> None:
    """UserError when a run did not train what it is given for."""
    config = run_config(run.parents[1] if run.is_file() else run)
    if is_model(run) and (role == "codec" or (role == "tracker" and "tracker" in config)):
        return
    kind = kind_of(config.get("module", {}))
    if kind in ("paper", "coherence") and kind != role:
        raise UserError(f"{run} holds {ROLES[kind]}; its command is `{export_command(run, config['module'])}`")
    if kind != role:
        found = f"{ROLES[kind]}: give it as --{kind}" if kind else "something else"
        raise UserError(f"--{role} {run}: this needs {ROLES[role]}, and the run holds {found}")


def check_teacher(student: Path, teacher: Path) -> None:
    """UserError when a student was distilled from another teacher: it has that one's network, masks and latents."""
    own = Path(run_config(student)["module"]["teacher"])
    if not own.exists():
        log.warning("%s was distilled from %s, which is not there: not compared with %s", student, own, teacher)
    elif own.resolve() != teacher.resolve():
        raise UserError(f"{student} was distilled from {own}; give --teacher {own}, not {teacher}")


def configuration(runs: dict[str, Path]) -> dict:
    """The model folder's config.yaml: its parts, and the samplers that their weights can serve."""
    teacher = run_config(runs["teacher"])
    conditioner = instantiate(teacher["module"]["conditioner"], _convert_="all")
    forms = {"teacher": "edm", "student": "consistency"}
    denoisers = {name: {"form": form, "sigma_data": 1.0} for name, form in forms.items() if name in runs}
    known = samplers_of(isinstance(conditioner.draw, PlayingDraw))
    samplers = {name: dict(values) for name, values in known.items() if values["denoiser"] in denoisers}
    if not conditioner.cond_dropout:  # neither guided nor asked which answer fits best: it always had its condition
        samplers = {name: values for name, values in samplers.items() if "candidates" not in values}
        for values in samplers.values():
            values.pop("guidance", None)
    config = {
        "codec": codec_config(runs["codec"]),
        "net": teacher["module"]["net"],
        "denoisers": denoisers,
        "samplers": samplers,
        "sampler": "student_3" if "student_3" in samplers else next(iter(samplers)),
        "frames": teacher["data"]["frames"],
        "longest_step": getattr(conditioner.draw, "longest_step", PlayingDraw.longest_step),
        "sample_rate": SAMPLE_RATE,
    }
    if teacher["data"].get("stems"):
        config["stems"] = teacher["data"]["stems"]
    config["monophonic"] = [stem for stem in config.get("stems", STEMS) if stem in MONOPHONIC]
    if "tracker" in runs:
        source = run_config(runs["tracker"])
        config["tracker"] = source["tracker"] if "tracker" in source else source["module"]["tracker"]
    return config


def refuse_folder(out: Path) -> None:
    """UserError when there is something where a folder is to be written."""
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise UserError(f"{out} exists already; choose another place, or remove that folder")


def export_paper(out: Path, source: Path, samplers: Sequence[str] = ()) -> None:
    """Make a model folder of a run of experiment=paper_..., of its last checkpoint or of the one that is named."""
    run, checkpoint = (source.parents[1], source) if source.is_file() else (source, source / "checkpoints" / "last.ckpt")
    facts = run_facts(run)
    told = [f"trained for {facts.steps:,} steps on {facts.data} by `{facts.command}`", f"code: {facts.code}"]
    weights = package_weights()
    codec = None if weights is None else Music2Latent(weights)
    remark = f"This folder {WEIGHTS_MISSING}" if weights is None else "Its weights are in codec.safetensors"
    convert(checkpoint, out, codec, remark, samplers, told)


def read_samplers(path: Path | None) -> dict[str, dict]:
    """Further samplers from a YAML file, settings by name. Raises UserError on anything else."""
    if path is None:
        return {}
    needed = {"denoiser", "function", "steps", "sigma_min", "sigma_max", "rho"}
    try:
        found = yaml.safe_load(path.read_text())
        if not all(needed <= values.keys() for values in found.values()):
            raise ValueError(f"each needs {', '.join(sorted(needed))}")
    except (OSError, yaml.YAMLError, AttributeError, ValueError) as error:
        raise UserError(f"--samplers {path}: no settings of samplers by name ({error})") from error
    return found


def run_command(options: argparse.Namespace) -> None:
    refuse_folder(options.out)
    alone = [kind for kind in ("paper", "coherence") if getattr(options, kind) is not None]
    runs = {role: getattr(options, role) for role in ("codec", "teacher", "student", "tracker")}
    runs = {role: run for role, run in runs.items() if run is not None}
    if len(alone) + bool(runs) != 1 or (runs and not {"codec", "teacher"} <= runs.keys()):
        raise UserError("give --codec and --teacher, or --paper, or --coherence; `--help` shows all three")
    if runs:
        export(options.out, runs, read_samplers(options.samplers))
    else:
        check_role(alone[0], getattr(options, alone[0]))
        export_paper(options.out, options.paper) if options.paper else write_folder(options.coherence, options.out)
    how = "score with it by `python evaluate.py coherence=" if options.coherence else "play it with `python serve.py --model "
    log.info("wrote %s; %s%s`", options.out, how, options.out)


def main(argv: Sequence[str] | None = None) -> int:
    parser = parser_of(__doc__)
    parser.add_argument("out", type=Path, help="the model folder to write, e.g. models/mine")
    parser.add_argument("--codec", type=Path, help="a run of experiment=notes, or a model folder")
    parser.add_argument("--teacher", type=Path, help="a run of experiment=planned")
    parser.add_argument("--student", type=Path, help="a run of experiment=student_matching, distilled from this teacher")
    parser.add_argument(
        "--tracker",
        type=Path,
        help="a run of experiment=living_tracker, or a model folder; without one the model has no beat of its own",
    )
    parser.add_argument("--samplers", type=Path, metavar="FILE.yaml", help="settings of further samplers, by name")
    parser.add_argument("--paper", type=Path, help="a run of experiment=paper_..., or one of its checkpoints")
    parser.add_argument("--coherence", type=Path, help="a run of experiment=coherence")
    return command(parser, argv, run_command)


if __name__ == "__main__":
    sys.exit(main())
