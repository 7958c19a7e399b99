"""What a metric is to everybody else: an excerpt in, named numbers out.

A number is NaN where the question makes no sense (the harmony of drums). Where an answer FAILED (nothing to track in a
silent stem) it is the worst value, never a gap: an average over the answers that happened to work would flatter.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Excerpt:
    """One stem to be judged, with what it was played against and what it might have been.

    `answer`, `context` and `truth` are (N,) float32 of the same length; `beats_s` are the beats of the score, in
    seconds from the first sample, None where there is no score; `stem` is one of the four stems.
    """

    stem: str
    answer: np.ndarray
    context: np.ndarray
    truth: np.ndarray
    beats_s: np.ndarray | None

    def __post_init__(self):
        lengths = {len(self.answer), len(self.context), len(self.truth)}
        assert len(lengths) == 1, f"answer, context and truth differ in length: {sorted(lengths)}"


Metric = Callable[[Excerpt], dict[str, float]]
