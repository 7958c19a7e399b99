"""Networks and codecs made from configurations: `_target_` names the class, the other keys are its arguments."""

import importlib

from torch import nn

from accomp.errors import UserError


def build_part(values: dict, trusted: bool = False) -> nn.Module:
    """The network or codec that a configuration describes.

    Only classes of this package unless `trusted`: a model folder may come from anybody, a training run is the user's own.
    Raises UserError for anything else, and what the class itself raises for wrong arguments.
    """
    kind = part_class(values, trusted)
    return kind(**{name: value for name, value in values.items() if name != "_target_"})


def named(target: str, trusted: bool = False) -> object:
    """What a dotted name stands for. Raises UserError when it is not there, or, unless `trusted`, not of this package."""
    module, _, name = target.rpartition(".")
    if not trusted and not module.startswith("accomp."):
        raise UserError(f"_target_: {target} is not part of accomp; a model folder may name nothing else")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(f"_target_: {target} is not there ({error})") from error


def build_tracker(values: dict, trusted: bool = False) -> nn.Module:
    """The beat tracker that a configuration describes: `accomp.beat.tracker.Tracker` unless it names another class."""
    return build_part({"_target_": "accomp.beat.tracker.Tracker"} | values, trusted)


def part_class(values: dict, trusted: bool = False) -> type[nn.Module]:
    """The class that `_target_` names."""
    target = str(values.get("_target_"))
    kind = named(target, trusted)
    if not (isinstance(kind, type) and issubclass(kind, nn.Module)):
        raise UserError(f"_target_: {target} is neither a network nor a codec")
    return kind
