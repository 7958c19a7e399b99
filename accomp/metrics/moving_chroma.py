"""Do the chords change together? Agreement of pitch class profiles after each part's average over time is removed.

`chroma_agreement` of `accomp.metrics.harmony` is high for whoever stays in the key. Here the average profile of each
part is subtracted first, so that a held chord scores about 0 and only changes that coincide with the context's score.
Failure rule: a silent answer scores 0. Drums have no chroma: NaN.
"""

import numpy as np

from accomp.audio import is_silent
from accomp.beat.pitch_profile import chroma
from accomp.metrics.contract import Column, Excerpt, Metric, Options
from accomp.metrics.harmony import PIECE

COLUMNS = (
    Column(
        "moving_chroma_agreement",
        "moving chroma",
        "Chroma agreement after the average profile of each part is removed.",
        normalised=True,
    ),
)
LEAST_PIECES = 4  # seconds in which both sound; fewer have no average worth removing


def make_metric(options: Options) -> Metric:
    return moving_chroma


def moving_chroma(excerpt: Excerpt) -> dict[str, float]:
    """`moving_chroma_agreement` of the answer with the context, in [-1, 1]."""
    if excerpt.stem == "drums":
        return {"moving_chroma_agreement": float("nan")}
    return {"moving_chroma_agreement": profile_agreement(profiles(excerpt.answer), profiles(excerpt.context))}


def profiles(audio: np.ndarray) -> np.ndarray:
    """Pitch class profiles of the seconds of audio (N,), (S, 12), each summing to 1; NaN where a second is silent."""
    pieces = [audio[start : start + PIECE] for start in range(0, len(audio) - PIECE + 1, PIECE)]
    rows = [np.full(12, np.nan) if is_silent(piece) else chroma(piece) for piece in pieces]
    rows = np.array(rows).reshape(-1, 12)
    rows[rows.sum(1) == 0] = np.nan
    return rows


def profile_agreement(a: np.ndarray, b: np.ndarray) -> float:
    """Mean correlation of profiles (S, 12) less their means, over rows known in both; 0 with fewer than LEAST_PIECES."""
    both = np.isfinite(a).all(1) & np.isfinite(b).all(1)
    if both.sum() < LEAST_PIECES:
        return 0.0
    a, b = a[both] - a[both].mean(0), b[both] - b[both].mean(0)
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)  # rows sum to 0: their correlation is their cosine
    scores = np.divide((a * b).sum(1), norms, out=np.zeros_like(norms), where=norms > 1e-12)
    return float(scores.mean())
