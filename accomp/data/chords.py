"""The chords of a track, beat by beat, from all the pitched notes of its score."""

import numpy as np

from accomp.beat.chords import BeatChords, beat_chords
from accomp.data.midi import read_song
from accomp.data.song import pedalled
from accomp.data.track import Track


def track_chords(track: Track, beats_s: np.ndarray) -> BeatChords:
    """Chords between the beats `beats_s` of the score, all_src.mid. Raises UserError when it cannot be read."""
    song = read_song(track.midi)
    notes = [note for part in song.parts if not part.is_drum for note in pedalled(part)]
    times = song.seconds(np.array([(note.start, note.end) for note in notes], dtype=np.int64).reshape(-1, 2))
    return beat_chords(times[:, 0], times[:, 1], np.array([note.pitch for note in notes], dtype=int), beats_s)
