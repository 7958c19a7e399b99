"""Builds a band to learn from: composes or reads songs, plays them with SoundFonts, files them like Slakh2100.

    python -m accomp.data.band compose --out data/band
    python -m accomp.data.band midi --midi songs/ --soundfont A.sf2 --out data/large

Work that stops half-way goes on where it stopped: finished tracks are kept, a track appears only when it is whole.
"""

import argparse
import csv
import hashlib
import json
import logging
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from importlib.resources import files
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import yaml
from tqdm import tqdm

from accomp.data.compose import compose
from accomp.data.midi import Song, read_song, song_bytes
from accomp.data.render import FOUR, Font, Source, inst_class, render_track
from accomp.errors import UserError

log = logging.getLogger(__name__)

SPLITS = ("train", "validation", "test", "omitted")
LATE_S = 8.0  # a song whose first note is later than this begins at that note's bar instead
LEAST_CLASSES = 3  # of the four
LEAST_NOTES = 16  # a class with fewer notes than this does not count as playing
LEAST_COVER = 0.1  # nor does one that sounds in a smaller part of the song's seconds
SHORTEST_S = 8.0  # two slow bars and the last chord
BIG_BAND = 1  # the composed song with a second guitar, and strings that get no stem


@dataclass(frozen=True)
class Job:
    """One track to be made: which song, with which SoundFont, to where."""

    name: str
    split: str
    source: str  # the song's name for people
    font: Path
    seconds: float  # at most

    def uuid(self) -> str:
        """An id that changes when the song does."""
        raise NotImplementedError

    def song(self) -> Song:
        """The song, no longer than `seconds`. Raises UserError when it is of no use."""
        raise NotImplementedError


@dataclass(frozen=True)
class FromMidi(Job):
    """A track made from a MIDI file."""

    midi: Path

    def uuid(self) -> str:
        return hashlib.md5(self.midi.read_bytes()).hexdigest()

    def song(self) -> Song:
        song = read_song(self.midi)
        if not song.end:
            raise UserError("no notes")
        song = excerpt(song, self.seconds)
        classes = playing(song)
        if len(classes) < LEAST_CLASSES:
            raise UserError(f"only {len(classes)} of the four classes play ({', '.join(classes) or 'none'})")
        return song


@dataclass(frozen=True)
class Composed(Job):
    """A track made from a number."""

    index: int
    seed: int

    def uuid(self) -> str:
        return hashlib.md5(song_bytes(self.song())).hexdigest()

    def song(self) -> Song:
        return compose(self.index, self.seed, self.seconds, big_band=self.index == BIG_BAND)


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


def shipped_font() -> Path:
    """The small General MIDI SoundFont (TimGM6mb) that comes with the package pretty_midi."""
    return Path(str(files("pretty_midi").joinpath("TimGM6mb.sf2")))


def draw(*key: object) -> float:
    """A number in [0, 1) that depends on nothing but the key: the same on every machine and in every order."""
    digest = hashlib.sha256(":".join(map(str, key)).encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def plan_midi(
    folders: Sequence[Path], fonts: Sequence[Path], seconds: float, seed: int, test_source: str | None = None
) -> list[Job]:
    """Which song becomes which track: numbered in sorted order, about 90/5/5 by a hash of the song's name."""
    jobs: list[Job] = []
    for folder in folders:
        if not folder.is_dir():
            raise UserError(f"{folder}: no such folder; give --midi a folder that holds .mid files")
        for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".mid", ".midi")):
            source = str(path.relative_to(folder.parent))
            # Versions of one song (name__hash.mid) must not be torn apart by the split.
            title = path.stem.lower().split("__")[0]
            place = draw(seed, "split", title)
            split = "train" if place < 0.9 else "validation" if place < 0.95 else "test"
            if test_source and test_source in source:
                split = "test"
            font = fonts[int(draw(seed, "font", path.name) * len(fonts))]
            jobs.append(FromMidi(f"Track{len(jobs) + 1:05d}", split, source, font, seconds, path))
    if not jobs:
        raise UserError(f"no .mid files under {', '.join(map(str, folders))}; give --midi a folder that holds some")
    return jobs


def plan_composed(tracks: int, seconds: float, seed: int) -> list[Job]:
    """The songs of the embedded band: of 22, the last three for test and the three before them for validation."""
    held_out = max(round(tracks * 3 / 22), 1) if tracks >= 3 else 0
    splits = ["train"] * (tracks - 2 * held_out) + ["validation"] * held_out + ["test"] * held_out
    font = shipped_font()
    return [
        Composed(f"Track{index + 1:05d}", split, f"composed:{seed}:{index}", font, seconds, index, seed)
        for index, split in enumerate(splits)
    ]


def playing(song: Song) -> list[str]:
    """Which of the four classes really play in the song, sorted."""
    length = max(float(song.seconds(song.end)), 1.0)
    notes: dict[str, list] = {name: [] for name in sorted(FOUR)}
    for part in song.parts:
        if inst_class(part) in FOUR:
            notes[inst_class(part)].extend(part.notes)
    busy = []
    for name, played in notes.items():
        spans = song.seconds(np.array([note[:2] for note in played], dtype=np.int64).reshape(-1, 2)).astype(int)
        covered = {second for start, end in spans for second in range(start, end + 1)}
        if len(played) >= LEAST_NOTES and len(covered) >= LEAST_COVER * length:
            busy.append(name)
    return busy


def excerpt(song: Song, seconds: float) -> Song:
    """The first `seconds` of a song; one that begins late begins at the bar of its first note."""
    start = song.bar_at(song.start) if song.seconds(song.start) > LATE_S else 0
    return song.cut(start, song.tick_at(float(song.seconds(start)) + seconds) + 1)


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
    try:
        return make(job, out)
    except UserError as reason:
        return replace(_begun(job), skipped=str(reason))
    # The edge of the process: whatever one strange song does must not end a build of hours. It is named and listed.
    except Exception as reason:
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
    made, skipped, fresh = {row["track"]: row for row in _rows(out / "songs.csv")}, [], []
    columns = [column.name for column in fields(Made) if column.name != "skipped"]
    for done in tqdm(_run(todo, out, workers), total=len(todo), unit="track", disable=not todo):
        fresh.append(done)
        if done.skipped:
            skipped.append(asdict(done))
        else:
            made[done.track] = asdict(done)
            _write_csv(out / "songs.csv", columns, (made[name] for name in sorted(made)))
    shutil.rmtree(out / ".partial", ignore_errors=True)
    _write_csv(out / "skipped.csv", ["track", "source", "skipped"], skipped)
    for row in skipped:
        log.warning("skipped %s: %s", row["source"], row["skipped"])
    if not any(path for split in SPLITS for path in (out / split).glob("Track*")):
        raise UserError(f"none of the {len(jobs)} songs could be used; {out / 'skipped.csv'} says why")
    return fresh


def _open(out: Path, settings: dict) -> None:
    """Make the folders; refuse to mix two builds with different settings in one place."""
    record = out / "build.json"
    if record.exists() and json.loads(record.read_text()) != settings:
        raise UserError(f"{out} was built with other settings ({record}); choose another --out or delete that folder")
    for split in SPLITS:
        (out / split).mkdir(parents=True, exist_ok=True)
    (out / ".partial").mkdir(exist_ok=True)
    record.write_text(json.dumps(settings, indent=1, sort_keys=True) + "\n")


def _rows(path: Path) -> list[dict]:
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _write_csv(path: Path, columns: list[str], rows: Iterable[dict]) -> None:
    partial = path.with_name(path.name + ".partial")
    with partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    os.replace(partial, path)


def _band_from_midi(args: argparse.Namespace) -> list[Made]:
    for font in args.soundfont:
        if not font.is_file():
            raise UserError(f"{font}: no such SoundFont; give --soundfont an .sf2 or .sf3 file")
    jobs = plan_midi(args.midi, args.soundfont, args.seconds, args.seed, args.test_source)[: args.limit]
    settings = {"from": "midi", "seconds": args.seconds, "seed": args.seed, "test_source": args.test_source}
    settings |= {"folders": [path.name for path in args.midi], "soundfonts": [path.name for path in args.soundfont]}
    return build(jobs, args.out, args.jobs, settings)


def _band_composed(args: argparse.Namespace) -> list[Made]:
    settings = {"from": "compose", "seconds": args.seconds, "seed": args.seed, "tracks": args.tracks}
    return build(plan_composed(args.tracks, args.seconds, args.seed), args.out, args.jobs, settings)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m accomp.data.band", description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(required=True)
    composed = commands.add_parser("compose", help="the embedded band: songs made up here, played by TimGM6mb")
    composed.add_argument("--tracks", type=int, default=22)
    composed.set_defaults(command=_band_composed)
    midi = commands.add_parser("midi", help="a band from folders of MIDI files")
    midi.add_argument("--midi", type=Path, action="append", required=True, help="folder of .mid files; may be repeated")
    midi.add_argument("--soundfont", type=Path, nargs="+", default=[shipped_font()], help="one is drawn per track")
    midi.add_argument("--limit", type=int, default=None, help="only the first so many songs")
    midi.add_argument("--test-source", default=None, help="songs whose path contains this go to test, all of them")
    midi.set_defaults(command=_band_from_midi)
    for command in (composed, midi):
        command.add_argument("--out", type=Path, required=True)
        command.add_argument("--seconds", type=float, default=60.0, help="length of a track at most")
        command.add_argument("--jobs", type=int, default=2, help="processes")
        command.add_argument("--seed", type=int, default=0)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    args = _parser().parse_args(argv)
    try:
        if not args.seconds >= SHORTEST_S or args.jobs < 1 or getattr(args, "tracks", 1) < 1:
            raise UserError(f"--seconds must be at least {SHORTEST_S:g}, --jobs and --tracks at least 1")
        made = args.command(args)
    except UserError as error:
        log.error("%s", error)
        return 2
    except KeyboardInterrupt:
        log.error("stopped; the same command goes on from here")
        return 130
    skipped = sum(bool(track.skipped) for track in made)
    log.info("made %d tracks, skipped %d", len(made) - skipped, skipped)
    return 0


if __name__ == "__main__":
    sys.exit(main())
