"""Running a script from a composed configuration: one clear line when something in it is wrong."""

import functools
import logging
import os
import sys
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
from accomp.errors import UserError

log = logging.getLogger(__name__)


def run(task: Callable[[DictConfig], object], script: str) -> int:
    """Compose conf/<script>.yaml with the command line and run `task` on it; the exit status.

    Mistakes that a user can mend (a misspelt key or group, `UserError`) become one line and status 2.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    for noisy in ("lightning.pytorch.utilities.rank_zero", "httpx"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    if "--help" in sys.argv or "-h" in sys.argv:
        groups = ", ".join(sorted(p.name for p in CONF.iterdir() if p.is_dir()))
        doc = sys.modules["__main__"].__doc__
        sys.stdout.write(f"{doc}\nGroups in conf/: {groups}. `--cfg job` shows the composed configuration.\n")
        return 0
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # let composition errors reach the handler below
    os.environ["PYTHONPATH"] = os.pathsep.join(
        filter(None, (str(CONF.parent), os.environ.get("PYTHONPATH")))
    )  # of jobs
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
    return 2 if guarded.mistaken else 0


class Guarded:
    """A task that says a user's mistake in one line; in a sweep, a trial that fails is recorded and the others go on.

    A trial of a sweep gets the folder that Hydra made for it as its `out_dir`.
    """

    def __init__(self, task: Callable[[DictConfig], object]):
        self.task, self.mistaken = task, False
        functools.update_wrapper(self, task)

    def __call__(self, config: DictConfig) -> object:  # Hydra would print a preamble of its own around what escapes
        if in_sweep():
            config.out_dir = HydraConfig.get().runtime.output_dir
        try:
            return self.task(config)
        except UserError as error:
            self.mistaken = True
            sys.stderr.write(f"error: {error}\n")
            self.record(config, str(error))
        except Exception as error:  # whatever it is, it must not take the other trials with it
            if not in_sweep():
                raise
            log.exception("this trial failed; the sweep goes on")
            self.record(config, f"{type(error).__name__}: {error}")
        return None

    def record(self, config: DictConfig, reason: str) -> None:
        if in_sweep() and launch.rank() == 0:
            trials.write_status(Path(config.out_dir), "failed", reason=" ".join(reason.split())[:500])


def in_sweep() -> bool:
    """Whether this is one trial of several (`-m`)."""
    return HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN


def build(node: DictConfig) -> object:
    """Make the object that a configuration describes; a `UserError` in the making comes out as itself."""
    try:
        return hydra.utils.instantiate(node, _convert_="all")
    except InstantiationException as error:
        if isinstance(error.__cause__, UserError):
            raise error.__cause__ from None
        if isinstance(error.__cause__, ModuleNotFoundError):
            reason = " ".join(str(error.__cause__).split())
            raise UserError(f"{node._target_} needs a package that is not installed here: {reason}") from error
        raise
