"""How far apart are two recordings in their spectra? Two distances, both blind to phase; 0 is a perfect copy.

`log_spectral_distance_db` (Gray and Markel 1976): the root of the mean squared level difference over all frequencies, frame by
frame, averaged over frames. `stft_distance` (the "multi-resolution STFT loss" of Yamamoto et al. 2020): spectral
convergence plus the mean difference of log magnitudes (natural logarithm), averaged over three window lengths.
Levels lower than `FLOOR_DB` below the strongest one of the truth count as that floor in both recordings: what nobody
hears would otherwise decide. Failure rule: a silent answer is at the floor everywhere. A silent truth is NaN.
"""

import numpy as np

from accomp.audio import is_silent

FLOOR_DB = -80.0
WINDOW = 2048  # samples, of the log-spectral distance
WINDOWS = (512, 1024, 2048)  # samples, of the multi-resolution distance


def spectral(answer: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """`lsd_db` and `mr_stft` of a copy (N,) of a recording (N,)."""
    if is_silent(truth):
        return {"lsd_db": float("nan"), "mr_stft": float("nan")}
    return {"lsd_db": log_spectral_distance_db(answer, truth), "mr_stft": stft_distance(answer, truth)}


def log_spectral_distance_db(answer: np.ndarray, truth: np.ndarray) -> float:
    a, b = _floored(answer, truth, WINDOW)
    return float(np.sqrt(np.square(20 * np.log10(a / b)).mean(axis=1)).mean())


def stft_distance(answer: np.ndarray, truth: np.ndarray) -> float:
    total = 0.0
    for length in WINDOWS:
        a, b = _floored(answer, truth, length)
        total += np.linalg.norm(a - b) / np.linalg.norm(b) + np.abs(np.log(a / b)).mean()
    return float(total / len(WINDOWS))


def magnitudes(audio: np.ndarray, length: int, hop: int) -> np.ndarray:
    """Fourier magnitudes (frames, length // 2 + 1) of audio (N,), N >= length, under a Hann window."""
    frames = np.lib.stride_tricks.sliding_window_view(np.asarray(audio, np.float32), length)[::hop]
    return np.abs(np.fft.rfft(frames * np.hanning(length).astype(np.float32), axis=1))


def _floored(answer: np.ndarray, truth: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    a, b = (magnitudes(audio, length, length // 4) for audio in (answer, truth))
    floor = b.max() * 10 ** (FLOOR_DB / 20)
    return np.maximum(a, floor), np.maximum(b, floor)
