"""Which notes sound in every frame of a stem, read from its MIDI files: pitch classes, C first, whatever the octave."""

import math

import numpy as np

from accomp.data.midi import read_song
from accomp.data.slakh import Track
from accomp.data.song import pedalled
from accomp.data.vary import Variation
from accomp.timeline import PITCH_CLASSES, SAMPLE_RATE


def pitch_classes(
    track: Track, stem: str, frames: int, hop: int, variation: Variation = Variation()
) -> np.ndarray | None:
    """Twelve bits per frame, int (frames,): bit k is set where pitch class k sounds in some part of that frame.

    Drums have none. `variation` is that of the sound. None when a MIDI file is missing. Raises UserError on a damaged one.
    """
    bits = np.zeros(frames, int)
    if stem == "drums":
        return bits
    midis = [track.path / "MIDI" / f"{sound.stem}.mid" for sound in track.stem_files[stem]]
    if not all(midi.is_file() for midi in midis):
        return None
    rate = SAMPLE_RATE / hop / variation.speed  # frames per second of the song
    for song in map(read_song, midis):
        for part in song.parts:
            for note in pedalled(part):
                start, end = song.seconds([note.start, note.end]) * rate
                bits[int(start) : max(math.ceil(end), int(start) + 1)] |= (
                    1 << (note.pitch + round(variation.semitones)) % PITCH_CLASSES
                )
    return bits


def chroma_rows(bits: np.ndarray) -> np.ndarray:
    """(T,) of twelve bits each -> (PITCH_CLASSES, T) of 0 and 1, float32."""
    return (bits >> np.arange(PITCH_CLASSES)[:, None] & 1).astype(np.float32)
