"""Running a script from a composed configuration: one clear line when something in it is wrong."""

import difflib
import functools
import logging
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, InstantiationException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from submitit.core.utils import UncompletedJobError

from accomp import launch, trials
from accomp.errors import UserError

log = logging.getLogger(__name__)

CONF = Path(__file__).resolve().parent.parent / "conf"


def run(task: Callable[[DictConfig], object], config_name: str) -> int:
    """Compose conf/<config_name>.yaml with the command line and run `task` on it; the exit status.

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
    guarded = Guarded(task)
    try:
        hydra.main(version_base="1.3", config_path=str(CONF), config_name=config_name)(guarded)()
    except (HydraException, OmegaConfBaseException) as error:
        sys.stderr.write(f"error: {explain(error, config_name)}\n")
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


def explain(error: Exception, config_name: str) -> str:
    """One line for a composition error, with the nearest key or option that exists."""
    text = " ".join(str(error).split())
    wrong = re.search(
        r"Key '([^']+)' is not in struct|In '[^']*': Could not find '([^']+)'|Could not override '([^']+)'", text
    )
    if wrong is None:
        return text
    name = next(group for group in wrong.groups() if group)
    near = difflib.get_close_matches(name, known_names(config_name), 1, 0.5)
    return f"{name}: no such setting" + (f"; did you mean {near[0]}?" if near else "; `--cfg job` shows all settings")


def known_names(config_name: str) -> list[str]:
    """Every key of the composed configuration, dotted and bare, and every option of every group, as group/option."""
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        config = hydra.compose(config_name)
    names = {str(path.relative_to(CONF).with_suffix("")) for path in CONF.rglob("*.yaml")}
    pending = [("", config)]
    while pending:
        prefix, node = pending.pop()
        for key in node:
            names.update((str(key), f"{prefix}{key}"))
            value = None if OmegaConf.is_missing(node, key) else node._get_node(key)
            if isinstance(value, DictConfig):
                pending.append((f"{prefix}{key}.", value))
    return sorted(names)
