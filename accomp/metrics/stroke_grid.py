"""Do the strokes lie on the grid? The share of onsets that are far from every sixteenth of the score.

Onsets are those of `accomp.metrics.onsets`; those of hi-hats and cymbals are found in the sound above 5 kHz, where
nothing else of a drum kit lasts. Sixteenths divide the time between two beats of the score evenly. A random onset at
120 bpm is farther than 30 ms from the grid with probability 0.52. Failure rule: an answer without onsets between beats
scores 1. Without a score: NaN.
"""

import numpy as np
from scipy.signal import butter, sosfiltfilt

from accomp.metrics.contract import Column, Excerpt, Metric, Options
from accomp.metrics.onsets import onsets_s
from accomp.timeline import SAMPLE_RATE

COLUMNS = (
    Column(
        "onsets_off_grid",
        "onsets off grid",
        "Share of onsets farther than 30 ms from every sixteenth of the score; about half by chance.",
    ),
    Column("hats_off_grid", "hats off grid", "The same of hi-hats and cymbals."),
)
FAR_S = 0.03
DIVISIONS = 4  # of a beat
HATS_HZ = 5000.0


def make_metric(options: Options) -> Metric:
    return stroke_grid


def stroke_grid(excerpt: Excerpt) -> dict[str, float]:
    """`onsets_off_grid` of the answer and, for drums, `hats_off_grid`, each in [0, 1]."""
    if excerpt.beats_s is None or len(excerpt.beats_s) < 2:
        return {"onsets_off_grid": float("nan"), "hats_off_grid": float("nan")}
    grid = sixteenths(excerpt.beats_s)
    hats = off_grid(onsets_s(high_passed(excerpt.answer)), grid) if excerpt.stem == "drums" else float("nan")
    return {"onsets_off_grid": off_grid(onsets_s(excerpt.answer), grid), "hats_off_grid": hats}


def sixteenths(beats_s: np.ndarray) -> np.ndarray:
    """Times of all sixteenths from the first beat to the last."""
    places = np.arange((len(beats_s) - 1) * DIVISIONS + 1) / DIVISIONS
    return np.interp(places, np.arange(len(beats_s)), beats_s)


def off_grid(onsets: np.ndarray, grid: np.ndarray) -> float:
    """The share of onsets within the grid's span that are farther than FAR_S from all of it; 1 without any."""
    onsets = onsets[(onsets >= grid[0] - FAR_S) & (onsets <= grid[-1] + FAR_S)]
    if not len(onsets):
        return 1.0
    after = np.clip(np.searchsorted(grid, onsets), 1, len(grid) - 1)
    distance = np.minimum(np.abs(onsets - grid[after - 1]), np.abs(onsets - grid[after]))
    return float((distance > FAR_S).mean())


def high_passed(audio: np.ndarray) -> np.ndarray:
    """Audio (N,) above HATS_HZ, without delay."""
    if len(audio) < 64:
        return audio
    return sosfiltfilt(butter(4, HATS_HZ, "highpass", fs=SAMPLE_RATE, output="sos"), audio).astype(np.float32)
