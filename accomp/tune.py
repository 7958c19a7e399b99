"""Search for good settings: each trial learns from those before it, however many workers share the search.

    python -m accomp.tune out/tune/rate --trials 30 experiment=planned steps=5000 \\
        'module.learning_rate=tag(log,interval(1e-4,3e-3))' 'module.net.layers=choice(4,6,8)' 'data.batch_size=range(8,33,8)'

asks Optuna for the values that are written as a range, trains with them and tells it the objective. Start the same
command as often as you like, on as many machines as share the folder: a Slurm array of it is a parallel search. Trials
whose worker died are taken up again by another, from their last checkpoint. What is known lies in FOLDER/journal.log.

Optuna's heartbeat is not used: it needs an SQL database, which SQLite is not on a folder shared over a network, and takes a
dead worker for a living one until a grace period is over. The lock on a run's folder shows at once who works on it.
"""

import argparse
import csv
import fcntl
import logging
import math
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import optuna
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, Override, RangeSweep
from hydra.errors import HydraException
from optuna import pruners, samplers
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, Trial, TrialState

from accomp.command_line import command, parser_of
from accomp.compose import quoted
from accomp.errors import UserError
from accomp.launch import is_being_written, only_writer
from accomp.trials import read_status

log = logging.getLogger(__name__)

LOOK_S = 5.0  # between two looks at what a training has logged
ROOT = Path(__file__).resolve().parent.parent


def space(overrides: Sequence[str]) -> tuple[list[str], dict[str, BaseDistribution]]:
    """Overrides in Hydra's grammar: those that say one value, and what the others may be."""
    fixed, free = [], {}
    try:
        parsed = OverridesParser.create().parse_overrides(list(overrides))
    except HydraException as error:
        raise UserError(" ".join(str(error).split())) from error
    for text, override in zip(overrides, parsed, strict=True):
        if override.is_sweep_override():
            free[override.get_key_element()] = distribution(override)
        else:
            fixed.append(text)
    if not free:
        raise UserError("nothing to search: write a setting as interval(a,b), range(a,b) or choice(a,b,...)")
    return fixed, free


def distribution(override: Override) -> BaseDistribution:
    """interval(a,b), range(a,b,step) (b itself is not in it) or choice(a,b,...) as Optuna has it; tag(log,...) by ratios."""
    sweep = override.value()
    if isinstance(sweep, ChoiceSweep):
        return CategoricalDistribution([str(element) for element in override.sweep_string_iterator()])
    if isinstance(sweep, IntervalSweep):
        whole = isinstance(sweep.start, int) and isinstance(sweep.end, int)
        return (IntDistribution if whole else FloatDistribution)(sweep.start, sweep.end, log="log" in sweep.tags)
    if isinstance(sweep, RangeSweep) and all(isinstance(v, int) for v in (sweep.start, sweep.stop, sweep.step)):
        last = sweep.start + (sweep.stop - 1 - sweep.start) // sweep.step * sweep.step
        return IntDistribution(sweep.start, last, step=sweep.step)
    raise UserError(
        f"{override.input_line}: write interval(a,b), int(interval(a,b)), range(a,b) in whole numbers, or choice(a,b,...)"
    )


@contextmanager
def turn(folder: Path) -> Iterator[None]:
    """One worker at a time asks, so that a trial that was just given out is never taken for an abandoned one."""
    with (folder / ".turn").open("w") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        yield


def reap(study: optuna.Study, folder: Path) -> None:
    """Close trials that nobody works on, and queue their values again, to go on from what they had reached."""
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if not is_being_written(worker_folder(folder, trial)):
            log.info("trial %d was abandoned; its values are tried again", trial.number)
            study.enqueue_trial(trial.params, user_attrs={"run": run_folder(folder, trial).name})
            study.tell(trial.number, state=TrialState.FAIL)


def run_folder(folder: Path, trial: Trial | FrozenTrial) -> Path:
    """Where a trial trains: a folder of its own, or that of the abandoned one that it continues."""
    return folder / str(trial.user_attrs.get("run", trial.number))


def worker_folder(folder: Path, trial: Trial | FrozenTrial) -> Path:
    return folder / "workers" / str(trial.number)


def train(run: Path, overrides: Sequence[str], objective: str, watch: Callable[[Path], bool] | None = None) -> float:
    """One training in a process of its own; the objective, or UserError with the reason why there is none.

    `watch(run)` is asked every few seconds whether the training should go on; if not, optuna.TrialPruned is raised. A signal
    that stops this worker goes to the training, which saves; then the worker goes as it would have.
    """
    status, figures = finish(run, overrides, watch)
    if status or not math.isfinite(figures.get(objective, math.nan)):
        raise UserError(f"exit status {status}, {objective}={figures.get(objective)}; see {run / 'output.log'}")
    return figures[objective]


def finish(run: Path, overrides: Sequence[str], watch: Callable[[Path], bool] | None = None) -> tuple[int, dict]:
    """Train in a folder: the exit status of train.py, and the figures that it ended with."""
    command = [sys.executable, str(ROOT / "train.py"), *overrides, quoted("out_dir", run)]
    run.mkdir(parents=True, exist_ok=True)
    with (run / "output.log").open("a") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
        stopped = []

        def stop(number: int, frame: object) -> None:
            stopped.append(number)
            process.send_signal(number)

        before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
        pruned = False
        try:
            while (status := _wait(process)) is None:
                if watch is not None and not pruned and not watch(run):
                    pruned = True
                    process.send_signal(signal.SIGTERM)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
    if stopped:
        raise SystemExit(128 + stopped[0])  # the trial stays open, and the next worker goes on with it
    if pruned:
        raise optuna.TrialPruned
    return status, read_status(run).get("figures", {})


def _wait(process: subprocess.Popen) -> int | None:
    """The exit status of a process that ends within LOOK_S seconds, else None."""
    try:
        return process.wait(LOOK_S)
    except subprocess.TimeoutExpired:
        return None


def goes_on(trial: Trial, objective: str, run: Path) -> bool:
    """Tell Optuna what a training has logged so far; whether it does as well as others did at the same step."""
    for path in sorted(run.glob("csv/*/metrics.csv")):
        with path.open(newline="") as file:
            for line in csv.DictReader(file):
                if line.get(objective) and line.get("step"):
                    trial.report(float(line[objective]), int(line["step"]))
    return not trial.should_prune()


def check_objective(folder: Path, objective: str, overrides: Sequence[str]) -> None:
    """UserError unless a training of one step logs the objective: told before the first trial, not after it."""
    run = folder / "check"
    if read_status(run).get("state") != "done":
        fixed, free = space(overrides)
        lows = [f"{name}={d.choices[0] if isinstance(d, CategoricalDistribution) else d.low}" for name, d in free.items()]
        status, _ = finish(run, [*fixed, *lows, "steps=1", "+trainer.limit_val_batches=1"])
        if status:
            raise UserError(f"one step with {' '.join(lows)} fails: {read_status(run).get('reason')}; see {run}/output.log")
    figures = read_status(run)["figures"]
    if objective not in figures:
        raise UserError(f"--objective {objective}: this training logs {', '.join(figures)}")


def work(study: optuna.Study, folder: Path, trials: int, objective: str, overrides: Sequence[str]) -> None:
    """Ask, train and tell until the study has as many trials as wanted."""
    fixed, free = space(overrides)
    while True:
        with ExitStack() as held:
            with turn(folder):
                reap(study, folder)
                known = study.get_trials(deepcopy=False)
                if sum((t.state != TrialState.WAITING) - ("run" in t.user_attrs) for t in known) >= trials:
                    return
                trial = study.ask(free)
                held.enter_context(only_writer(worker_folder(folder, trial)))
            values = [f"{name}={value}" for name, value in trial.params.items()]
            log.info("trial %d: %s", trial.number, " ".join(values))
            try:
                value = train(run_folder(folder, trial), [*fixed, *values], objective, partial(goes_on, trial, objective))
            except optuna.TrialPruned:
                log.info("trial %d was ended early: others were better at the same step", trial.number)
                study.tell(trial, state=TrialState.PRUNED)
            except UserError as error:
                log.error("trial %d failed: %s", trial.number, error)
                study.tell(trial, state=TrialState.FAIL)
            else:
                log.info("trial %d: %s=%.6g", trial.number, objective, value)
                study.tell(trial, value)


def search(options: argparse.Namespace) -> None:
    """Take part in the search of a folder until it has enough trials; UserError when all of them failed."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space(options.overrides)
    folder = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(
        storage=JournalStorage(JournalFileBackend(str(folder / "journal.log"))),
        study_name="accomp",
        sampler=samplers.RandomSampler() if options.random else samplers.TPESampler(constant_liar=True),
        pruner=pruners.MedianPruner(options.prune_after) if options.prune_after else pruners.NopPruner(),
        load_if_exists=True,
    )
    with turn(folder):
        check_objective(folder, options.objective, options.overrides)
    work(study, folder, options.trials, options.objective, options.overrides)
    ended = {state: len(study.get_trials(deepcopy=False, states=(state,))) for state in TrialState}
    if ended[TrialState.COMPLETE]:
        best = study.best_trial
        log.info("best: trial %d, %s=%.6g, %s", best.number, options.objective, study.best_value, best.params)
    elif not ended[TrialState.RUNNING]:
        raise UserError(f"all {ended[TrialState.FAIL]} trials failed; see {folder}/*/output.log")


def main(argv: Sequence[str] | None = None) -> int:
    parser = parser_of(__doc__)
    parser.add_argument("folder", type=Path, help="of the search; the same folder continues it")
    parser.add_argument("--trials", type=int, required=True, help="how many in all, by all workers together")
    parser.add_argument("--objective", default="val/loss", help="what is to become small (default: val/loss)")
    parser.add_argument("--random", action="store_true", help="draw every value independently of all other trials")
    parser.add_argument("--prune-after", type=int, default=5, metavar="N",
                        help="from the N-th trial on, end those that are worse than half of the others at the same step "
                        "(%(default)s; 0: never)")  # fmt: skip
    parser.add_argument("overrides", nargs="+", help="as for train.py; those with a range are searched")
    return command(parser, argv, search)


if __name__ == "__main__":
    sys.exit(main())
