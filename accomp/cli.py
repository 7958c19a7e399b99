"""Running a script from a composed configuration: one clear line when something in it is wrong."""

import errno
import functools
import logging
import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, InstantiationException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException
from submitit.core.utils import UncompletedJobError

from accomp import launch, trials
from accomp.compose import CONF, explain, own_groups
from accomp.disk import watched
from accomp.errors import UserError

log = logging.getLogger(__name__)

UNWRITABLE = (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR)


def run(task: Callable[[DictConfig], object], script: str) -> int:
    """Compose conf/<script>.yaml with the command line and run `task` on it; the exit status.

    Mistakes that a user can mend (a misspelt setting, `UserError`, a full disk) become one line and status 2.
    """
    quieten()
    if "--help" in sys.argv or "-h" in sys.argv:
        groups = ", ".join(sorted(p.name for p in CONF.iterdir() if p.is_dir()))
        doc = sys.modules["__main__"].__doc__
        sys.stdout.write(f"{doc}\nGroups in conf/: {groups}. `--cfg job` shows the composed configuration.\n")
        return 0
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # let composition errors reach the handlers below
    paths = filter(None, (str(CONF.parent), os.environ.get("PYTHONPATH")))
    os.environ["PYTHONPATH"] = os.pathsep.join(paths)  # of jobs
    sys.argv[1:] = own_groups(sys.argv[1:], script)
    guarded = Guarded(task)
    try:
        hydra.main(version_base="1.3", config_path=str(CONF), config_name=script)(guarded)()
    except (HydraException, OmegaConfBaseException) as error:
        sys.stderr.write(f"error: {explain(error, script, sys.argv[1:])}\n")
        return 2
    except UncompletedJobError as error:
        sys.stderr.write(f"error: a trial ended without an answer: it was killed, or left the queue. {error}\n")
        return 1
    except OSError as error:
        if guarded.begun:
            raise
        sys.stderr.write(f"error: {unwritable(error)}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("\nstopped; the same command goes on from here\n")
        return 130
    return 2 if guarded.mistaken else 0


def quieten() -> None:
    """Say what this program logs, and of its libraries only what concerns the user."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.raiseExceptions = False  # a log file on a full disk must not end the run
    for noisy in ("lightning.pytorch.utilities.rank_zero", "httpx"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # Lightning gives this advice on every machine that has Slurm, to whatever is started without it.
    warnings.filterwarnings("ignore", "The `srun` command is available")


class Guarded:
    """A task that says a user's mistake in one line, and records in status.json why a run did not begin or failed.

    A trial of a sweep gets the folder that Hydra made for it as its `out_dir`; if it fails, the others go on.
    """

    def __init__(self, task: Callable[[DictConfig], object]):
        self.task, self.begun, self.mistaken = task, False, False
        functools.update_wrapper(self, task)

    def __call__(self, config: DictConfig) -> object:  # Hydra would print a preamble of its own around what escapes
        if in_sweep():
            config.out_dir = HydraConfig.get().runtime.output_dir
        out, self.begun = Path(config.out_dir), True
        try:
            with watched(out):
                return self.task(config)
        except UserError as error:
            self.refuse(out, str(error) + elsewhere(str(error)))
        except Exception as error:  # whatever it is, it must not take the other trials with it
            if isinstance(error, OSError) and error.errno in UNWRITABLE:
                self.refuse(out, unwritable(error))
                return None
            record_failure(out, trials.reason_of(error))
            if not in_sweep():
                raise
            log.exception("this trial failed; the sweep goes on")
        return None

    def refuse(self, out: Path, message: str) -> None:
        """Say in one line what the user can mend."""
        self.mistaken = True
        record_failure(out, message)
        sys.stderr.write(f"error: {message}\n")


def record_failure(out: Path, reason: str) -> None:
    """Record that a run failed, unless its folder holds another one that is done or that another process works on."""
    done = not in_sweep() and trials.read_status(out).get("state") == "done"
    if launch.rank() != 0 or done or launch.is_being_written(out):
        return
    try:
        trials.write_status(out, "failed", reason=" ".join(reason.split())[:500])
    except OSError as error:
        log.error("%s: how the run ended could not be recorded (%s)", out, error)


def unwritable(error: OSError) -> str:
    """What to do when a file of the run could not be written."""
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}cannot be written ({os.strerror(error.errno)}); choose another place with out_dir=..."


def elsewhere(message: str) -> str:
    """Where to run the command, when it failed for a relative path that exists in the top folder and not here."""
    top = CONF.parent
    words = (word.strip(",:;()'\"`") for word in message.split())
    paths = (Path(word) for word in words if "/" in word and not word.startswith("/"))
    missed = next((path for path in paths if not path.exists() and (top / path).exists()), None)
    return "" if missed is None else f". There is a {missed} in {top}: run the command in that folder"


def in_sweep() -> bool:
    """Whether this is one trial of several (`-m`)."""
    return HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN


def build(node: DictConfig, **more: object) -> object:
    """Make the object that a configuration describes; a `UserError` in the making comes out as itself."""
    try:
        return hydra.utils.instantiate(node, **more, _convert_="all")
    except InstantiationException as error:
        cause = error.__cause__
        reason = " ".join(str(cause).split())
        if isinstance(cause, UserError):
            raise cause from None
        if isinstance(cause, ModuleNotFoundError):
            raise UserError(f"{node._target_} needs a package that is not installed here: {reason}") from error
        if type(cause).__name__ == "MisconfigurationException":  # of Lightning, e.g. that there is no GPU
            raise UserError(f"{node._target_}: {reason} (trainer=cpu needs no GPU)") from error
        raise
