"""Which notes sound in every frame of a stem, read from its MIDI files: as pitch classes, or as keys and drum strokes."""

from typing import NamedTuple

import numpy as np

from accomp.codec.spectrum import PITCHES
from accomp.codec.transcriber import DRUMS, LOWEST_PITCH
from accomp.data.midi import read_song
from accomp.data.song import pedalled
from accomp.data.track import Track
from accomp.timeline import PITCH_CLASSES

DRUM_OF_KEY = {  # General MIDI's percussion keys
    **dict.fromkeys((35, 36), "kick"),
    **dict.fromkeys((37, 38, 39, 40), "snare"),
    **dict.fromkeys((42, 44), "closed hat"),
    46: "open hat",
    **dict.fromkeys((41, 43, 45), "low tom"),
    **dict.fromkeys((47, 48, 50), "high tom"),
    **dict.fromkeys((49, 52, 55, 57), "crash"),
    **dict.fromkeys((51, 53, 59), "ride"),
}


def pitch_classes(roll: np.ndarray) -> np.ndarray:
    """Twelve bits for each frame of a roll (PITCHES + len(DRUMS), T), int (T,): bit k is set where a key of class k sounds."""
    bits = np.zeros(roll.shape[1], int)
    keys, frames = np.nonzero(roll[:PITCHES])
    np.bitwise_or.at(bits, frames, 1 << (keys + LOWEST_PITCH) % PITCH_CLASSES)
    return bits


def lowest_pitches(roll: np.ndarray) -> np.ndarray:
    """The lowest MIDI pitch in each frame of a roll (PITCHES + len(DRUMS), T), 0 where no key sounds: int (T,)."""
    sounding = roll[:PITCHES] > 0
    return np.where(sounding.any(0), sounding.argmax(0) + LOWEST_PITCH, 0)


def chroma_rows(bits: np.ndarray) -> np.ndarray:
    """(T,) of twelve bits each -> (PITCH_CLASSES, T) of 0 and 1, float32."""
    return (bits >> np.arange(PITCH_CLASSES)[:, None] & 1).astype(np.float32)


class Notes(NamedTuple):
    """The notes of a stem: begin and end in seconds, MIDI pitch, velocity, and whether they are drum strokes; (M,) each."""

    start_s: np.ndarray
    end_s: np.ndarray
    pitch: np.ndarray
    velocity: np.ndarray
    is_drum: np.ndarray


def read_notes(track: Track, stem: str) -> Notes | None:
    """All notes of a stem, held as the sustain pedal holds them; None when one of its MIDI files is missing."""
    midis = [track.path / "MIDI" / f"{sound.stem}.mid" for sound in track.stem_files[stem]]
    if not midis or not all(midi.is_file() for midi in midis):
        return None
    rows = []
    for song in map(read_song, midis):
        for part in song.parts:
            notes = pedalled(part)
            times = song.seconds(np.array([note[:2] for note in notes], dtype=np.int64).reshape(-1, 2))
            rows += [(*time, note.pitch, note.velocity, part.is_drum) for time, note in zip(times, notes, strict=True)]
    table = np.array(rows, dtype=np.float64).reshape(-1, 5)
    return Notes(table[:, 0], table[:, 1], table[:, 2].astype(int), table[:, 3].astype(int), table[:, 4] > 0)


def note_roll(notes: Notes, start_s: float, frames: int, frame_s: float, semitones: int = 0) -> np.ndarray:
    """Keys and drum strokes in `frames` frames from `start_s` on, (PITCHES + len(DRUMS), T) float32.

    A key is 2 in the frame where a note begins and 1 while it goes on; a stroke has its velocity / 64 in its frame.
    """
    roll = np.zeros((PITCHES + len(DRUMS), frames), np.float32)
    first = np.floor((notes.start_s - start_s) / frame_s + 1e-6).astype(int)
    last = np.maximum(np.ceil((notes.end_s - start_s) / frame_s - 1e-6).astype(int), first + 1)
    inside = np.flatnonzero((last > 0) & (first < frames))
    beginning = inside[first[inside] >= 0]
    for i in inside[~notes.is_drum[inside]]:
        key = notes.pitch[i] + semitones - LOWEST_PITCH
        if 0 <= key < PITCHES:
            roll[key, max(first[i], 0) : last[i]] = np.maximum(roll[key, max(first[i], 0) : last[i]], 1)
    for i in beginning:
        key = notes.pitch[i] + semitones - LOWEST_PITCH
        if notes.is_drum[i]:
            if (drum := DRUM_OF_KEY.get(notes.pitch[i])) is not None:
                row = PITCHES + DRUMS.index(drum)
                roll[row, first[i]] = max(roll[row, first[i]], notes.velocity[i] / 64)
        elif 0 <= key < PITCHES:
            roll[key, first[i]] = 2
    return roll
