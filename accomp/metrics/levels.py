"""Is the stem there at all, and is it something new? Level, share of silence, and likeness to the context.

A model that copies its context would win every other metric; the correlation shows it. Sources: plain definitions;
the correlation is the largest normalised cross-correlation within `MAX_LAG_S`, either sign.
Failure rule: silence has level -120 dB, silence ratio 1 and correlation 0.
"""

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft

from accomp.audio import is_silent, rms_db
from accomp.metrics.contract import Column, Excerpt, Metric, Options
from accomp.timeline import to_samples

COLUMNS = (
    Column("silence_ratio", "silent", "Share of the stem below -60 dBFS."),
    Column("context_correlation", "copy", "How much of the stem is a shifted copy of the context."),
)
FRAME_S = 0.05
MAX_LAG_S = 6.0  # a copy may also come late, up to a whole window


def make_metric(options: Options) -> Metric:
    return levels


def levels(excerpt: Excerpt) -> dict[str, float]:
    """`rms_db`, `silence_ratio` and `context_correlation` of the answer."""
    return {
        "rms_db": rms_db(excerpt.answer),
        "silence_ratio": silence_ratio(excerpt.answer),
        "context_correlation": correlation(excerpt.answer, excerpt.context),
    }


def silence_ratio(audio: np.ndarray) -> float:
    """Share of the 50 ms pieces of (N,) audio that stay below -60 dBFS."""
    size = to_samples(FRAME_S)
    pieces = [audio[i : i + size] for i in range(0, len(audio), size)]
    return float(np.mean([is_silent(piece) for piece in pieces])) if pieces else 1.0


def correlation(a: np.ndarray, b: np.ndarray, max_lag_s: float = MAX_LAG_S) -> float:
    """How much of (N,) a is a shifted copy of (N,) b: 1 for a copy at any volume or polarity, near 0 for unrelated sounds."""
    if is_silent(a) or is_silent(b):
        return 0.0
    reach = to_samples(max_lag_s)
    size = next_fast_len(max(len(a), len(b)) + reach, real=True)  # so that no lag within reach meets the other end
    product = np.abs(irfft(rfft(a, size) * rfft(b, size).conj(), size))
    return float(max(product[: reach + 1].max(), product[size - reach :].max()) / (np.linalg.norm(a) * np.linalg.norm(b)))
