"""Builds a band to learn from: composes or reads songs, plays them with SoundFonts, files them like Slakh2100.

    python -m accomp.data.band compose --out data/band
    python -m accomp.data.band midi --midi songs/ --soundfont A.sf2 --out data/large
    python -m accomp.data.band midi --midi songs/ --out data/large --variants 2 --transpose=-3:3 --tempo 0.9:1.1

Work that stops half-way goes on where it stopped: finished tracks are kept, a track appears only when it is whole.
"""

import argparse
import csv
import json
import logging
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from multiprocessing import get_context
from pathlib import Path

import yaml
from tqdm import tqdm

from accomp.data.command import command
from accomp.data.disk import DiskFull, watched, write_csv, write_whole
from accomp.data.jobs import Job, plan_composed, plan_midi, playing, shipped_font, with_variants
from accomp.data.render import Font, Source, render_track
from accomp.data.slakh import FOLDERS
from accomp.errors import UserError

log = logging.getLogger(__name__)

SHORTEST_S = 8.0  # two slow bars and the last chord


@dataclass(frozen=True)
class Made:
    """What became of a job; `skipped` says why there is no track."""

    track: str
    split: str
    source: str
    soundfont: str
    seconds: float = 0.0
    stems: int = 0
    classes: str = ""
    skipped: str = ""


@cache
def _font(path: Path) -> Font:
    return Font(path)


def make(job: Job, out: Path) -> Made:
    """Make one track. The folder appears whole or not at all. Raises UserError when the song is of no use."""
    song = job.song()
    target, partial = out / job.split / job.name, out / ".partial" / job.name
    shutil.rmtree(partial, ignore_errors=True)
    stems = render_track(partial, song, _font(job.font), Source(job.source, job.uuid()), job.seconds)
    shutil.rmtree(target, ignore_errors=True)
    os.replace(partial, target)
    length = round(min(float(song.seconds(song.end)), job.seconds), 2)
    return replace(_begun(job), seconds=length, stems=stems, classes="+".join(playing(song)).lower())


def _begun(job: Job) -> Made:
    return Made(job.name, job.split, job.source, job.font.name)


def finished(job: Job, out: Path) -> bool:
    """Whether this very song already lies where the job would put it."""
    try:
        metadata = yaml.safe_load((out / job.split / job.name / "metadata.yaml").read_bytes())
    except (FileNotFoundError, NotADirectoryError, yaml.YAMLError):
        return False
    return isinstance(metadata, dict) and metadata.get("UUID") == job.uuid()


def _attempt(job: Job, out: Path) -> Made:
    """A worker's whole task, and so the boundary of its process: one strange song must not end a build of hours."""
    try:
        with watched(out):
            return make(job, out)
    except DiskFull:  # the next song would find no room either
        shutil.rmtree(out / ".partial" / job.name, ignore_errors=True)
        raise
    except UserError as reason:
        return replace(_begun(job), skipped=str(reason))
    except Exception as reason:  # whatever it is, it is shown here, and listed in skipped.csv
        log.exception("%s", job.source)
        return replace(_begun(job), skipped=f"{type(reason).__name__}: {reason}")


def _run(jobs: Sequence[Job], out: Path, workers: int) -> Iterator[Made]:
    if workers == 1:
        yield from (_attempt(job, out) for job in jobs)
        return
    try:
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            yield from pool.map(_attempt, jobs, [out] * len(jobs))
    except BrokenProcessPool:
        raise UserError("a worker process died (out of memory?); run the same command again, with --jobs 1") from None


def build(jobs: Sequence[Job], out: Path, workers: int, settings: dict) -> list[Made]:
    """Make all tracks that are not there yet; songs.csv lists what was made, skipped.csv what was not and why."""
    _open(out, settings)
    todo = [job for job in jobs if not finished(job, out)]
    log.info("%s: %d tracks to make, %d there already", out, len(todo), len(jobs) - len(todo))
    made, fresh = {row["track"]: row for row in _rows(out / "songs.csv")}, []
    columns = [column.name for column in fields(Made) if column.name != "skipped"]
    for done in tqdm(_run(todo, out, workers), total=len(todo), unit="track", disable=not todo):
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
        raise UserError(f"none of the {len(jobs)} songs could be used; {out / 'skipped.csv'} says why")
    return fresh


def _open(out: Path, settings: dict) -> None:
    """Make the folders; refuse to mix two builds with different settings in one place."""
    record = out / "build.json"
    if record.exists() and json.loads(record.read_text()) != settings:
        raise UserError(f"{out} was built with other settings ({record}); choose another --out or delete that folder")
    for split in FOLDERS:
        (out / split).mkdir(parents=True, exist_ok=True)
    (out / ".partial").mkdir(exist_ok=True)
    write_whole(record, (json.dumps(settings, indent=1, sort_keys=True) + "\n").encode())


def _rows(path: Path) -> list[dict]:
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _band_from_midi(args: argparse.Namespace) -> list[Made]:
    low, high = args.transpose
    if args.variants < 0 or min(args.tempo) <= 0 or low < -12 or high > 12:
        raise UserError("--variants must be at least 0, --tempo above 0, --transpose within -12:12")
    for font in args.soundfont:
        if not font.is_file():
            raise UserError(f"{font}: no such SoundFont; give --soundfont an .sf2 or .sf3 file")
    jobs = plan_midi(args.midi, args.soundfont, args.seconds, args.seed, args.test_source, args.classes)
    settings = {"from": "midi", "seconds": args.seconds, "seed": args.seed, "test_source": args.test_source}
    settings |= {"folders": [path.name for path in args.midi], "soundfonts": [path.name for path in args.soundfont]}
    if args.classes != 3:
        settings |= {"classes": args.classes}
    if args.variants:
        jobs = with_variants(jobs, args.soundfont, args.variants, args.transpose, args.tempo, args.seed)
        settings |= {"variants": args.variants, "transpose": list(args.transpose), "tempo": list(args.tempo)}
    return build(jobs, args.out, args.jobs, settings)


def _band_composed(args: argparse.Namespace) -> list[Made]:
    settings = {"from": "compose", "seconds": args.seconds, "seed": args.seed, "tracks": args.tracks}
    return build(plan_composed(args.tracks, args.seconds, args.seed), args.out, args.jobs, settings)


def _span(kind: type) -> Callable[[str], tuple]:
    """Reads LOW:HIGH."""

    def span(text: str) -> tuple:
        low, high = (kind(part) for part in text.split(":"))
        if not low <= high:
            raise ValueError(text)
        return low, high

    return span


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m accomp.data.band", description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(required=True)
    composed = commands.add_parser("compose", help="the embedded band: songs made up here, played by TimGM6mb")
    composed.add_argument("--tracks", type=int, default=22)
    composed.set_defaults(build=_band_composed)
    midi = commands.add_parser("midi", help="a band from folders of MIDI files")
    midi.add_argument("--midi", type=Path, action="append", required=True, help="folder of .mid files; may be repeated")
    midi.add_argument("--soundfont", type=Path, nargs="+", default=[shipped_font()], help="one is drawn per track")
    midi.add_argument("--classes", type=int, default=3, help="leave out songs in which fewer of the four classes play")
    midi.add_argument("--test-source", default=None, help="songs whose path contains this go to test, all of them")
    midi.add_argument("--variants", type=int, default=0, help="so many more copies of each song in train, varied:")
    midi.add_argument("--transpose", type=_span(int), default=(-3, 3), metavar="LOW:HIGH", help="by so many semitones")
    midi.add_argument("--tempo", type=_span(float), default=(0.9, 1.1), metavar="LOW:HIGH", help="times its own tempo")
    midi.set_defaults(build=_band_from_midi)
    for sub in (composed, midi):
        sub.add_argument("--out", type=Path, required=True)
        sub.add_argument("--seconds", type=float, default=60.0, help="length of a track at most")
        sub.add_argument("--jobs", type=int, default=2, help="processes")
        sub.add_argument("--seed", type=int, default=0)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    return command(_parser(), argv, _build)


def _build(o: argparse.Namespace) -> None:
    if not o.seconds >= SHORTEST_S or o.jobs < 1 or getattr(o, "tracks", 1) < 1:
        raise UserError(f"--seconds must be at least {SHORTEST_S:g}, --jobs and --tracks at least 1")
    with watched(o.out):
        made = o.build(o)
    skipped = sum(bool(track.skipped) for track in made)
    log.info("made %d tracks, skipped %d", len(made) - skipped, skipped)


if __name__ == "__main__":
    sys.exit(main())
