"""Human timing for songs that a machine wrote: a slow drift of every part, a little chance in every note and its loudness."""

from dataclasses import replace

import numpy as np

from accomp.data.song import Note, Part, Song

LEAST_TICKS_PER_QUARTER = 960  # a tick is then under 1 ms from 63 bpm upwards
JITTER_S, DRUM_JITTER_S = (0.005, 0.025), (0.003, 0.008)  # standard deviation; one is drawn per part from this range
WITHIN_CHORD = 0.25  # notes struck together differ by this much of their common jitter
DRIFT_S, DRUM_DRIFT_S = 0.008, 0.003  # standard deviation of the slow drift
DRIFT_EVERY_S = 5.0  # a new value of the drift is drawn this often
VELOCITY = (3.0, 9.0)  # standard deviation; one is drawn per part from this range


def humanised(song: Song, seed: int) -> Song:
    """The song as people might play it: each part strays from the beat in its own way, drums least; the tempo map stays.

    No note moves by more than 2.5 times its part's jitter and three times its drift. The same seed gives the same song.
    """
    song = finely_timed(song)
    parts = (_humanised(song, part, np.random.default_rng([seed, number])) for number, part in enumerate(song.parts))
    return replace(song, parts=tuple(parts))


def finely_timed(song: Song) -> Song:
    """The same song with at least LEAST_TICKS_PER_QUARTER ticks to the quarter note."""
    factor = -(-LEAST_TICKS_PER_QUARTER // song.ticks_per_quarter)
    parts = []
    for part in song.parts:
        notes = tuple(note._replace(start=note.start * factor, end=note.end * factor) for note in part.notes)
        controls = tuple(control._replace(tick=control.tick * factor) for control in part.controls)
        parts.append(replace(part, notes=notes, controls=controls))
    settings = ([event._replace(tick=event.tick * factor) for event in events] for events in (song.tempos, song.metres))
    return Song(song.ticks_per_quarter * factor, *map(tuple, settings), tuple(parts))


def _humanised(song: Song, part: Part, rng: np.random.Generator) -> Part:
    if not part.notes:
        return part
    jitter_s = rng.uniform(*(DRUM_JITTER_S if part.is_drum else JITTER_S))
    drift_s = DRUM_DRIFT_S if part.is_drum else DRIFT_S
    starts, velocities = (np.array([note[column] for note in part.notes]) for column in (0, 3))
    at = song.seconds(starts)
    every = np.arange(0.0, at[-1] + 2 * DRIFT_EVERY_S, DRIFT_EVERY_S)
    shift = np.interp(at, every, _bounded(rng, drift_s, 3.0, len(every)))
    together = np.unique(starts, return_inverse=True)[1]
    alone = np.sqrt(1 - WITHIN_CHORD**2)
    shift += alone * _bounded(rng, jitter_s, 2.0, together.max() + 1)[together]
    shift += WITHIN_CHORD * _bounded(rng, jitter_s, 2.0, len(starts))
    ticks = np.round(shift / (song.seconds(starts + 1) - at)).astype(int)
    louder = rng.normal(0, rng.uniform(*VELOCITY), together.max() + 1)[together] + rng.normal(0, 2.0, len(starts))
    velocities = np.clip(np.round(velocities + louder), 1, 127).astype(int)
    moved = [
        Note(max(note.start + by, 0), max(note.end + by, 1), note.pitch, velocity)
        for note, by, velocity in zip(part.notes, ticks.tolist(), velocities.tolist(), strict=True)
    ]
    return replace(part, notes=tuple(sorted(_apart(part.notes, moved))))


def _bounded(rng: np.random.Generator, deviation: float, limit: float, size: int) -> np.ndarray:
    return deviation * np.clip(rng.normal(size=size), -limit, limit)


def _apart(written: tuple[Note, ...], moved: list[Note]) -> list[Note]:
    """`moved` with notes shortened where one would now sound into the next of its pitch, which it did not as `written`."""
    following: dict[int, int] = {}  # by pitch: the note that comes next
    for index in reversed(range(len(moved))):
        note, later = moved[index], following.get(written[index].pitch)
        if later is not None and written[index].end <= written[later].start:
            note = note._replace(end=min(note.end, moved[later].start))
        moved[index] = note._replace(end=max(note.end, note.start + 1))
        following[note.pitch] = index
    return moved
