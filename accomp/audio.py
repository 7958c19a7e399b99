"""Audio on disk: mono, 44.1 kHz, float32 in [-1, 1] in memory; only `read_any` resamples or mixes down."""

import math
import os
import tempfile
from pathlib import Path

import numpy as np
import soundfile

from accomp.errors import UserError
from accomp.timeline import SAMPLE_RATE

MOST_PHASES = 1000  # of a resampling filter; it takes memory with their square
SILENT_DB = -60.0


def read(path: Path | str, start: int = 0, stop: int | None = None) -> np.ndarray:
    """Samples [start, stop) of a mono 44.1 kHz file, (N,) float32. Raises UserError on anything else."""
    audio, rate = _read(Path(path), start, stop)
    if rate != SAMPLE_RATE:
        raise UserError(f"{path}: sample rate is {rate} Hz, {SAMPLE_RATE} Hz is needed; convert it first (sox IN -r 44100 OUT)")
    if audio.shape[1] != 1:
        raise UserError(f"{path}: {audio.shape[1]} channels, mono is needed; convert it first (sox IN -c 1 OUT)")
    return audio[:, 0]


def read_any(path: Path | str) -> tuple[np.ndarray, str]:
    """A file of any rate, channels and format that libsndfile reads, (N,) float32, and what was changed, in words.

    Channels are averaged, and what exceeds full scale is scaled to it. Raises UserError for what is no audio file.
    """
    audio, rate = _read(Path(path))
    changes = []
    if audio.shape[1] > 1:
        changes.append(f"the mean of {audio.shape[1]} channels")
    mono = audio.mean(1)
    if rate != SAMPLE_RATE:
        changes.append(f"resampled from {rate} Hz")
        if SAMPLE_RATE // math.gcd(rate, SAMPLE_RATE) > MOST_PHASES:
            raise UserError(f"{path}: {rate} Hz is an unusual rate; convert it first (sox IN -r 44100 OUT)")
        try:
            mono = resample(mono, rate, SAMPLE_RATE)
        except (ImportError, OSError) as error:
            raise UserError(f"{path}: {rate} Hz is resampled by torchaudio, which cannot be imported here ({error}); "
                            "convert the file first (sox IN -r 44100 OUT)") from error  # fmt: skip
    if (peak := float(np.abs(mono).max(initial=0))) > 1:
        changes.append(f"divided by its peak of {peak:.2f}")
        mono = mono / peak
    return mono, ", ".join(changes)


def _read(path: Path, start: int = 0, stop: int | None = None) -> tuple[np.ndarray, int]:
    """Samples [start, stop) of a file, (N, channels) float32, and its rate in Hz."""
    if not path.is_file():
        raise UserError(f"{path}: no such audio file")
    try:
        audio, rate = soundfile.read(path, start=start, stop=stop, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError, TypeError) as error:  # TypeError: a .raw file has no header
        raise UserError(f"{path}: cannot be read as audio ({error}); use WAV, FLAC, AIFF, OGG or MP3") from error
    if not np.isfinite(audio).all():
        raise UserError(f"{path}: holds NaN or infinite samples; render it again")
    return audio, rate


def resample(audio: np.ndarray, rate: int, new_rate: int) -> np.ndarray:
    """Audio (N,) at `rate` Hz -> the same at `new_rate` Hz, by what torchaudio calls kaiser_best."""
    import torch  # seconds: only for what needs it
    from torchaudio.functional import resample as by_sinc

    kaiser = {"lowpass_filter_width": 64, "rolloff": 0.9475937167399596, "resampling_method": "sinc_interp_kaiser",
              "beta": 14.769656459379492}  # fmt: skip
    return by_sinc(torch.from_numpy(audio), rate, new_rate, **kaiser).numpy()


def write(path: Path | str, audio: np.ndarray) -> None:
    """Write (N,) float audio as 16-bit PCM WAV; the file appears whole or not at all."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=path.suffix)
    os.close(handle)
    try:
        soundfile.write(temporary, np.clip(audio, -1, 1), SAMPLE_RATE, subtype="PCM_16", format="WAV")
        os.replace(temporary, path)
        os.chmod(path, 0o644)
    finally:
        Path(temporary).unlink(missing_ok=True)


def is_silent(audio: np.ndarray) -> bool:
    return rms_db(audio) < SILENT_DB


def rms_db(audio: np.ndarray) -> float:
    """Root-mean-square level in dBFS; silence is -120."""
    return float(20 * np.log10(np.sqrt(np.mean(np.square(audio, dtype=np.float64))) + 1e-6)) if len(audio) else -120.0
