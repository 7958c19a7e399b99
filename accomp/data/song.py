"""A song as notes, in ticks: one part per instrument, with the song's tempos and metres."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

SUSTAIN_PEDAL = 64


class Note(NamedTuple):
    start: int  # ticks
    end: int  # ticks
    pitch: int
    velocity: int


class Control(NamedTuple):
    """A controller (number 0-127) or, with number -1, the pitch wheel (value -8192..8191)."""

    tick: int
    number: int
    value: int


class Tempo(NamedTuple):
    tick: int
    us_per_quarter: int


class Metre(NamedTuple):
    tick: int
    numerator: int
    denominator: int


@dataclass(frozen=True)
class Part:
    """What one instrument plays; notes sorted by start, controls by tick."""

    program: int
    is_drum: bool
    name: str
    notes: tuple[Note, ...]
    controls: tuple[Control, ...] = ()


@dataclass(frozen=True)
class Song:
    """A whole arrangement with its tempo and metre; all times in ticks."""

    ticks_per_quarter: int
    tempos: tuple[Tempo, ...]
    metres: tuple[Metre, ...]
    parts: tuple[Part, ...] = field(default=())

    @cached_property
    def end(self) -> int:
        """Tick at which the last note ends (0 without notes)."""
        return max((note.end for part in self.parts for note in part.notes), default=0)

    @cached_property
    def start(self) -> int:
        """Tick at which the first note begins (0 without notes)."""
        return min((part.notes[0].start for part in self.parts if part.notes), default=0)

    @cached_property
    def _tempo_map(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        ticks = np.array([tempo.tick for tempo in self.tempos], dtype=np.int64)
        rates = np.array([tempo.us_per_quarter for tempo in self.tempos]) / (1e6 * self.ticks_per_quarter)
        seconds = np.concatenate([[0.0], np.cumsum(np.diff(ticks) * rates[:-1])])
        return ticks, seconds, rates

    def seconds(self, ticks: int | Sequence[int] | np.ndarray) -> np.ndarray:
        """When these ticks sound, in seconds, through every tempo change."""
        at, seconds, rates = self._tempo_map
        ticks = np.asarray(ticks)
        segment = np.searchsorted(at, ticks, side="right") - 1
        return seconds[segment] + (ticks - at[segment]) * rates[segment]

    def tick_at(self, seconds: float) -> int:
        """The last tick that is not later than `seconds`."""
        at, starts, rates = self._tempo_map
        segment = max(int(np.searchsorted(starts, seconds, side="right")) - 1, 0)
        return int(at[segment] + (seconds - starts[segment]) / rates[segment])

    def bar_at(self, tick: int) -> int:
        """Tick of the last bar line that is not later than `tick`."""
        metre = self.metres[bisect_right([m.tick for m in self.metres], tick) - 1]
        return metre.tick + (tick - metre.tick) // self.bar_ticks(metre) * self.bar_ticks(metre)

    def bar_ticks(self, metre: Metre) -> int:
        return max(self.ticks_per_quarter * 4 * metre.numerator // metre.denominator, 1)

    def cut(self, start: int, end: int) -> "Song":
        """The song between two ticks, begun again at tick 0; what was set before `start` still holds there."""
        parts = []
        for part in self.parts:
            notes = tuple(
                note._replace(start=note.start - start, end=min(note.end, end) - start)
                for note in part.notes
                if start <= note.start < end
            )
            if notes:
                parts.append(replace(part, notes=notes, controls=_carry_over(part.controls, start, end)))
        tempos, metres = (_carry_over(events, start, end) for events in (self.tempos, self.metres))
        return Song(self.ticks_per_quarter, tempos, metres, tuple(parts))

    def varied(self, semitones: int, speed: float) -> "Song":
        """The song in another key and tempo; drums keep their keys, notes that leave the keyboard return by octaves."""
        # A MIDI file counts microseconds per quarter in 24 bits.
        tempos = [t._replace(us_per_quarter=min(round(t.us_per_quarter / speed), 2**24 - 1)) for t in self.tempos]
        parts = []
        for part in self.parts:
            shift = 0 if part.is_drum else semitones
            notes = (note._replace(pitch=_on_keyboard(note.pitch + shift)) for note in part.notes)
            parts.append(replace(part, notes=tuple(sorted(notes))))
        return replace(self, tempos=tuple(tempos), parts=tuple(parts))


def _on_keyboard(pitch: int) -> int:
    return pitch + 12 if pitch < 0 else pitch - 12 if pitch > 127 else pitch


def _carry_over(events: Iterable, start: int, end: int) -> tuple:
    """Events in [start, end) moved to begin at 0, plus, at tick 0, the earlier ones in their order.

    Controllers keep their whole history: registered parameters (bend range, tuning) are sequences, not single values.
    Of tempos and metres only the last earlier one is kept.
    """
    earlier = [event for event in events if event.tick <= start]
    if earlier and not isinstance(earlier[0], Control):
        earlier = earlier[-1:]
    moved = [event._replace(tick=0) for event in earlier]
    return tuple(moved + [event._replace(tick=event.tick - start) for event in events if start < event.tick < end])


def pedalled(part: Part) -> tuple[Note, ...]:
    """The notes as they sound with the sustain pedal: held until it comes up or the same key is struck again.

    The synthesiser does not know the pedal, so its effect is written into the note lengths.
    """
    pedal = [control for control in part.controls if control.number == SUSTAIN_PEDAL]
    if not any(control.value >= 64 for control in pedal):
        return part.notes
    ticks = [control.tick for control in pedal]
    lifts = [control.tick for control in pedal if control.value < 64]
    struck: dict[int, list[int]] = defaultdict(list)
    for note in part.notes:
        struck[note.pitch].append(note.start)
    held = []
    for note in part.notes:
        last = bisect_right(ticks, note.end) - 1
        if last >= 0 and pedal[last].value >= 64:
            lift = bisect_right(lifts, note.end)
            end = lifts[lift] if lift < len(lifts) else note.end
            again = bisect_right(struck[note.pitch], note.end - 1)
            if again < len(struck[note.pitch]):
                end = min(end, struck[note.pitch][again])
            note = note._replace(end=max(end, note.end))
        held.append(note)
    return tuple(held)
