"""Songs as a living player plays them, made in the notes, where it is exact: rests, other tempi, other metres."""

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np

from accomp.data.song import Metre, Note, Part, Song, Tempo
from accomp.errors import UserError

SLOWEST_US = 2**24 - 1  # microseconds per quarter note that a MIDI file can count


def with_rest(song: Song, start_s: float, stop_s: float) -> Song:
    """The song with nobody playing between two moments: notes that begin there are left out, others end at its start."""
    start, stop = song.tick_at(start_s), song.tick_at(stop_s)

    def rested(note: Note) -> Note:
        return note._replace(end=max(min(note.end, start), note.start + 1)) if note.start < start else note

    return _with_notes(song, lambda notes: (rested(note) for note in notes if not start <= note.start < stop))


def with_tempo(song: Song, start_s: float, factor: float, ramp_s: float = 0.0) -> Song:
    """The song at `factor` times its tempo from the bar line at or before `start_s` on, or reached evenly in `ramp_s`.

    A ramp is made of steps of one beat. `ramp_s` counts at the song's own tempo.
    """
    start = song.bar_at(song.tick_at(start_s))
    stop = max(song.tick_at(float(song.seconds(start)) + ramp_s), start)
    steps = [*range(start, stop, song.ticks_per_quarter), stop]
    own = {tempo.tick: tempo for tempo in song.tempos}
    for tick in steps:
        own.setdefault(tick, _tempo_at(song, tick))
    changed = []
    for tick in sorted(own):
        done = np.clip((tick - start) / max(stop - start, 1), 0, 1) if tick < stop else float(tick >= start)
        speed = 1 + (factor - 1) * done
        changed.append(Tempo(tick, min(round(own[tick].us_per_quarter / speed), SLOWEST_US)))
    return replace(song, tempos=tuple(changed))


def _tempo_at(song: Song, tick: int) -> Tempo:
    return [tempo for tempo in song.tempos if tempo.tick <= tick][-1]._replace(tick=tick)


def in_metre(song: Song, beats: int) -> Song:
    """A song in 4/4 with bars of 2 to 7 quarter notes: the last beats of each bar, or of two bars together, are left out.

    Raises UserError for a song in another metre.
    """
    if [metre[1:] for metre in song.metres] != [(4, 4)] or not 2 <= beats <= 7:
        raise UserError("only a song that is in 4/4 throughout can be brought into another metre, of 2 to 7 beats")
    old = 4 * song.ticks_per_quarter * (1 if beats <= 4 else 2)
    new = beats * song.ticks_per_quarter

    def moved(notes: tuple[Note, ...]) -> list[Note]:
        kept = []
        for note in notes:
            bar, place = divmod(note.start, old)
            if place < new:
                last = bar * old + new  # no note sounds into what is left out
                shift = bar * (old - new)
                kept.append(note._replace(start=note.start - shift, end=min(note.end, last) - shift))
        return kept

    def at(tick: int) -> int:
        bar, place = divmod(tick, old)
        return bar * new + min(place, new)

    moved_song = _with_notes(song, moved)
    parts = tuple(
        replace(part, controls=tuple(control._replace(tick=at(control.tick)) for control in part.controls))
        for part in moved_song.parts
    )
    tempos = {at(tempo.tick): tempo._replace(tick=at(tempo.tick)) for tempo in song.tempos}
    return Song(song.ticks_per_quarter, tuple(tempos.values()), (Metre(0, beats, 4),), parts)


def _with_notes(song: Song, change: Callable[[tuple[Note, ...]], Iterable[Note]]) -> Song:
    parts: list[Part] = [replace(part, notes=tuple(change(part.notes))) for part in song.parts]
    return Song(song.ticks_per_quarter, song.tempos, song.metres, tuple(part for part in parts if part.notes))
