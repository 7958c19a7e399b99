"""Fetches Slakh2100, whole or its first twenty tracks, from Zenodo; what was cut off goes on where it stopped.

    python -m accomp.data.download slakh              # about 105 GB, and as much again unpacked
    python -m accomp.data.download babyslakh          # about 1 GB: 20 tracks at 16 kHz, see accomp.data.prepare
    python -m accomp.data.download slakh --raw DIR    # DIR holds it already: look at it, link to it

The archive is checked against its md5 and unpacked beside itself; afterwards it may be deleted.
"""

import argparse
import gzip
import hashlib
import logging
import os
import shutil
import sys
import tarfile
import time
import zlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from tqdm import tqdm

from accomp.command_line import command, parser_of
from accomp.data.splits import track_folders
from accomp.disk import need, watched
from accomp.errors import UserError

log = logging.getLogger(__name__)

WAITS_S = (1.0, 4.0, 15.0, 60.0)  # before each new attempt; any progress begins the list anew
TIMEOUT_S = 60.0  # without a byte from the server
CHUNK = 1 << 20  # bytes
RETRIED = (408, 416, 429)  # HTTP errors that are tried again, as are those of 500 and above


@dataclass(frozen=True)
class Archive:
    """What is to be fetched, how to know that it is whole, and the folder it becomes."""

    url: str
    md5: str
    root: str
    unpacked_ratio: float  # at most so many bytes unpacked per byte of archive

    @property
    def file(self) -> str:
        return Path(urlsplit(self.url).path).name


ARCHIVES = {
    "slakh": Archive(
        "https://zenodo.org/records/4599666/files/slakh2100_flac_redux.tar.gz?download=1",
        "f4b71b6c45ac9b506f59788456b3f0c4", "slakh2100_flac_redux", 1.1,
    ),
    "babyslakh": Archive(
        "https://zenodo.org/records/4603870/files/babyslakh_16k.tar.gz?download=1",
        "311096dc2bde7d61c97e930edbfc7f78", "babyslakh_16k", 3.0,
    ),
}  # fmt: skip


def fetch(archive: Archive, out: Path, waits_s: Sequence[float] = WAITS_S) -> Path:
    """Download into `out`, through interruptions; the file has its name only when all of it is there.

    Raises UserError when the server refuses or stays silent, DiskFull when archive and content will not fit.
    """
    target, part = out / archive.file, out / f"{archive.file}.part"
    have, failures = -1, 0
    while not target.exists():
        before, have = have, part.stat().st_size if part.exists() else 0
        failures = 0 if have > before else failures + 1
        if failures:
            time.sleep(waits_s[failures - 1])
        reason = _attempt(archive, part, target, have)
        if reason and failures == len(waits_s):
            kept = part.stat().st_size if part.exists() else 0
            raise UserError(f"{archive.url}: {reason}; {kept / 1e6:.1f} MB are kept, the same command goes on from there")
    return target


def _attempt(archive: Archive, part: Path, target: Path, have: int) -> str:
    """Go on with a transfer of which `have` bytes are here; why it is not whole yet, or "" when it is."""
    try:
        with watched(part.parent):
            total = _receive(archive, part, have)
        if part.stat().st_size != total:
            return "the connection broke off"
    except HTTPError as error:
        if error.code < 500 and error.code not in RETRIED:
            raise UserError(f"{archive.url}: the server says {error.code} {error.reason}; fetch it by hand") from error
        whole = error.code == 416 and error.headers.get("Content-Range", "").endswith(f"/{have}")
        if error.code == 416 and not whole:  # what is here cannot be a part of what is there
            part.unlink()
        if not whole:
            return f"{error.code} {error.reason}"
    except (OSError, HTTPException) as error:
        return str(error) or type(error).__name__
    os.replace(part, target)
    return ""


def _receive(archive: Archive, part: Path, have: int) -> int:
    """Append to `part`, which holds `have` bytes, until the server ends; how many bytes the whole file has."""
    request = Request(archive.url, headers={"Range": f"bytes={have}-"} if have else {})
    with urlopen(request, timeout=TIMEOUT_S) as answer:
        if answer.status != 206:
            have = 0  # the server sends everything anew
        if answer.headers["Content-Length"] is None:
            raise UserError(f"{archive.url}: the server does not say how long the file is; fetch it by hand")
        total = have + int(answer.headers["Content-Length"])
        need(part.parent, round(total - have + total * archive.unpacked_ratio))
        with (
            open(part, "ab" if have else "wb") as file,
            tqdm(total=total, initial=have, unit="B", unit_scale=True, desc=archive.file) as bar,
        ):
            while data := answer.read(CHUNK):
                file.write(data)
                bar.update(len(data))
    return total


def verify(path: Path, md5: str) -> None:
    """Raise UserError, and set the file aside, unless it has this md5."""
    digest = hashlib.md5()
    with open(path, "rb") as file, tqdm(total=path.stat().st_size, unit="B", unit_scale=True, desc="md5") as bar:
        while data := file.read(CHUNK):
            digest.update(data)
            bar.update(len(data))
    if digest.hexdigest() != md5:
        aside = path.with_name(f"{path.name}.bad")
        os.replace(path, aside)
        raise UserError(
            f"{path}: md5 is {digest.hexdigest()}, not {md5}; set aside as {aside.name}, the same command fetches it again"
        )


def unpack(path: Path, root: Path) -> None:
    """Unpack a data set to `root`, which appears whole or not at all. Raises UserError on a damaged or unsafe archive."""
    temporary = root.with_name(f".{root.name}.unpacking")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        with (
            watched(root.parent),
            open(path, "rb") as file,
            tqdm.wrapattr(file, "read", total=path.stat().st_size, desc="unpack") as read,
            gzip.GzipFile(fileobj=read) as plain,
        ):
            with tarfile.open(fileobj=plain, mode="r|") as tar:
                tar.extractall(temporary, filter="data")
            while plain.read(CHUNK):  # to the end, where a truncated archive shows itself
                pass
        found = data_root(temporary, root.name)
        os.replace(found, root)
    except tarfile.FilterError as error:
        raise UserError(f"{path}: not a safe archive ({error}); nothing was unpacked") from error
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(f"{path}: damaged archive ({error}); delete it and fetch it again") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def data_root(folder: Path, name: str) -> Path:
    """The folder that holds the tracks: this one, the one called `name` inside, or the only one inside; else UserError."""
    inside = [path for path in folder.glob("[!._]*") if path.is_dir()] if folder.is_dir() else []  # not __MACOSX
    for candidate in (folder, folder / name, *(inside if len(inside) == 1 else ())):
        with suppress(UserError):
            track_folders(candidate)
            return candidate
    raise UserError(f"{folder}: holds no TrackNNNNN folders, in train/validation/test or without; give {name}'s folder")


def link(raw: Path, root: Path) -> None:
    """Make `root` a link to a copy in another place."""
    found = data_root(raw, root.name).resolve()
    if os.path.lexists(root):
        if root.resolve() != found:
            raise UserError(f"{root} exists and is not {found}; remove it, or choose another --out")
        return
    root.parent.mkdir(parents=True, exist_ok=True)
    root.symlink_to(found, target_is_directory=True)


def main(argv: Sequence[str] | None = None) -> int:
    parser = parser_of(__doc__)
    parser.add_argument("set", choices=ARCHIVES)
    parser.add_argument("--out", type=Path, default=Path("data"), help="folder for the archive and the data set")
    parser.add_argument("--raw", type=Path, help="a copy that is here already: a folder in Slakh2100's layout")
    return command(parser, argv, _download)


def _download(o: argparse.Namespace) -> None:
    archive = ARCHIVES[o.set]
    root = o.out / archive.root
    if o.raw:
        link(o.raw, root)
    elif not root.is_dir():
        o.out.mkdir(parents=True, exist_ok=True)
        path = fetch(archive, o.out)
        verify(path, archive.md5)
        unpack(path, root)
        log.info("%s may be deleted now", path)
    counts = [f"{len(tracks)} {split or 'tracks'}" for split, tracks in track_folders(root).items()]
    log.info("data root %s: %s", root, ", ".join(counts))


if __name__ == "__main__":
    sys.exit(main())
