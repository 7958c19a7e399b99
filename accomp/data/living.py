"""Songs as a living player plays them, made in the notes, where it is exact: rests, other tempi, other metres."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from accomp.data.beats import is_compound
from accomp.data.song import Control, Metre, Note, Part, Song, Tempo
from accomp.errors import UserError

SLOWEST_US = 2**24 - 1  # microseconds per quarter note that a MIDI file can count
# Of the songs that are varied, the shares that change in each way; only songs in 4/4 change their metre.
METRE, COMPOUND, TEMPO, RAMP, REST, NO_DRUMS = 0.5, 0.3, 0.5, 0.5, 0.6, 0.25
FACTOR, RAMP_S, REST_S = (0.7, 1.45), (4.0, 20.0), (2.0, 12.0)  # of the tempo; lengths


def lived(song: Song, seed: int, seconds: float) -> Song:
    """The song as a living player might play its first `seconds`: its metre, tempo, a rest and no drums drawn from a seed."""
    rng = np.random.default_rng(seed)
    if [metre[1:] for metre in song.metres] == [(4, 4)] and rng.random() < METRE:
        beats = int(rng.integers(2, 8))
        song = in_metre(song, beats) if beats != 4 else song
        song = in_compound_metre(song) if beats <= 4 and rng.random() < COMPOUND else song
    length_s = min(seconds, float(song.seconds(song.end)))
    if rng.random() < TEMPO:
        factor = float(np.exp(rng.uniform(*np.log(FACTOR))))
        ramp_s = float(rng.uniform(*RAMP_S)) if rng.random() < RAMP else 0.0
        song = with_tempo(song, float(rng.uniform(0.2, 0.8)) * length_s, factor, ramp_s)
    if rng.random() < REST:
        start_s = float(rng.uniform(0.2, 0.8)) * length_s
        song = with_rest(song, start_s, start_s + float(rng.uniform(*REST_S)))
    if rng.random() < NO_DRUMS and any(not part.is_drum for part in song.parts):
        song = replace(song, parts=tuple(part for part in song.parts if not part.is_drum))
    return song


def repeated(song: Song, seconds: float) -> Song:
    """The song over and over from the bar of its first note, until it lasts for `seconds` at least."""
    song = song.cut(song.bar_at(song.start), song.end + 1)
    bar = song.bar_at(song.end - 1)
    length = bar + song.bar_ticks([metre for metre in song.metres if metre.tick <= bar][-1])
    turns = range(max(-(-round(seconds * 1000) // max(round(float(song.seconds(length)) * 1000), 1)), 1))

    def again(events: Sequence, move: Callable) -> tuple:
        return tuple(move(event, turn * length) for turn in turns for event in events)

    def later(event: Tempo | Metre | Control, ticks: int) -> Tempo | Metre | Control:
        return event._replace(tick=event.tick + ticks)

    parts = tuple(replace(part, notes=again(part.notes, _later), controls=again(part.controls, later)) for part in song.parts)
    metres = again(song.metres, later) if len(song.metres) > 1 else song.metres
    return Song(song.ticks_per_quarter, again(song.tempos, later), metres, parts)


def at_tempo(song: Song, beats_per_minute: float) -> Song:
    """The song at one steady tempo, in the beats that its first metre counts."""
    _, numerator, denominator = song.metres[0]
    quarters = 1.5 if is_compound(numerator, denominator) else 4 / denominator  # to the beat
    return replace(song, tempos=(Tempo(0, min(round(60e6 / beats_per_minute / quarters), SLOWEST_US)),))


def half_a_beat_late(song: Song, start_s: float) -> Song:
    """The song with all from the bar line at or before `start_s` on an eighth note later, which is a bar of its own."""
    start, eighth = song.bar_at(song.tick_at(start_s)), song.ticks_per_quarter // 2
    here = [metre for metre in song.metres if metre.tick <= start][-1]

    def moved(event: Tempo | Metre | Control) -> Tempo | Metre | Control:
        return event._replace(tick=event.tick + eighth * (event.tick >= start))

    parts = tuple(
        replace(
            part,
            notes=tuple(_later(note, eighth) if note.start >= start else note for note in part.notes),
            controls=tuple(map(moved, part.controls)),
        )
        for part in song.parts
    )
    before = tuple(metre for metre in song.metres if metre.tick < start)
    after = tuple(moved(metre) for metre in song.metres if metre.tick > start)
    metres = (*before, Metre(start, 1, 8), here._replace(tick=start + eighth), *after)
    return Song(song.ticks_per_quarter, tuple(map(moved, song.tempos)), metres, parts)


def _later(note: Note, ticks: int) -> Note:
    return note._replace(start=note.start + ticks, end=note.end + ticks)


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
        done = 1.0 if tick >= stop else max(tick - start, 0) / max(stop - start, 1)
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


def in_compound_metre(song: Song) -> Song:
    """A song in quarter notes, N/4, in 3N/8: every beat lasts as long as before and is divided into three, its second half
    falling on the third eighth note.

    Raises UserError for a song in another metre.
    """
    if len(song.metres) != 1 or song.metres[0].denominator != 4:
        raise UserError("only a song that is in quarter notes throughout can be brought into a compound metre")
    quarter = song.ticks_per_quarter

    def at(tick: int) -> int:
        beat, place = divmod(tick, quarter)
        return round(1.5 * quarter * (beat + np.interp(place / quarter, (0, 0.5, 1), (0, 2 / 3, 1))))

    def moved(notes: tuple[Note, ...]) -> list[Note]:
        return [note._replace(start=at(note.start), end=max(at(note.end), at(note.start) + 1)) for note in notes]

    compound = _with_notes(song, moved)
    parts = tuple(
        replace(part, controls=tuple(control._replace(tick=at(control.tick)) for control in part.controls))
        for part in compound.parts
    )
    tempos = tuple(Tempo(at(tempo.tick), round(tempo.us_per_quarter / 1.5)) for tempo in song.tempos)
    return Song(quarter, tempos, (Metre(0, 3 * song.metres[0].numerator, 8),), parts)


def _with_notes(song: Song, change: Callable[[tuple[Note, ...]], Iterable[Note]]) -> Song:
    parts: list[Part] = [replace(part, notes=tuple(change(part.notes))) for part in song.parts]
    return Song(song.ticks_per_quarter, song.tempos, song.metres, tuple(part for part in parts if part.notes))
