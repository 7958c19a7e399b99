"""Gathers training runs (folders with config.yaml and checkpoints/last.ckpt) into a model folder that `serve.py` plays.

python -m accomp.export OUT_DIR --codec RUN --teacher RUN [--student RUN] [--tracker RUN]
"""

import argparse
import logging
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import yaml
from hydra.utils import instantiate
from safetensors.torch import save
from torch import nn

from accomp.beat.tracker import Tracker
from accomp.diffusion.precond import ConsistencyDenoiser, Denoiser
from accomp.disk import write_whole
from accomp.errors import UserError
from accomp.parts import build_part
from accomp.training_run import codec_config, load_codec, read_run, run_config
from accomp.window import PlayingDraw

log = logging.getLogger(__name__)

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
# For the masks of `PaperDraw`, under which the network is not told what is known.
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


def save_weights(module: nn.Module, path: Path) -> None:
    """Write a module's weights in half precision."""
    weights = {name: value.detach().half().contiguous().cpu() for name, value in module.state_dict().items()}
    write_whole(path, save(weights))


def gather(out: Path, codec: Path, teacher: Path, student: Path | None, tracker: Path | None) -> None:
    """Put the averaged weights of training runs into a new model folder; it appears whole or not at all."""
    module = run_config(teacher)["module"]
    net, conditioner = build_part(module["net"], trusted=True), instantiate(module["conditioner"], _convert_="all")
    parts = {"codec": load_codec(codec), "teacher": read_run(teacher, "denoiser.", Denoiser(net))}
    denoisers = {"teacher": {"form": "edm", "sigma_data": 1.0}}
    known = DEFAULT_SAMPLERS if isinstance(conditioner.draw, PlayingDraw) else REPLACEMENT
    if not conditioner.cond_dropout:  # a teacher trained with its condition at all times cannot be guided
        known = {name: {key: value for key, value in s.items() if key != "guidance"} for name, s in known.items()}
    if student is not None:
        parts["student"] = read_run(student, "denoiser.", ConsistencyDenoiser(build_part(module["net"], trusted=True)))
        denoisers["student"] = {"form": "consistency", "sigma_data": 1.0}
    config = {
        "codec": codec_config(codec),
        "net": module["net"],
        "denoisers": denoisers,
        "samplers": {name: s for name, s in known.items() if s["denoiser"] in denoisers},
        "sampler": "student_2" if student is not None else next(iter(known)),
        "frames": run_config(teacher)["data"]["frames"],
        "longest_step": getattr(conditioner.draw, "longest_step", PlayingDraw.longest_step),
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
