"""A song as notes: what is in a MIDI file, in ticks, one part per instrument.

MIDI channels are shared by all tracks of a file, so program changes and controllers are followed per channel, wherever
they are written. A part is what one instrument plays: the notes of one (track, channel, program).
"""

import io
from bisect import bisect_right
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

import mido
import numpy as np
from mido.midifiles.meta import KeySignatureError

from accomp.disk import write_whole
from accomp.errors import UserError

DRUM_CHANNEL = 9  # counted from 0; General MIDI's channel 10
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


def read_song(path: Path) -> Song:
    """Read a MIDI file; raises UserError when it is not one or is damaged beyond reading."""
    try:
        midi = mido.MidiFile(path, clip=True)
    except FileNotFoundError:
        raise UserError(f"{path}: no such MIDI file") from None
    # mido lets its parser's failures through as they are; these are the ones damaged bytes can cause.
    except (OSError, EOFError, ValueError, LookupError, TypeError, AttributeError, KeySignatureError) as error:
        raise UserError(f"{path}: not a readable MIDI file ({type(error).__name__}: {error})") from error
    if midi.type == 2 or not 0 < midi.ticks_per_beat < 0x8000:
        raise UserError(f"{path}: only MIDI type 0 and 1 with ticks per quarter note can be used; convert the file")
    return _song_of(midi)


def _events(midi: mido.MidiFile) -> list[tuple[int, bool, int, mido.Message]]:
    """(tick, whether it is a note, track, message) in time order."""
    events = []
    for number, track in enumerate(midi.tracks):
        ticks = accumulate(message.time for message in track)
        # Within one tick settings come first, so that a note finds its instrument whatever track sets it.
        events += [(tick, m.type in ("note_on", "note_off"), number, m) for tick, m in zip(ticks, track, strict=True)]
    return sorted(events, key=lambda event: event[:3])


def _song_of(midi: mido.MidiFile) -> Song:
    """Walks all tracks of a file in time order and keeps what is sounding."""
    tempos, metres = {0: Tempo(0, 500_000)}, {0: Metre(0, 4, 4)}
    tick, programs, controls = 0, [0] * 16, defaultdict(list)
    notes: dict[tuple[int, int, int], list[Note]] = defaultdict(list)  # by track, channel, program
    sounding: dict[tuple[int, int, int], deque] = defaultdict(deque)  # by track, channel, pitch

    def end(track: int, channel: int, pitch: int) -> None:
        if sounding[track, channel, pitch]:
            start, velocity, program = sounding[track, channel, pitch].popleft()
            notes[track, channel, program].append(Note(start, max(tick, start + 1), pitch, velocity))

    for tick, _, track, message in _events(midi):
        match message.type:
            case "set_tempo" if message.tempo > 0:
                tempos[tick] = Tempo(tick, message.tempo)
            case "time_signature" if message.numerator > 0:
                metres[tick] = Metre(tick, message.numerator, message.denominator)
            case "program_change":
                programs[message.channel] = message.program
            case "control_change":
                controls[message.channel].append(Control(tick, message.control, message.value))
            case "pitchwheel":
                controls[message.channel].append(Control(tick, -1, message.pitch))
            case "note_on" if message.velocity > 0:
                begun = (tick, message.velocity, programs[message.channel])
                sounding[track, message.channel, message.note].append(begun)
            case "note_on" | "note_off":
                end(track, message.channel, message.note)
    for key, begun in list(sounding.items()):  # what is never ended sounds to the last event
        for _ in range(len(begun)):
            end(*key)
    parts = []
    for (track, channel, program), played in sorted(notes.items()):
        here = tuple(controls[channel])
        parts.append(Part(program, channel == DRUM_CHANNEL, midi.tracks[track].name, tuple(sorted(played)), here))
    in_order = (tuple(events[at] for at in sorted(events)) for events in (tempos, metres))
    return Song(midi.ticks_per_beat, *in_order, tuple(parts))


def song_bytes(song: Song) -> bytes:
    """A type 1 MIDI file: one track for tempo and metre, then one per part. The same song gives the same bytes."""
    midi = mido.MidiFile(type=1, ticks_per_beat=song.ticks_per_quarter)
    conductor = [(t.tick, mido.MetaMessage("set_tempo", tempo=int(t.us_per_quarter))) for t in song.tempos]
    for metre in song.metres:
        time = {"numerator": metre.numerator, "denominator": metre.denominator}
        conductor.append((metre.tick, mido.MetaMessage("time_signature", **time)))
    midi.tracks.append(_track(conductor))
    melodic = [channel for channel in range(16) if channel != DRUM_CHANNEL]
    used = 0
    for part in song.parts:
        channel = DRUM_CHANNEL if part.is_drum else melodic[used % len(melodic)]
        used += not part.is_drum
        midi.tracks.append(_track(_part_messages(part, channel)))
    buffer = io.BytesIO()
    midi.save(file=buffer)
    return buffer.getvalue()


def write_song(path: Path, song: Song) -> None:
    """Write a song as a MIDI file, whole or not at all."""
    write_whole(path, song_bytes(song))


def _part_messages(part: Part, channel: int) -> list[tuple[int, mido.Message]]:
    messages = []
    if part.name:
        messages.append((0, mido.MetaMessage("track_name", name=part.name)))
    messages.append((0, mido.Message("program_change", channel=channel, program=part.program)))
    for control in part.controls:
        if control.number < 0:
            message = mido.Message("pitchwheel", channel=channel, pitch=control.value)
        else:
            message = mido.Message("control_change", channel=channel, control=control.number, value=control.value)
        messages.append((control.tick, message))
    for note in part.notes:
        on = mido.Message("note_on", channel=channel, note=note.pitch, velocity=note.velocity)
        messages.append((note.start, on))
        messages.append((note.end, mido.Message("note_off", channel=channel, note=note.pitch, velocity=0)))
    return messages


def _track(messages: list[tuple[int, mido.Message]]) -> mido.MidiTrack:
    """Ticks to deltas; within one tick settings first, then note ends, then beginnings."""
    rank = {"note_off": 1, "note_on": 2}
    track, before = mido.MidiTrack(), 0
    for tick, message in sorted(messages, key=lambda item: (item[0], rank.get(item[1].type, 0))):
        track.append(message.copy(time=tick - before))
        before = tick
    return track


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
