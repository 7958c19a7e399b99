"""Many runs side by side: how each one ended, and one table of them all.

    python -m accomp.trials out/train/diffusion

reads every run below the folder and writes trials.csv into it: one line per run, with the settings in which the runs
differ, how it ended and its last figures. If the runs are evaluations, their scores are joined into scores.csv as well.
"""

import argparse
import csv
import json
import logging
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import yaml
from hydra.experimental.callback import Callback as HydraCallback
from omegaconf import DictConfig

from accomp.command_line import command, parser_of
from accomp.disk import write_csv, write_text
from accomp.errors import UserError
from accomp.launch import is_being_written, rank

log = logging.getLogger(__name__)

STATUS = "status.json"


def write_status(folder: Path, state: str, **facts: object) -> None:
    """How a run stands: `running`, `done`, `stopped` or `failed`, with a reason or figures; never a part of the file."""
    write_text(folder / STATUS, json.dumps({"state": state, **facts}, indent=1) + "\n")


@contextmanager
def recorded(folder: Path) -> Iterator[dict]:
    """Record in status.json that a run is running, and how it ended: `done`, with what was put into the dict; `stopped`
    by a signal; or `failed`. Only the first process of a run writes.
    """
    write = write_status if rank() == 0 else lambda *_, **__: None
    write(folder, "running")
    facts: dict = {}
    try:
        yield facts
    except BaseException as error:
        stopped = isinstance(error, SystemExit | KeyboardInterrupt)
        try:
            write(folder, "stopped" if stopped else "failed", reason=reason_of(error))
        except OSError as full:  # the disk may be the very reason
            log.error("%s: how the run ended could not be recorded (%s)", folder, full)
        raise
    write(folder, "done", **facts)


def reason_of(error: BaseException) -> str:
    """Why a run ended, in one line."""
    if isinstance(error, SystemExit) and isinstance(error.code, int) and error.code > 128:
        return signal.Signals(error.code - 128).name
    name = "" if isinstance(error, UserError) else f"{type(error).__name__}: "
    return " ".join(f"{name}{error}".split())[:500]


def read_status(folder: Path) -> dict:
    """What `write_status` wrote last; {} when it wrote nothing."""
    try:
        return json.loads((folder / STATUS).read_text())
    except FileNotFoundError:
        return {}


def state(folder: Path) -> str:
    """`done`, `failed`, `running`, or `stopped`: begun, not ended, and no process works on it."""
    said = read_status(folder).get("state", "done" if (folder / "scores.csv").is_file() else "running")
    return "stopped" if said == "running" and not is_being_written(folder) else said


def flat(node: object, prefix: str = "") -> dict[str, object]:
    """A nested configuration as {dotted key: value}."""
    if not isinstance(node, dict):
        return {prefix: node}
    return {k: v for key, value in node.items() for k, v in flat(value, f"{prefix}.{key}" if prefix else key).items()}


def settings(run: Path) -> dict[str, object]:
    """The settings of a run, flat, without those that only say where it lies."""
    path = run / "config.yaml"
    known = flat(yaml.safe_load(path.read_text())) if path.is_file() else {}
    place = str(known.pop("out_dir", run))
    return {key: value for key, value in known.items() if place not in str(value)}


def compare(folder: Path) -> list[dict]:
    """A line per run below a folder: its name, state, the settings that are not the same in all, figures and reason."""
    runs = sorted({path.parent for name in ("config.yaml", STATUS) for path in folder.rglob(name)} - {folder})
    if not runs:
        raise UserError(f"{folder}: no runs below this folder")
    chosen = {run: settings(run) for run in runs}
    keys = dict.fromkeys(key for one in chosen.values() for key in one)
    varied = [key for key in keys if len({str(one.get(key)) for one in chosen.values() if one}) > 1]
    lines = []
    for run, one in chosen.items():
        status = read_status(run)
        line = {"run": run.relative_to(folder).as_posix(), "state": state(run)}
        line |= {key: one.get(key) for key in varied} | status.get("figures", {})
        lines.append(line | {"reason": status.get("reason")})
    return lines


def join_scores(folder: Path, lines: Sequence[dict]) -> list[dict]:
    """Every line of every run's scores.csv, with the run and its varied settings in front."""
    joined = []
    for line in lines:
        path = folder / line["run"] / "scores.csv"
        if path.is_file():
            about = {key: value for key, value in line.items() if key not in ("state", "reason")}
            with path.open(newline="") as file:
                joined += [about | score for score in csv.DictReader(file)]
    return joined


def write_table(path: Path, lines: Sequence[dict]) -> None:
    """Write lines as CSV, with a column for every key that any of them has."""
    write_csv(path, list(dict.fromkeys(key for line in lines for key in line)), lines)


class TableAfterSweep(HydraCallback):
    """Writes the table when a sweep's command ends, and makes it end with status 1 when a trial failed."""

    def on_multirun_end(self, config: DictConfig, **_) -> None:
        folder = Path(config.hydra.sweep.dir)
        lines = write_tables(folder)
        failed = [line["run"] for line in lines if line["state"] != "done"]
        log.info("%d of %d trials are done; %s", len(lines) - len(failed), len(lines), folder / "trials.csv")
        if failed:
            log.error("not done: %s", ", ".join(failed))
            raise SystemExit(1)


def write_tables(folder: Path) -> list[dict]:
    """Write trials.csv, and scores.csv if there are scores, into a folder of runs; the lines of trials.csv."""
    lines = compare(folder)
    write_table(folder / "trials.csv", lines)
    if scores := join_scores(folder, lines):
        write_table(folder / "scores.csv", scores)
    return lines


def show(options: argparse.Namespace) -> None:
    """Write the tables and print that of the runs."""
    write_tables(options.folder)
    sys.stdout.write((options.folder / "trials.csv").read_text())


def main(argv: Sequence[str] | None = None) -> int:
    parser = parser_of(__doc__)
    parser.add_argument("folder", type=Path, help="a folder of runs, e.g. of a sweep")
    return command(parser, argv, show)


if __name__ == "__main__":
    sys.exit(main())
