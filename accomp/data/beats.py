"""Where the beats and the bar lines of a song lie, read from its MIDI file.

A beat is what the metre counts: a quarter in 4/4 or 3/4, a dotted quarter in 6/8, 9/8 and 12/8.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from accomp.data.midi import Metre, Song, read_song


@dataclass(frozen=True)
class BeatGrid:
    """The pulse of a song: times of its beats and of the first beat of each bar, in seconds, ascending.

    Every downbeat is a beat. The last beat closes the song: the phase is defined up to it.
    """

    beats_s: np.ndarray
    downbeats_s: np.ndarray

    @cached_property
    def _bars(self) -> tuple[np.ndarray, np.ndarray]:
        """Per beat but the last: how many beats of its bar lie behind it (NaN before bar one), and its bar's length."""
        first = np.searchsorted(self.beats_s, self.downbeats_s - 1e-6)
        beat = np.arange(len(self.beats_s) - 1)
        bar = np.searchsorted(first, beat, side="right") - 1
        bounds = np.append(first, len(self.beats_s) - 1)
        # A song that ends inside a bar leaves that bar unfinished: take it to be as long as the one before.
        lengths = np.diff(bounds)
        if len(lengths) > 1 and bounds[-2] != bounds[-1]:
            lengths[-1] = max(lengths[-1], lengths[-2])
        if not len(first):
            return np.full(len(beat), np.nan), np.ones(len(beat))
        place = np.where(bar >= 0, beat - first[bar], np.nan)
        return place, np.where(bar >= 0, lengths[bar], 1)

    def phase(self, times_s: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """How far into its beat and its bar each moment lies, both in [0, 1), and how long that beat is in seconds.

        Shapes follow `times_s`. NaN outside the song. Within a bar the phase advances evenly from beat to beat, so a
        bar that slows down reaches its middle on its middle beat.
        """
        times_s = np.asarray(times_s, dtype=np.float64)
        beat_phase, bar_phase, period_s = (np.full(times_s.shape, np.nan) for _ in range(3))
        if len(self.beats_s) < 2:
            return beat_phase, bar_phase, period_s
        within = (times_s >= self.beats_s[0]) & (times_s < self.beats_s[-1])
        index = np.searchsorted(self.beats_s, times_s[within], side="right") - 1
        length = np.diff(self.beats_s)[index]
        # Division can round up to 1.0 just before the next beat.
        phase = np.minimum((times_s[within] - self.beats_s[index]) / length, np.nextafter(1.0, 0.0))
        place, beats_in_bar = self._bars
        beat_phase[within], period_s[within] = phase, length
        bar_phase[within] = np.minimum((place[index] + phase) / beats_in_bar[index], np.nextafter(1.0, 0.0))
        return beat_phase, bar_phase, period_s


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
