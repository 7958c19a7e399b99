"""The metrics that there are: the modules of this package, found by name."""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

from accomp import metrics
from accomp.errors import UserError
from accomp.metrics.contract import Column


@cache
def modules() -> dict[str, ModuleType]:
    """Every module of the package with something for the tables, by name."""
    found = {info.name: import_module(f"{metrics.__name__}.{info.name}") for info in iter_modules(metrics.__path__)}
    return {name: module for name, module in found.items() if hasattr(module, "COLUMNS")}


def find(name: str) -> ModuleType:
    """The module of a metric of excerpts. Raises UserError with the names of all when there is none."""
    known = [other for other, module in modules().items() if hasattr(module, "make_metric")]
    if name not in known:
        raise UserError(f"metrics={name}: choose among {', '.join(known)}")
    return modules()[name]


def columns() -> dict[str, Column]:
    """Every column by the name of its number; those of `fad` and `kad` stand for all embeddings."""
    return {column.name: column for module in modules().values() for column in module.COLUMNS}
