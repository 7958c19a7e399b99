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
from hydra.errors import HydraException, InstantiationException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from accomp.errors import UserError

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
    mistakes: list[UserError] = []

    @functools.wraps(task)
    def guarded(config: DictConfig) -> object:  # Hydra would print a preamble of its own around what escapes
        try:
            return task(config)
        except UserError as error:
            mistakes.append(error)
            sys.stderr.write(f"error: {error}\n")

    try:
        hydra.main(version_base="1.3", config_path=str(CONF), config_name=config_name)(guarded)()
    except (HydraException, OmegaConfBaseException) as error:
        sys.stderr.write(f"error: {explain(error, config_name)}\n")
        return 2
    return 2 if mistakes else 0


def build(node: DictConfig) -> object:
    """Make the object that a configuration describes; a `UserError` in the making comes out as itself."""
    try:
        return hydra.utils.instantiate(node, _convert_="all")
    except InstantiationException as error:
        if isinstance(error.__cause__, UserError):
            raise error.__cause__ from None
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
