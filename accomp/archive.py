"""Reads a PyTorch checkpoint as data: PyTorch's restricted unpickler runs no code of the file and loads none of its classes."""

import zipfile
from pathlib import Path
from typing import Any

import torch
from torch.serialization import get_unsafe_globals_in_checkpoint, safe_globals

from accomp.errors import UserError

# A checkpoint names classes; one that names functions of these modules is a program.
PROGRAMS = {"builtins", "ctypes", "importlib", "os", "pickle", "posix", "nt", "runpy", "shutil", "socket", "subprocess", "sys"}
HARMLESS = {f"builtins.{name}" for name in ("object", "slice", "range", "complex", "bytearray", "getattr")}


class StandIn:
    """Takes the place of an object whose class is not loaded: it keeps its attributes and does nothing."""

    def __new__(cls, *_, **__):
        return object.__new__(cls)

    def __init__(self, *_, **__):
        pass

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, dict):
            self.__dict__.update(state)


def read_archive(path: Path) -> tuple[Any, list[str]]:
    """What a checkpoint of PyTorch 1.6 or later holds, and the classes that `StandIn` replaces.

    Tensors stay in the file until they are used. Raises UserError when the file asks to run something, and the errors of
    zipfile, pickle and torch when it is damaged: every byte is held against its checksum.
    """
    with zipfile.ZipFile(path) as archive:
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
            raise zipfile.BadZipFile("it is compressed, which PyTorch never does")
        if damaged := archive.testzip():
            raise zipfile.BadZipFile(f"{damaged} is damaged")
    names = sorted(get_unsafe_globals_in_checkpoint(path))
    for name in names:
        if name.partition(".")[0] in PROGRAMS and name not in HARMLESS:
            raise UserError(f"it asks to run {name}, which no checkpoint needs: nothing was run; delete it")
    stand_ins = [(type("StandIn", (StandIn,), {}), name) for name in names]
    with safe_globals(stand_ins):
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True), names
