"""Does a groove or a riff come back? How much each bar of the answer is like the most similar of the bars before it.

A bar is described by the rises of its level in three frequency regions on sixteen places (where notes begin) and by its
pitch class profile on each quarter of it; both are compared by cosine similarity and averaged. Read it beside the true
stem's: music repeats, and neither no repetition nor a loop is right. Failure rule: an answer with fewer than two
sounding bars scores 0. Without a score: NaN.
"""

from itertools import pairwise

import numpy as np
from scipy.signal import butter, sosfiltfilt

from accomp.audio import is_silent
from accomp.beat.pitch_profile import chroma
from accomp.metrics.contract import Column, Excerpt, Metric, Options
from accomp.timeline import SAMPLE_RATE, to_samples

COLUMNS = (
    Column(
        "bar_repetition",
        "bar repetition",
        "Likeness of each bar to the most similar of the eight before it; compare with the truth.",
    ),
)
PLACES, QUARTERS = 16, 4
LOOK_BACK = 8  # bars
REGIONS = ((None, 200.0), (200.0, 3000.0), (3000.0, None))  # Hz


def make_metric(options: Options) -> Metric:
    return bar_repetition


def bar_repetition(excerpt: Excerpt) -> dict[str, float]:
    """`bar_repetition` of the answer and `bar_repetition_difference` from the true stem's, in [-1, 1]."""
    if excerpt.downbeats_s is None or len(excerpt.downbeats_s) < 3:
        return {"bar_repetition": float("nan"), "bar_repetition_difference": float("nan")}
    answer, truth = (
        repetition(audio, excerpt.downbeats_s, excerpt.stem != "drums") for audio in (excerpt.answer, excerpt.truth)
    )
    return {"bar_repetition": answer, "bar_repetition_difference": answer - truth}


def repetition(audio: np.ndarray, downbeats_s: np.ndarray, pitched: bool) -> float:
    """Mean over bars of the largest similarity to one of the LOOK_BACK bars before; 0 with fewer than two that sound."""
    regions = [_region(audio, low, high) for low, high in REGIONS]
    borders = [to_samples(s) for s in downbeats_s if 0 <= to_samples(s) <= len(audio)]
    bars = [_bar(audio, regions, a, b, pitched) for a, b in pairwise(borders) if not is_silent(audio[a:b])]
    best = [max(_similarity(bar, old) for old in bars[max(i - LOOK_BACK, 0) : i]) for i, bar in enumerate(bars) if i]
    return float(np.mean(best)) if best else 0.0


def _region(audio: np.ndarray, low: float | None, high: float | None) -> np.ndarray:
    kind = "lowpass" if low is None else "highpass" if high is None else "bandpass"
    edges = [hz for hz in (low, high) if hz is not None]
    return sosfiltfilt(butter(2, edges if len(edges) == 2 else edges[0], kind, fs=SAMPLE_RATE, output="sos"), audio)


def _bar(audio: np.ndarray, regions: list[np.ndarray], start: int, stop: int, pitched: bool) -> tuple[np.ndarray, np.ndarray]:
    """Rises (regions x PLACES,) and profiles (QUARTERS x 12,) of the bar [start, stop); no profiles unless pitched."""
    places = np.linspace(start, stop, PLACES + 1).astype(int)
    levels = np.array([[np.sqrt(np.mean(r[a:b] ** 2)) for a, b in pairwise(places)] for r in regions])
    rises = np.maximum(np.diff(levels, axis=1, prepend=levels[:, -1:]), 0).ravel()
    quarters = np.linspace(start, stop, QUARTERS + 1).astype(int)
    profiles = [chroma(audio[a:b]) - 1 / 12 for a, b in pairwise(quarters)] if pitched else []
    return rises, np.concatenate(profiles) if profiles else np.zeros(0)


def _similarity(a: tuple[np.ndarray, np.ndarray], b: tuple[np.ndarray, np.ndarray]) -> float:
    scores = [float(x @ y / max(np.linalg.norm(x) * np.linalg.norm(y), 1e-12)) for x, y in zip(a, b, strict=True) if len(x)]
    return float(np.mean(scores))
