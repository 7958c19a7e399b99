"""Writes files whole or not at all; finds out before and during long work when the disk is full."""

import csv
import errno
import io
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import soundfile

from accomp.errors import UserError

LEAST_FREE = 16 << 20  # bytes; where less is left, a write that failed is taken to have failed because the disk is full


class DiskFull(UserError):
    """The disk is too full for what was to be written."""


def need(folder: Path, size: int) -> None:
    """Raise DiskFull unless `size` bytes are free on the disk where `folder` is or will be."""
    free = _free(folder)
    if free < size:
        raise DiskFull(f"{folder}: {size / 1e9:.1f} GB are needed, {free / 1e9:.1f} GB are free; make room first")


@contextmanager
def watched(folder: Path) -> Iterator[None]:
    """What is written inside fails with DiskFull when the disk is full; every other failure stays what it is."""
    try:
        yield
    except (OSError, soundfile.LibsndfileError) as error:
        # The writers of numpy and libsndfile do not say why a write failed: then the disk itself is asked.
        full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT)
        if full or _free(folder) < LEAST_FREE:
            raise DiskFull(f"{folder}: the disk is full; make room, then the same command goes on from here") from error
        raise


def write_whole(path: Path, data: bytes | memoryview) -> None:
    """Write a file that appears whole or not at all, whatever other processes write at the same time."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        temporary.write_bytes(data)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text in the same way, as UTF-8; the folders it lies in are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, text.encode("utf-8"))


@contextmanager
def whole_folder(out: Path) -> Iterator[Path]:
    """An empty folder to fill, which takes the place of `out` and of all that lay there; if filling fails, `out` stays."""
    out = out.resolve()
    with watched(out.parent):
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as temporary:
            new, old = Path(temporary, "new"), Path(temporary, "old")
            new.mkdir()
            yield new
            if out.exists():
                os.replace(out, old)
            try:
                os.replace(new, out)
            except OSError:
                if old.exists():
                    os.replace(old, out)
                raise


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[dict]) -> None:
    """Write a table that appears whole or not at all; what is in no column is left out."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def _free(folder: Path) -> int:
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    return shutil.disk_usage(there).free
