"""Are the notes where they were? The distance in time between the onsets of a copy and those of the recording.

Onsets are peaks of the spectral flux: the rise of log-compressed Fourier magnitudes over 6 ms, looked at every 1.5 ms
(Dixon 2006), refined between frames by a parabola. Each onset of the recording is paired with at most one of the copy, within
`REACH_S`, so that the sum of all distances is least.
Failure rule: the error is that of the pairs, and `onset_missed` says what share of the recording's onsets found no partner;
with no pair at all the error is `REACH_S`. A recording without onsets is NaN.
"""

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.signal import find_peaks

from accomp.metrics.spectral import magnitudes
from accomp.timeline import to_samples, to_seconds

REACH_S = 0.05
LENGTH, HOP, RISE = 512, 64, 4  # samples, samples, frames
LEAST = 0.02  # mean rise of log magnitude that counts at all
SHARE = 0.1  # of the highest peak


def onset_error(answer: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """`onset_error_ms`, the mean over paired onsets, and `onset_missed`, for a copy (N,) of a recording (N,)."""
    wanted, found = onsets_s(truth), onsets_s(answer)
    if not len(wanted):
        return {"onset_error_ms": float("nan"), "onset_missed": float("nan")}
    distance_s = np.minimum(np.abs(wanted[:, None] - found[None, :]), REACH_S)
    distance_s = distance_s[linear_sum_assignment(distance_s)]
    paired_s = distance_s[distance_s < REACH_S]
    error_s = paired_s.mean() if len(paired_s) else REACH_S
    return {"onset_error_ms": float(1e3 * error_s), "onset_missed": 1 - len(paired_s) / len(wanted)}


def onsets_s(audio: np.ndarray) -> np.ndarray:
    """Times in seconds at which notes begin in audio (N,)."""
    spectrum = magnitudes(audio, LENGTH, HOP)
    level = np.log1p(1000 * spectrum / max(spectrum.max(), 1e-9))
    flux = np.maximum(level[RISE:] - level[:-RISE], 0).mean(axis=1)
    peaks, _ = find_peaks(flux, distance=to_samples(REACH_S) // HOP, prominence=max(LEAST, SHARE * flux.max(initial=0.0)))
    before, at, after = flux[peaks - 1], flux[peaks], flux[peaks + 1]
    bend = before - 2 * at + after
    place = peaks + np.divide(0.5 * (before - after), bend, out=np.zeros_like(bend), where=bend < 0)
    return to_seconds((place + RISE / 2) * HOP + LENGTH / 2)
