"""The pitch of a single voice and how periodic a sound is.

`yin` is de Cheveigne and Kawahara 2002 (steps 1 to 5), without the search for the best local estimate; `hnr_db` is the
harmonics-to-noise ratio of Boersma 1993.
"""

import numpy as np

from accomp.timeline import SAMPLE_RATE

HOP = 1024  # samples between frames
LOW_HZ, HIGH_HZ = 35.0, 500.0  # C#1 to B4: every bass
APERIODIC = 0.15  # a frame whose normalised difference stays above this has no period
HNR_WINDOW = 8192  # samples: five periods of the lowest E of a bass, and less than an eighth note at 120 bpm
QUIET_DB = -50.0  # frames below this level count as silent
BEST_HNR_DB = 40.0


def frames_of(audio: np.ndarray, length: int, hop: int) -> np.ndarray:
    """Frames (T, length) of audio (N,), every `hop` samples; T = 0 when the audio is shorter than a frame."""
    if len(audio) < length:
        return np.zeros((0, length), audio.dtype)
    return np.lib.stride_tricks.sliding_window_view(audio, length)[::hop]


def level_db(frames: np.ndarray) -> np.ndarray:
    """Root mean square level of frames (T, N) in dBFS, (T,)."""
    return 20 * np.log10(np.sqrt(np.square(frames, dtype=np.float64).mean(1)) + 1e-9)


def yin(audio: np.ndarray, low_hz: float = LOW_HZ, high_hz: float = HIGH_HZ) -> tuple[np.ndarray, np.ndarray]:
    """Fundamental frequency in Hz (T,), NaN where there is none, and the level in dBFS (T,), of audio (N,).

    Frame t covers the samples from t * HOP on, two of the longest periods.
    """
    longest, shortest = int(SAMPLE_RATE / low_hz) + 1, int(SAMPLE_RATE / high_hz)
    frames = frames_of(audio.astype(np.float64), 2 * longest, HOP)
    if not len(frames):
        return np.zeros(0), np.zeros(0)
    difference = _difference(frames, longest)
    mean = np.cumsum(difference[:, 1:], 1) / np.arange(1, longest)
    normalised = np.concatenate([np.ones((len(frames), 1)), difference[:, 1:] / np.maximum(mean, 1e-12)], 1)
    lag, periodic = _first_dip(normalised[:, : longest - 1], shortest)
    before, at, after = (np.take_along_axis(normalised, (lag + i)[:, None], 1)[:, 0] for i in (-1, 0, 1))
    curve = before - 2 * at + after
    exact = lag + np.divide(0.5 * (before - after), curve, out=np.zeros_like(curve), where=curve > 1e-12)
    return np.where(periodic, SAMPLE_RATE / exact, np.nan), level_db(frames)


def _difference(frames: np.ndarray, lags: int) -> np.ndarray:
    """Squared difference between the first `lags` samples of frames (T, 2 lags) and their copy, by lag, (T, lags)."""
    size = 1 << (3 * lags - 1).bit_length()
    head = np.fft.rfft(frames[:, :lags], size)
    product = np.fft.irfft(head.conj() * np.fft.rfft(frames, size), size)[:, :lags]
    energy = np.concatenate([np.zeros((len(frames), 1)), np.cumsum(np.square(frames), 1)], 1)
    shifted = energy[:, lags : 2 * lags] - energy[:, :lags]
    return np.maximum(shifted[:, :1] + shifted - 2 * product, 0)


def _first_dip(normalised: np.ndarray, shortest: int) -> tuple[np.ndarray, np.ndarray]:
    """The lag of the first dip below APERIODIC from lag `shortest` on, or the lowest of all; whether there is such a dip."""
    searched = normalised[:, shortest:]
    below = searched < APERIODIC
    rising = np.concatenate([searched[:, 1:] >= searched[:, :-1], np.ones((len(searched), 1), bool)], 1)
    dip = below & rising
    found = dip.any(1)
    lag = np.where(found, dip.argmax(1), searched.argmin(1)) + shortest
    return np.clip(lag, 1, normalised.shape[1] - 1), found


def midi_pitch(hz: np.ndarray) -> np.ndarray:
    """Frequencies in Hz as MIDI note numbers, A4 = 440 Hz = 69."""
    return 69 + 12 * np.log2(hz / 440.0)


def hnr_db(audio: np.ndarray, low_hz: float = LOW_HZ, high_hz: float = 1000.0) -> np.ndarray:
    """Harmonics-to-noise ratio of audio (N,) in dB, (T,), NaN where it is silent, within [-30, BEST_HNR_DB].

    The largest normalised autocorrelation r between the periods 1 / high_hz and 1 / low_hz says that a share r of the
    energy repeats: 10 log10(r / (1 - r)).
    """
    frames = frames_of(audio.astype(np.float64), HNR_WINDOW, HNR_WINDOW // 2)
    if not len(frames):
        return np.zeros(0)
    window = np.hanning(HNR_WINDOW + 2)[1:-1]
    correlation = _autocorrelation((frames - frames.mean(1, keepdims=True)) * window)
    correlation /= np.maximum(_autocorrelation(window[None]), 1e-9)
    lags = slice(int(SAMPLE_RATE / high_hz), int(SAMPLE_RATE / low_hz))
    r = np.clip(correlation[:, lags].max(1), 1e-3, 1 / (1 + 10 ** (-BEST_HNR_DB / 10)))
    return np.where(level_db(frames) > QUIET_DB, 10 * np.log10(r / (1 - r)), np.nan)


def _autocorrelation(frames: np.ndarray) -> np.ndarray:
    """Of frames (T, N), normalised to 1 at lag 0, (T, N)."""
    size = 2 * frames.shape[1]
    r = np.fft.irfft(np.abs(np.fft.rfft(frames, size)) ** 2)[:, : frames.shape[1]]
    return r / np.maximum(r[:, :1], 1e-20)
