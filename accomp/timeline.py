"""One timeline: every sample has an absolute index, counted from the start of the session.

The only home of the sample rate, of the window on the wire and of the arithmetic between samples, latent frames and
seconds. Frame j of a codec with hop H covers samples [j H, (j+1) H); a span that is not a whole number of frames is
covered outward and cut back to the exact sample, so that nothing ever drifts.
"""

import math
from dataclasses import dataclass

SAMPLE_RATE = 44_100  # Hz
WINDOW = 264_600  # samples; the prediction window T (6 s) that step ratios refer to on the wire
STEMS = ("bass", "drums", "guitar", "piano")
PITCH_CLASSES = 12  # C first


@dataclass(frozen=True)
class Step:
    """How far a session advances and how far ahead it answers: step ratio r and depth w of a window of T samples.

    The answer to the live edge `edge` is the span [edge + w * step, edge + (w + 1) * step), in samples.
    """

    ratio: float = 0.25
    depth: float = 1.0
    window: int = WINDOW

    def __post_init__(self):
        if not 0 < self.ratio <= 1:
            raise ValueError(f"step ratio r must lie in (0, 1], got {self.ratio}")
        if not math.isfinite(self.depth) or not -1 <= self.depth <= 8:
            raise ValueError(f"depth w must lie in [-1, 8], got {self.depth}")

    @property
    def samples(self) -> int:
        """Length of the step in samples, truncated as the Max external truncates it: int(T * r)."""
        return int(self.window * self.ratio)

    @property
    def seconds(self) -> float:
        return self.samples / SAMPLE_RATE

    @property
    def offset(self) -> int:
        """Samples from the live edge to the start of the answer: int(w * r * T), truncated toward zero."""
        return int(self.depth * self.ratio * self.window)

    @property
    def visibility_s(self) -> float:
        """Minus the distance from the live edge to the start of the answer, in seconds (-1.5 at w = 1, r = 0.25)."""
        return -self.offset / SAMPLE_RATE


def frames_covering(start: int, stop: int, hop: int) -> tuple[int, int]:
    """First and one-past-last frame that cover the samples [start, stop)."""
    return start // hop, -(-stop // hop)


def to_samples(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE)


def to_seconds(samples: float) -> float:
    return samples / SAMPLE_RATE
