"""One timeline: every sample has an absolute index, counted from the start of the session.

The only home of the sample rate, of the window on the wire and of the arithmetic between samples, latent frames and
seconds. Frame j of a codec with hop H covers samples [j H, (j+1) H); a span that is not a whole number of frames is
covered outward and cut back to the exact sample, so that nothing ever drifts.
"""

import math
import os
import sys
from dataclasses import dataclass

from accomp.errors import UserError

RATE_VARIABLE = "ACCOMP_SAMPLE_RATE"  # of the environment, so that the processes that a process starts have it too
WIRE_RATE = 44_100  # Hz; of clients, and of data and models that do not say theirs


def _chosen_rate() -> int:
    text = os.environ.get(RATE_VARIABLE, str(WIRE_RATE))
    if not text.isdecimal() or not 8_000 <= int(text) <= 192_000:
        sys.exit(f"error: {RATE_VARIABLE}={text}: write a sample rate in Hz from 8000 to 192000")
    return int(text)


SAMPLE_RATE = _chosen_rate()  # Hz; one for everything in a process
WINDOW = 6 * SAMPLE_RATE  # samples; the prediction window T that step ratios refer to on the wire
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


def check_rate(rate: int, what: str) -> None:
    """Raise UserError unless this is the sample rate of the process; `what` has it."""
    if rate != SAMPLE_RATE:
        raise UserError(
            f"{what} is of {rate} Hz and this process of {SAMPLE_RATE} Hz: set {RATE_VARIABLE}={rate} (serve.py plays "
            f"{WIRE_RATE} Hz only)"
        )


def frames_covering(start: int, stop: int, hop: int) -> tuple[int, int]:
    """First and one-past-last frame that cover the samples [start, stop)."""
    return start // hop, -(-stop // hop)


def to_samples(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE)


def to_seconds(samples: float) -> float:
    return samples / SAMPLE_RATE
