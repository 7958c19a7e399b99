"""Reads the weights in a checkpoint that TensorFlow 1 has written, without TensorFlow.

A checkpoint is a pair of files: INDEX, a sorted table in LevelDB's format (https://github.com/google/leveldb, table_format.md)
that tells of every tensor where it lies, as a protocol buffer `BundleEntryProto`, and DATA, the tensors.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

INDEX, DATA = ".index", ".data-00000-of-00001"  # in a checkpoint's folder
FOOTER = 48  # bytes at the end of a table
FLOAT32 = 1  # TensorFlow's number of that type
TYPE, SHAPE, OFFSET, SIZE = 1, 2, 4, 5  # fields of a BundleEntryProto
DIMENSION, LENGTH = 2, 1  # of its shape, and of a dimension of that


def read_weights(folder: Path | str) -> dict[str, np.ndarray]:
    """The float32 tensors by name of the checkpoint in a folder. Raises OSError when there is none, ValueError or LookupError
    when it is damaged or compressed.
    """
    table, data = (Path(folder, name).read_bytes() for name in (INDEX, DATA))
    found = {}
    _, at = _handle(table, len(table) - FOOTER)
    (start, size), _ = _handle(table, at)
    for _, where in _entries(table, start, size):
        for name, value in _entries(table, *_handle(where, 0)[0]):
            entry = _fields(value)
            if not name or entry.get(TYPE) != [FLOAT32]:
                continue
            dimensions = [_fields(d).get(LENGTH, [0])[0] for d in _fields(entry.get(SHAPE, [b""])[0]).get(DIMENSION, [])]
            offset = entry.get(OFFSET, [0])[0]
            tensor = np.frombuffer(data[offset : offset + entry.get(SIZE, [0])[0]], "<f4")
            found[name.decode()] = tensor.reshape(dimensions)
    return found


def _handle(data: bytes, at: int) -> tuple[tuple[int, int], int]:
    """Where a block starts and how long it is, written at `at`; and what follows."""
    start, at = _number(data, at)
    size, at = _number(data, at)
    return (start, size), at


def _entries(table: bytes, start: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a block; of each key only what differs from the key before is written."""
    if table[start + size]:
        raise ValueError("a compressed table")
    restarts = int.from_bytes(table[start + size - 4 : start + size], "little")
    at, stop, key = start, start + size - 4 - 4 * restarts, b""
    while at < stop:
        shared, at = _number(table, at)
        new, at = _number(table, at)
        length, at = _number(table, at)
        key = key[:shared] + table[at : at + new]
        yield key, table[at + new : at + new + length]
        at += new + length


def _fields(message: bytes) -> dict[int, list]:
    """The fields of a protocol buffer by number: whole numbers, or bytes."""
    found: dict[int, list] = {}
    at = 0
    while at < len(message):
        tag, at = _number(message, at)
        kind = tag & 7
        if kind == 0:
            value, at = _number(message, at)
        else:
            length, at = _number(message, at) if kind == 2 else ({1: 8, 5: 4}[kind], at)
            value, at = message[at : at + length], at + length
        found.setdefault(tag >> 3, []).append(value)
    return found


def _number(data: bytes, at: int) -> tuple[int, int]:
    """A whole number of seven bits a byte, the lowest first, and what follows it."""
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 128:
            return value, at
