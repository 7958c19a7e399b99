"""What a metric is to everything else: an excerpt in, named numbers out.

A number is NaN where the question makes no sense (the harmony of drums). Where an answer FAILED (no beat in a silent
stem) it is the worst value, never a gap: a mean over the answers that happened to work would be too good.

A metric of excerpts is one module of this package; nothing else has to know it. It has

    COLUMNS: tuple of Column       what of it stands in tables (everything it returns is in scores.csv)
    make_metric(options) -> Metric

and may have `depends_on(options) -> str`, a text that differs when the same answer may score differently (another
tracker), and `OF_COPIES = True` if it only makes sense for what should resemble the recording itself.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from accomp.beat.chords import BeatChords


@dataclass(frozen=True)
class Excerpt:
    """One stem to be scored, with what it was played against and what it might have been.

    `answer`, `context` and `truth` are (N,) float32 of the same length; `stem` is one of the four stems. `beats_s` and
    `downbeats_s` are the beats of the score and those that begin a bar, in seconds from the first sample, and `chords`
    what stands at each beat; None where there is no score.
    """

    stem: str
    answer: np.ndarray
    context: np.ndarray
    truth: np.ndarray
    beats_s: np.ndarray | None
    downbeats_s: np.ndarray | None = None
    chords: BeatChords | None = None

    def __post_init__(self):
        lengths = {len(self.answer), len(self.context), len(self.truth)}
        assert len(lengths) == 1, f"answer, context and truth differ in length: {sorted(lengths)}"


@dataclass(frozen=True)
class Column:
    """A number as it stands in tables; a normalised one also between a random pairing (0) and the truth (1)."""

    name: str
    heading: str
    meaning: str
    normalised: bool = False


@dataclass(frozen=True)
class Options:
    """What metrics may be told: the beat tracker, the coherence model, and whether stems without a beat are left out."""

    tracker: str = "madmom"
    coherence: str = "models/coherence"
    drop_failures: bool = False


Metric = Callable[[Excerpt], dict[str, float]]
