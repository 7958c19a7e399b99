"""Reads POP909: the piano and the melody of pop songs, with their annotated beats and chords.

POP909 (Wang et al. 2020, MIT licence, https://github.com/music-x-lab/POP909-Dataset) holds for every song NNN a folder with
NNN.mid (tracks MELODY, BRIDGE and PIANO), beat_midi.txt (second of every beat, and whether a bar begins) and chord_midi.txt
(first second, last second, chord).
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mir_eval.chord import InvalidChordException, pitch_class_to_semitone, scale_degree_to_semitone

from accomp.data.humanise import LEAST_TICKS_PER_QUARTER
from accomp.data.midi import read_song
from accomp.data.song import Control, Note, Part, Song, Tempo
from accomp.data.songs.chords import NAMES, NO_CHORD
from accomp.data.songs.instruments import in_compass, merged
from accomp.data.songs.sheet import Bar, Sheet
from accomp.errors import UserError

BEATS = 4  # of a whole bar; songs whose bars have six are left out
STEADY = 1.5  # the beats around the middle of a song's tempos; others are faults of the annotation
QUALITIES = {
    "maj": "", "min": "m", "7": "7", "maj7": "M7", "min7": "m7", "minmaj7": "mM7", "maj6": "6", "min6": "m6", "sus2": "sus2",
    "sus4": "sus4", "sus4(b7)": "7sus4", "dim": "dim", "dim7": "dim7", "hdim7": "m7b5", "aug": "+",
}  # fmt: skip


@dataclass(frozen=True)
class PopSong:
    """A song of POP909: its chords, the tempo of every beat, and its two human parts, in LEAST_TICKS_PER_QUARTER."""

    sheet: Sheet
    tempos: tuple[Tempo, ...]
    piano: Part
    melody: Part


def read_pop_song(folder: Path) -> PopSong:
    """Read the folder of one song. Tick 0 is its first beat; raises UserError when its annotations are of no use."""
    beats, downbeats = _beats(folder / "beat_midi.txt")
    song = read_song(folder / f"{folder.name}.mid")
    every = np.diff(beats)
    if every.max() > STEADY * np.median(every) or every.min() < np.median(every) / STEADY:
        raise UserError("beats that are not steady")
    bpm = 60 / float(np.median(every))
    bars = _bars(downbeats, _chords(folder / "chord_midi.txt", beats))
    sheet = Sheet(f"pop909_{folder.name}", f"POP909 {folder.name}", "", bpm, 4, bars)
    tempos = [Tempo(n * LEAST_TICKS_PER_QUARTER, round(s * 1e6)) for n, s in enumerate(every)]
    kept = tuple(t for n, t in enumerate(tempos) if not n or t.us_per_quarter != tempos[n - 1].us_per_quarter)
    parts = [_on_beats(song, part, beats) for part in song.parts]
    named = {name: [p for p in parts if p.name.strip().upper() == name and p.notes] for name in ("PIANO", "MELODY", "BRIDGE")}
    if not named["PIANO"] or not named["MELODY"]:
        raise UserError("no piano or no melody")
    piano = named["PIANO"][0]
    melody = merged(named["MELODY"] + named["BRIDGE"], 25, "Guitar melody")
    return PopSong(sheet, kept, Part(0, False, "Piano", piano.notes, piano.controls), in_compass(melody))


def _beats(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Seconds of the beats, and where among them the bars begin (the third column)."""
    try:
        table = np.loadtxt(path, ndmin=2)
        beats, downbeats = table[:, 0], np.flatnonzero(table[:, 2])
    except (OSError, ValueError, IndexError) as error:
        raise UserError(f"{path.name}: not readable: {error}") from error
    lengths = np.diff(downbeats)
    if len(lengths) < 8 or np.bincount(lengths).argmax() != BEATS:
        raise UserError(f"fewer than eight bars, or bars that are not of {BEATS} beats")
    if (np.diff(beats) <= 0).any():
        raise UserError("beats out of order")
    return beats, downbeats


def _chords(path: Path, beats: np.ndarray) -> list[str]:
    """The chord that sounds on each beat; a chord that begins within a beat counts from the nearer beat."""
    try:
        rows = [line.split() for line in path.read_text().splitlines() if line.strip()]
        begun, names = np.array([float(row[0]) for row in rows]), [chord_name(row[2]) for row in rows]
    except (OSError, ValueError, IndexError, KeyError, InvalidChordException) as error:
        raise UserError(f"{path.name}: not readable: {error}") from error
    half = np.diff(beats, append=2 * beats[-1] - beats[-2]) / 2
    at = np.searchsorted(begun, beats + half, side="right") - 1
    return [names[index] if index >= 0 else NO_CHORD for index in at]


def chord_name(text: str) -> str:
    """A chord of the annotations as charts write it: B:min7 -> Bm7, Eb:min/b3 -> Ebm/Gb, N -> no chord."""
    chord, _, degree = text.partition("/")
    root, _, quality = chord.partition(":")
    if root == "N":
        return NO_CHORD
    bass = ""
    if degree:
        bass = "/" + NAMES[(pitch_class_to_semitone(root) + scale_degree_to_semitone(degree)) % 12]
    return root + QUALITIES[quality] + bass


def _bars(downbeats: np.ndarray, chords: list[str]) -> tuple[Bar, ...]:
    """Bars from one downbeat to the next; longer ones are cut into bars of BEATS and a rest, an upbeat comes first."""
    ends = [*(int(beat) for beat in downbeats if beat), len(chords)]
    bars, at = [], 0
    for end in ends:
        while at < end:
            beats = min(end - at, BEATS)
            here = chords[at : at + beats]
            changes = tuple((float(n), name) for n, name in enumerate(here) if not n or name != here[n - 1])
            bars.append(Bar(beats, changes))
            at += beats
    return tuple(bars)


def _on_beats(song: Song, part: Part, beats: np.ndarray) -> Part:
    """The part in ticks of the annotated beats; what lies before the first and after the last is left out."""
    last = (len(beats) - 1) * LEAST_TICKS_PER_QUARTER

    def ticks(values: list[int]) -> list[int]:
        place = np.interp(song.seconds(values), beats, np.arange(len(beats)), left=-1, right=len(beats))
        return np.round(place * LEAST_TICKS_PER_QUARTER).astype(int).tolist()

    starts, ends = ticks([note.start for note in part.notes]), ticks([note.end for note in part.notes])
    notes = [
        Note(start, max(min(end, last), start + 1), note.pitch, note.velocity)
        for start, end, note in zip(starts, ends, part.notes, strict=True)
        if 0 <= start < last
    ]
    places = ticks([control.tick for control in part.controls])
    controls = (Control(max(at, 0), c.number, c.value) for at, c in zip(places, part.controls, strict=True) if at <= last)
    return Part(part.program, part.is_drum, part.name, tuple(sorted(notes)), tuple(controls))
