"""Where the beats and the bar lines of a song lie, read from its MIDI file.

A beat is what the metre counts: a quarter in 4/4 or 3/4, a dotted quarter in 6/8, 9/8 and 12/8.
"""

import csv
from pathlib import Path

import numpy as np

from accomp.beat.grid import BeatGrid
from accomp.data.midi import read_song
from accomp.data.song import Metre, Song
from accomp.data.track import Track
from accomp.errors import UserError


def track_grid(track: Track) -> BeatGrid | None:
    """The beats of a track from its score or its table of beats; None when it has neither.

    Raises UserError on a damaged one.
    """
    if track.midi is not None:
        return beat_grid(track.midi)
    return None if track.beats is None else beat_table(track.beats)


def beat_table(path: Path) -> BeatGrid:
    """The beats of a table: seconds, and the number of the beat in its bar (1 begins a bar), a line each, without a heading."""
    try:
        with path.open(newline="") as file:
            rows = [(float(time), int(number)) for time, number, *_ in csv.reader(file)]
    except (ValueError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: write a line `seconds,number in the bar` for every beat ({error})") from error
    times = np.array([time for time, _ in rows])
    if (np.diff(times) <= 0).any():
        raise UserError(f"{path}: the seconds of the beats must ascend")
    return BeatGrid(times, np.array([time for time, number in rows if number == 1]))


def beat_grid(midi: Path) -> BeatGrid:
    """The beats of a MIDI file, through all its tempo and metre changes. Raises UserError on a damaged file."""
    return grid_of(read_song(midi))


def grid_of(song: Song) -> BeatGrid:
    """The beats of a song from its beginning to the first bar line at or after its last note."""
    beats: list[int] = []
    downbeats: list[int] = []
    metres = [metre for metre in song.metres if metre.tick <= song.end]
    for metre, following in zip(metres, [*metres[1:], None], strict=True):
        bar = song.bar_ticks(metre)
        # A new metre begins a new bar wherever it comes; the last one runs on to a bar line.
        bars = max(-(-(song.end - metre.tick) // bar), 1)
        stop = following.tick if following else metre.tick + bars * bar + 1
        for start in range(metre.tick, stop, bar):
            downbeats.append(start)
            beats.extend(tick for tick in _beats_of_bar(metre, start, bar) if tick < stop)
    return BeatGrid(song.seconds(beats), song.seconds(downbeats))


def _beats_of_bar(metre: Metre, start: int, bar: int) -> list[int]:
    count = metre.numerator // 3 if is_compound(metre.numerator, metre.denominator) else metre.numerator
    return [start + bar * beat // count for beat in range(count)]


def is_compound(numerator: int, denominator: int) -> bool:
    """Whether a metre counts beats of three, as 6/8, 9/8 and 12/8 do."""
    return denominator >= 8 and numerator > 3 and numerator % 3 == 0
