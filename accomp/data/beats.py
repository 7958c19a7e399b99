"""Where the beats and the bar lines of a song lie, read from its MIDI file.

A beat is what the metre counts: a quarter in 4/4 or 3/4, a dotted quarter in 6/8, 9/8 and 12/8.
"""

from pathlib import Path

from accomp.beat.grid import BeatGrid
from accomp.data.midi import read_song
from accomp.data.song import Metre, Song


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
    compound = metre.denominator >= 8 and metre.numerator > 3 and metre.numerator % 3 == 0
    count = metre.numerator // 3 if compound else metre.numerator
    return [start + bar * beat // count for beat in range(count)]
