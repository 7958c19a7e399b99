"""Makes the tracks of a band, in one or several processes; a build that was stopped goes on where it stopped."""

import csv
import logging
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from pathlib import Path

import yaml
from tqdm import tqdm

from accomp.data.band.instruments import InstrumentPack
from accomp.data.band.render import SongSource, Synthesiser, render_track
from accomp.data.band.tracks import TrackSpec, playing
from accomp.data.builds import claim, for_each
from accomp.data.splits import FOLDERS
from accomp.disk import DiskFull, watched, write_csv
from accomp.errors import UserError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BuildResult:
    """What became of a track; `skipped` says why there is no track."""

    track: str
    split: str
    source: str
    soundfont: str
    seconds: float = 0.0
    stems: int = 0
    classes: str = ""
    skipped: str = ""


@cache
def _synthesiser(path: Path) -> Synthesiser:
    """Loaded once per process, since that takes up to seconds."""
    return Synthesiser(path)


def _player(spec: TrackSpec) -> Synthesiser | InstrumentPack:
    if spec.font.is_dir():
        return InstrumentPack(spec.font, spec.uuid(), spec.instruments)
    return _synthesiser(spec.font)


def build_track(spec: TrackSpec, out: Path) -> BuildResult:
    """Make one track. The folder appears whole or not at all. Raises UserError when the song is of no use."""
    song = spec.song()
    target, partial = out / spec.split / spec.name, out / ".partial" / spec.name
    shutil.rmtree(partial, ignore_errors=True)
    stems = render_track(partial, song, _player(spec), SongSource(spec.source, spec.uuid()), spec.seconds)
    shutil.rmtree(target, ignore_errors=True)
    os.replace(partial, target)
    length = round(min(float(song.seconds(song.end)), spec.seconds), 2)
    return replace(_result(spec), seconds=length, stems=stems, classes="+".join(playing(song)).lower())


def _result(spec: TrackSpec) -> BuildResult:
    return BuildResult(spec.name, spec.split, spec.source, spec.font.name)


def finished(spec: TrackSpec, out: Path) -> bool:
    """Whether this very song already lies in the place of this track."""
    try:
        metadata = yaml.safe_load((out / spec.split / spec.name / "metadata.yaml").read_bytes())
    except (FileNotFoundError, NotADirectoryError, yaml.YAMLError):
        return False
    return isinstance(metadata, dict) and metadata.get("UUID") == spec.uuid()


def _attempt(spec: TrackSpec, out: Path) -> BuildResult:
    """The task of a worker process: no error of one song may end a build of hours."""
    try:
        with watched(out):
            return build_track(spec, out)
    except DiskFull:  # the next song could not be written either
        shutil.rmtree(out / ".partial" / spec.name, ignore_errors=True)
        raise
    except UserError as reason:
        return replace(_result(spec), skipped=str(reason))
    except Exception as reason:  # whatever it is, it is shown here, and listed in skipped.csv
        log.exception("%s", spec.source)
        return replace(_result(spec), skipped=f"{type(reason).__name__}: {reason}")


def build(specs: Sequence[TrackSpec], out: Path, workers: int, settings: dict) -> list[BuildResult]:
    """Make all tracks that are not there yet; songs.csv lists what was made, skipped.csv what was not and why."""
    claim(out, settings)
    for folder in (*FOLDERS, ".partial"):
        (out / folder).mkdir(exist_ok=True)
    todo = [spec for spec in specs if not finished(spec, out)]
    log.info("%s: %d tracks to make, %d there already", out, len(todo), len(specs) - len(todo))
    made, fresh = {row["track"]: row for row in _rows(out / "songs.csv")}, []
    columns = [column.name for column in fields(BuildResult) if column.name != "skipped"]
    for done in tqdm(for_each(_attempt, todo, out, workers), total=len(todo), unit="track", disable=not todo):
        fresh.append(done)
        if not done.skipped:
            made[done.track] = asdict(done)
            write_csv(out / "songs.csv", columns, (made[name] for name in sorted(made)))
    shutil.rmtree(out / ".partial", ignore_errors=True)
    skipped = [asdict(done) for done in fresh if done.skipped]
    write_csv(out / "skipped.csv", ["track", "source", "skipped"], skipped)
    for row in skipped:
        log.warning("skipped %s: %s", row["source"], row["skipped"])
    if not any(path for split in FOLDERS for path in (out / split).glob("Track*")):
        raise UserError(f"none of the {len(specs)} songs could be used; {out / 'skipped.csv'} says why")
    return fresh


def _rows(path: Path) -> list[dict]:
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
