"""A metronome, to find the beat in."""

from accomp.data.band.compose import TICKS_PER_QUARTER
from accomp.data.song import Metre, Note, Part, Song, Tempo


def click_track(beats: int, bpm: float, metre: tuple[int, int] = (4, 4)) -> Song:
    """A closed hi-hat exactly on every beat."""
    beat = TICKS_PER_QUARTER * 4 // metre[1]
    notes = tuple(Note(i * beat, i * beat + beat // 2, 42, 110) for i in range(beats))
    part = Part(0, True, "click", notes)
    return Song(TICKS_PER_QUARTER, (Tempo(0, round(60e6 / bpm)),), (Metre(0, *metre),), (part,))
