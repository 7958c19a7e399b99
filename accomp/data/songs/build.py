"""Makes songs and writes each as NAME.mid and NAME.chords.json; work that was stopped goes on where it stopped."""

import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from accomp.data.band.tracks import playing
from accomp.data.builds import claim, for_each
from accomp.data.humanise import finely_timed, humanised
from accomp.data.midi import write_song
from accomp.data.song import Song
from accomp.data.songs.drummers import drum_part
from accomp.data.songs.instruments import arranged
from accomp.data.songs.mma import accompaniment, need_mma
from accomp.data.songs.pop909 import read_pop_song
from accomp.data.songs.specs import SongSpec
from accomp.disk import watched, write_csv, write_whole
from accomp.errors import UserError

log = logging.getLogger(__name__)

COLUMNS = ("name", "title", "family", "groove", "semitones", "tempo_bpm", "seconds", "drums", "classes", "simplified")


def make_song(spec: SongSpec) -> tuple[Song, dict]:
    """The song, and what is written about it: title, groove, tempo, the chords by quarter notes, and what was simplified."""
    sheet, simplified = spec.sheet.playable()
    song = arranged(accompaniment(sheet, spec.groove, spec.comping, spec.seed), spec.seed)
    song = humanised(with_pop909(song, spec.pop909) if spec.pop909 else song, spec.seed)
    if spec.drummer:
        bars = [bar.beats * 4 // sheet.unit for bar in sheet.bars]
        others = tuple(part for part in song.parts if not part.is_drum)
        kit = next((part.program for part in song.parts if part.is_drum), 0)
        song = replace(song, parts=(drum_part(spec.drummer, song, bars, kit), *others))
    about = {
        "name": spec.name, "title": sheet.title, "family": spec.family, "groove": spec.groove.versions[0],
        "semitones": spec.semitones, "metre": list(sheet.metre), "tempo_bpm": round(sheet.tempo_bpm, 2),
        "seconds": round(float(song.seconds(song.end)), 1), "drums": spec.drummer.path.name if spec.drummer else "mma",
        "classes": "+".join(playing(song)).lower(), "simplified": simplified,
        "quarters": sheet.beats * 4 / sheet.unit, "chords": sheet.chord_list(),
    }  # fmt: skip
    return song, about


def with_pop909(song: Song, folder: Path) -> Song:
    """The band with the human piano and melody in place of its pianos, on the human song's tempo."""
    pop, song = read_pop_song(folder), finely_timed(song)
    kept = [part for part in song.parts if part.name in ("Drums", "Bass", "Guitar 1")]
    melody = replace(pop.melody, program=25 + len(folder.name) % 3)
    return replace(song, tempos=pop.tempos, parts=(*kept, pop.piano, melody))


def build(specs: Sequence[SongSpec], unused: list[tuple[str, str]], out: Path, jobs: int, settings: dict) -> int:
    """Make the songs that are not there yet; how many could not be made. songs.csv lists all, skipped.csv the failed ones."""
    need_mma()
    claim(out, settings)
    todo = [spec for spec in specs if not all(path.exists() for path in _files(spec, out))]
    log.info("%s: %d songs to make, %d there already", out, len(todo), len(specs) - len(todo))
    reasons = tqdm(for_each(_attempt, todo, out, jobs), total=len(todo), unit="song", disable=not todo)
    failed = list(zip(todo, reasons, strict=True))
    skipped = unused + [(spec.name, reason) for spec, reason in failed if reason]
    write_csv(out / "skipped.csv", ["song", "reason"], ({"song": name, "reason": reason} for name, reason in skipped))
    made = [json.loads(path.read_bytes()) for path in sorted(out.glob("*.chords.json"))]
    write_csv(out / "songs.csv", COLUMNS, (row | {"simplified": "; ".join(row["simplified"])} for row in made))
    if not made:
        raise UserError(f"none of the {len(specs)} songs could be made; {out / 'skipped.csv'} says why")
    log.info("%d songs in %s; %d skipped, see skipped.csv", len(made), out, len(skipped))
    return len(skipped)


def _attempt(spec: SongSpec, out: Path) -> str:
    """A worker's whole task: make and write one song, or return why not, so that a bad chart costs itself only."""
    try:
        song, about = make_song(spec)
    except UserError as reason:
        return str(reason)
    except Exception as reason:  # whatever it is, it is shown here, and listed in skipped.csv
        log.exception("%s", spec.name)
        return f"{type(reason).__name__}: {reason}"
    midi, chords = _files(spec, out)
    with watched(out):
        write_whole(chords, (json.dumps(about) + "\n").encode())
        write_song(midi, song)
    return ""


def _files(spec: SongSpec, out: Path) -> tuple[Path, Path]:
    return out / f"{spec.name}.mid", out / f"{spec.name}.chords.json"
