"""Human drummers: performances of Groove MIDI, laid on a song's own bars and repeated to its end.

Groove MIDI (Gillick et al. 2019, CC BY 4.0, https://magenta.withgoogle.com/datasets/groove) was played on an electronic kit
to a click, so its ticks count the beat, and a performance is stretched by writing it on the beats of another tempo.
"""

import csv
import re
from dataclasses import dataclass
from pathlib import Path

from accomp.data.midi import read_song
from accomp.data.song import Note, Part, Song
from accomp.data.songs.instruments import merged
from accomp.errors import UserError

NEAR = 1.08  # a performance is played at most so much faster or slower
LEAST_BEATS = 16  # shorter performances would be repeated too often
EARLY = 1 / 8  # beats: a stroke this little before a bar line belongs to the bar it begins
RIMS = {
    22: 42,
    26: 46,
    40: 38,
    50: 48,
    47: 45,
    58: 43,
    52: 49,
    55: 49,
    59: 51,
}  # keys of the kit's rims and edges -> their drums


@dataclass(frozen=True)
class Performance:
    """A drummer's recording of some length at one tempo."""

    path: Path
    style: str
    bpm: float
    beats_per_bar: int


def read_performances(folder: Path) -> list[Performance]:
    """The grooves in quarters of Groove MIDI's info.csv that are long enough; its single fills are left out."""
    table = folder / "info.csv"
    if not table.is_file():
        raise UserError(f"{table}: no such file; give --groove-midi the folder of Groove MIDI that holds info.csv")
    found = []
    with table.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            beats, unit = row["time_signature"].split("-")
            bpm = float(row["bpm"])
            if row["beat_type"] == "beat" and unit == "4" and float(row["duration"]) * bpm / 60 >= LEAST_BEATS:
                found.append(Performance(folder / row["midi_filename"], row["style"], bpm, int(beats)))
    return found


def near(performances: list[Performance], styles: str, bpm: float, beats_per_bar: int) -> list[Performance]:
    """Those that are near in tempo, in the same metre, and of a style that matches `styles`."""
    return [
        p
        for p in performances
        if p.beats_per_bar == beats_per_bar and 1 / NEAR <= p.bpm / bpm <= NEAR and re.match(styles, p.style)
    ]


def drum_part(performance: Performance, song: Song, bars: list[int], kit: int) -> Part:
    """The performance on the song's bars, given by their quarter notes; over and over, a shorter bar takes its beginning."""
    by_bar = _by_bar(performance)
    notes, start = [], 0
    for number, quarters in enumerate(bars):
        for beat, note in by_bar[number % len(by_bar)]:
            if beat < quarters - EARLY:
                at = max(round((start + beat) * song.ticks_per_quarter), 0)
                notes.append(note._replace(start=at, end=at + song.ticks_per_quarter // 8))
        start += quarters
    return merged([Part(kit, True, "", tuple(notes))], kit, f"Drums {performance.path.stem}")


def _by_bar(performance: Performance) -> list[list[tuple[float, Note]]]:
    """The strokes of each bar, each with its place in the bar in beats; an unfinished last bar is left out."""
    song = read_song(performance.path)
    bars: dict[int, list[tuple[float, Note]]] = {}
    for note in (note for part in song.parts if part.is_drum for note in part.notes):
        beat = note.start / song.ticks_per_quarter
        bar = int((beat + EARLY) // performance.beats_per_bar)
        stroke = (beat - bar * performance.beats_per_bar, note._replace(pitch=RIMS.get(note.pitch, note.pitch)))
        bars.setdefault(bar, []).append(stroke)
    if not bars:
        raise UserError(f"{performance.path}: no strokes")
    whole = [bars.get(number, []) for number in range(max(bars) + 1)]
    return whole[:-1] if len(whole) > 1 and len(whole[-1]) < len(whole[-2]) / 2 else whole
