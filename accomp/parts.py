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


def part_class(values: dict, trusted: bool = False) -> type[nn.Module]:
    """The class that `_target_` names."""
    target = str(values.get("_target_"))
    module, _, name = target.rpartition(".")
    if not trusted and not module.startswith("accomp."):
        raise UserError(f"_target_: {target} is not part of accomp; a model folder may name nothing else")
    try:
        kind = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(f"_target_: {target} is not there ({error})") from error
    if not (isinstance(kind, type) and issubclass(kind, nn.Module)):
        raise UserError(f"_target_: {target} is neither a network nor a codec")
    return kind
