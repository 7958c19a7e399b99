"""Runs a whole chain of trainings, from the data to a model folder, and says how long it takes and how much disk it needs.

    python -m accomp.recipe live                                     # accomp/recipes/live.yaml, stage by stage
    python -m accomp.recipe live --plan                              # only the table: stages, hours, GB
    python -m accomp.recipe slakh --measure                          # the hours, from a few steps of every training
    python -m accomp.recipe slakh --slurm='--gpus=1 --time=2-0'      # as Slurm jobs, each after the one before

The same command goes on where it stopped: stages that are done are left out, and a training resumes from its last checkpoint.
`--set name=value ...` adds settings to every training. What was measured lies in out/recipe/NAME/hours.json.
"""

import argparse
import csv
import json
import logging
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from accomp.command_line import command, parser_of
from accomp.compose import compose
from accomp.disk import need, write_text
from accomp.errors import UserError
from accomp.trials import read_status

log = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parent.parent
RECIPES = Path(__file__).resolve().parent / "recipes"
STEPS = 30  # of a training, to measure how fast it goes


@dataclass(frozen=True)
class Stage:
    """One command of the chain: what it writes last, how many GB that takes, and its hours, guessed or measured."""

    name: str
    words: tuple[str, ...]
    done: Path
    gb: float
    hours: float | None = None

    @property
    def trains(self) -> bool:
        return "train.py" in self.words


@dataclass(frozen=True)
class Recipe:
    """The stages of a chain in their order, and the folder in which its progress is noted."""

    name: str
    folder: Path
    stages: tuple[Stage, ...]

    def is_done(self, stage: Stage) -> bool:
        """Whether a stage ended well: by this program, or before it was asked, as its product shows (a path that may
        have wildcards), and for a training the state of its run.
        """
        begun, ended = (self.folder / f"{stage.name}.{state}" for state in ("begun", "ended"))
        whole = not stage.trains or read_status(ROOT / stage.done.parents[1]).get("state", "done") == "done"
        return ended.is_file() or (not begun.is_file() and whole and any(ROOT.glob(str(stage.done))))

    def left(self) -> list[Stage]:
        return [stage for stage in self.stages if not self.is_done(stage)]


def read_recipe(name: str, settings: Sequence[str]) -> Recipe:
    """The recipe of this name, its trainings with these settings. Raises UserError when there is none."""
    path = RECIPES / f"{name}.yaml"
    known = sorted(other.stem for other in RECIPES.glob("*.yaml"))
    if name not in known:
        raise UserError(f"recipe {name}: choose one of {', '.join(known)}")
    folder = ROOT / "out" / "recipe" / name
    measured = json.loads((folder / "hours.json").read_text()) if (folder / "hours.json").is_file() else {}
    stages = []
    for stage, values in yaml.safe_load(path.read_text())["stages"].items():
        words = tuple(shlex.split(values["run"].format(settings=shlex.join(settings))))
        hours = measured.get(stage, values.get("hours"))
        stages.append(Stage(stage, words, Path(values["done"]), values["gb"], hours))
    return Recipe(name, folder, tuple(stages))


def table(recipe: Recipe) -> str:
    """The stages with their state, hours and GB, and what is left of both."""
    left = recipe.left()
    rows = [("stage", "state", "hours", "GB")]
    for stage in recipe.stages:
        hours = "unknown" if stage.hours is None else f"{stage.hours:.2f}"
        rows.append((stage.name, "left" if stage in left else "done", hours, f"{stage.gb:g}"))
    unknown = [stage.name for stage in left if stage.hours is None]
    total = f"{sum(stage.hours or 0 for stage in left):.1f}" + " and unknown ones" * bool(unknown)
    rows.append(("left", "", total, f"{sum(stage.gb for stage in left):g}"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)


def run(recipe: Recipe, stage: Stage) -> None:
    """Run a stage to its end. Raises UserError when it fails; what it needs of the disk is looked at before."""
    need(ROOT, int(stage.gb * 1e9))
    write_text(recipe.folder / f"{stage.name}.begun", shlex.join(stage.words) + "\n")
    log.info("%s: %s", stage.name, shlex.join(stage.words))
    begun = time.monotonic()
    status = call(stage.words)
    if status:
        raise UserError(f"stage {stage.name} ended with status {status}; the same command goes on from it")
    hours = (time.monotonic() - begun) / 3600
    write_text(recipe.folder / f"{stage.name}.ended", f"{hours:.3f} hours\n")


def call(words: Sequence[str]) -> int:
    """The exit status of a command of this checkout, by this Python."""
    return subprocess.run([sys.executable, *words[1:]], cwd=ROOT).returncode


def measure(recipe: Recipe) -> dict[str, float]:
    """Hours of every training that can begin, from a few steps of it; those that cannot yet are named in the log."""
    path = recipe.folder / "hours.json"
    hours = json.loads(path.read_text()) if path.is_file() else {}
    for stage in recipe.stages:
        if not stage.trains:
            continue
        out = recipe.folder / "measure" / stage.name
        short = [f"steps={STEPS}", f"out_dir={out}", "trainer.log_every_n_steps=10", "callbacks.play=null"]
        if call([*stage.words, *short]):
            log.warning("%s cannot be measured yet: what it needs is not there", stage.name)
            continue
        config = yaml.safe_load((out / "config.yaml").read_text())
        steps = compose("train", stage.words[2:]).steps
        excerpts = steps * config["data"]["batch_size"] * config["trainer"].get("accumulate_grad_batches", 1)
        hours[stage.name] = excerpts / rate(out) / 3600
        log.info("%s: %.2f hours for %d steps", stage.name, hours[stage.name], steps)
        write_text(path, json.dumps(hours, indent=1) + "\n")
    return hours


def rate(run: Path) -> float:
    """Excerpts per second of a run, the last that it logged."""
    lines = [line for path in sorted(run.glob("csv/*/metrics.csv")) for line in csv.DictReader(path.open(newline=""))]
    rates = [float(line["speed/excerpts_per_s"]) for line in lines if line.get("speed/excerpts_per_s")]
    if not rates:
        raise UserError(f"{run}: did not log how fast it trained; remove it and measure again")
    return rates[-1]


def submit(recipe: Recipe, options: Sequence[str], settings: Sequence[str] = ()) -> list[str]:
    """Give every stage that is left to Slurm, each after the one before; the numbers of the jobs."""
    jobs: list[str] = []
    for stage in recipe.left():
        after = [f"--dependency=afterok:{jobs[-1]}"] if jobs else []
        more = ["--set", *settings] if settings else []
        inner = shlex.join([sys.executable, "-m", "accomp.recipe", recipe.name, "--only", stage.name, *more])
        words = ["sbatch", "--parsable", f"--job-name={recipe.name}-{stage.name}", *after, *options, "--wrap", inner]
        try:
            done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
        except FileNotFoundError as error:
            raise UserError("sbatch is not here: leave --slurm out to run the stages on this machine") from error
        except subprocess.CalledProcessError as error:
            raise UserError(f"sbatch: {' '.join(error.stderr.split())}") from error
        jobs.append(done.stdout.strip().partition(";")[0])
        log.info("%s: job %s", stage.name, jobs[-1])
    return jobs


def follow(options: argparse.Namespace) -> None:
    """Do what was asked; with a name alone, run what is left."""
    recipe = read_recipe(options.name, options.set)
    if options.only is not None and options.only not in [stage.name for stage in recipe.stages]:
        raise UserError(f"--only {options.only}: the stages are {', '.join(stage.name for stage in recipe.stages)}")
    if options.measure:
        measure(recipe)
        recipe = read_recipe(options.name, options.set)
    log.info("%s", table(recipe))
    if options.plan or options.measure:
        return
    if options.slurm is not None:
        submit(recipe, shlex.split(options.slurm), options.set)
        return
    for stage in recipe.left():
        if options.only in (None, stage.name):
            run(recipe, stage)


def main(argv: Sequence[str] | None = None) -> int:
    parser = parser_of(__doc__)
    parser.add_argument("name", help="of a file in accomp/recipes, e.g. live or slakh")
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="settings of every training")
    parser.add_argument("--plan", action="store_true", help="only show the stages, their hours and GB")
    parser.add_argument("--measure", action="store_true", help=f"train {STEPS} steps of each stage for its hours")
    parser.add_argument("--only", metavar="STAGE", help="only this stage")
    parser.add_argument("--slurm", nargs="?", const="", metavar="OPTIONS", help="as dependent Slurm jobs, with these options")
    return command(parser, argv, follow)


if __name__ == "__main__":
    sys.exit(main())
