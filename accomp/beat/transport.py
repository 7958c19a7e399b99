"""The beat given by the player's own software: the place and tempo of a transport."""

from dataclasses import dataclass, replace
from typing import Self

from accomp.timeline import SAMPLE_RATE


@dataclass(frozen=True)
class Transport:
    """A steady beat on the session's timeline: `beat` beats into the bar at absolute sample `sample`."""

    sample: int
    beat: float
    bpm: float
    beats_in_bar: int

    def at(self, sample: int, bpm: float) -> Self:
        """The same beat, going on from `sample` at another tempo."""
        beat = self.beat + (sample - self.sample) / SAMPLE_RATE * self.bpm / 60
        return replace(self, sample=sample, beat=beat % self.beats_in_bar, bpm=bpm)
