"""Reads a PyTorch checkpoint as what it says, and runs nothing that it asks for.

A checkpoint is a pickle: a program for a small machine that may call anything. Here it can call nothing. Containers are
rebuilt, tensors are noted and read when they are wanted, and every other object becomes a `StandIn`.
"""

import pickle
import zipfile
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from accomp.errors import UserError

# A checkpoint names classes; one that names these is a program.
PROGRAMS = {
    *(
        "builtins",
        "code",
        "ctypes",
        "importlib",
        "marshal",
        "multiprocessing",
        "nt",
        "os",
        "pdb",
        "pickle",
        "posix",
        "pty",
    ),
    *("runpy", "shutil", "signal", "socket", "subprocess", "sys", "timeit", "webbrowser"),
}
HARMLESS = {"object", "slice", "range", "complex", "bytearray", "getattr"}  # of builtins
PLAIN = {
    ("collections", "OrderedDict"): OrderedDict,
    ("builtins", "set"): set,
    ("builtins", "list"): list,
    ("builtins", "dict"): dict,
    ("builtins", "tuple"): tuple,
    ("builtins", "frozenset"): frozenset,
    ("torch", "Size"): tuple,
}
STORAGES = {
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "DoubleStorage": torch.float64,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


class StandIn:
    """Takes the place of an object whose class we neither have nor want to run: keeps its attributes, does nothing."""

    def __new__(cls, *_, **__):
        return object.__new__(cls)

    def __init__(self, *_, **__):
        pass

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, dict):
            self.__dict__.update(state)

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def append(self, item: Any) -> None:
        pass


@dataclass(frozen=True)
class Stored:
    """A tensor that is still in the file."""

    dtype: torch.dtype
    key: str
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


def _stored(storage: tuple, offset: int, shape: tuple, stride: tuple, *_) -> Stored:
    return Stored(*storage, offset, tuple(shape), tuple(stride))


def _itself(data: Stored, *_) -> Stored:
    return data


class Unpickler(pickle.Unpickler):
    """Rebuilds containers and notes where tensors lie; whatever else the file asks for becomes a `StandIn`."""

    def __init__(self, file: Any):
        super().__init__(file)
        self.stood_in: set[str] = set()

    def find_class(self, module: str, name: str) -> Any:
        if module == "__builtin__":  # as pickles of protocol 2, which PyTorch writes, still call it
            module = "builtins"
        if (module, name) in PLAIN:
            return PLAIN[module, name]
        if module == "torch" and name in STORAGES:
            return STORAGES[name]
        if (module, name) in {("torch._utils", "_rebuild_tensor_v2"), ("torch._utils", "_rebuild_tensor")}:
            return _stored
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return _itself
        if module.partition(".")[0] in PROGRAMS and not (module == "builtins" and name in HARMLESS):
            raise UserError(f"it asks to run {module}.{name}, which no checkpoint needs: nothing was run; delete it")
        self.stood_in.add(f"{module}.{name}")
        return type("StandIn", (StandIn,), {})

    def persistent_load(self, pid: Any) -> tuple[torch.dtype, str]:
        kind, dtype, key, *_ = pid
        if kind != "storage" or not isinstance(dtype, torch.dtype) or not isinstance(key, str):
            raise pickle.UnpicklingError(f"unknown reference {kind!r}")
        return dtype, key


class Archive:
    """A checkpoint as PyTorch (1.6 or later) writes it: `content`, with `Stored` in place of tensors, and `read` for those."""

    def __init__(self, path: Path):
        self.zip = zipfile.ZipFile(path)
        names = [name for name in self.zip.namelist() if name.endswith("/data.pkl")]
        if len(names) != 1:
            raise zipfile.BadZipFile("no checkpoint of PyTorch 1.6 or later")
        self.root = names[0].removesuffix("data.pkl")
        with self._open("data.pkl") as file:
            unpickler = Unpickler(file)
            self.content = unpickler.load()
        self.stood_in = sorted(unpickler.stood_in)

    def _open(self, name: str) -> Any:
        if self.zip.getinfo(self.root + name).compress_type != zipfile.ZIP_STORED:
            raise zipfile.BadZipFile(f"{name} is compressed, which PyTorch never does")
        return self.zip.open(self.root + name)

    def read(self, tensor: Stored) -> Tensor:
        """The tensor as float32."""
        with self._open(f"data/{tensor.key}") as file:
            flat = torch.frombuffer(bytearray(file.read()), dtype=tensor.dtype)
        return torch.as_strided(flat, tensor.shape, tensor.stride, tensor.offset).float().contiguous()
