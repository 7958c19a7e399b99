"""Audio on disk: mono, 44.1 kHz, float32 in [-1, 1] in memory; nothing is resampled or mixed down unasked."""

import os
import tempfile
from pathlib import Path

import numpy as np
import soundfile

from accomp.errors import UserError
from accomp.timeline import SAMPLE_RATE


def read(path: Path | str, start: int = 0, stop: int | None = None) -> np.ndarray:
    """Samples [start, stop) of a mono 44.1 kHz file, (N,) float32. Raises UserError on anything else."""
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such audio file")
    try:
        audio, rate = soundfile.read(path, start=start, stop=stop, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise UserError(f"{path}: cannot be read as audio ({error})") from error
    if rate != SAMPLE_RATE:
        raise UserError(
            f"{path}: sample rate is {rate} Hz, {SAMPLE_RATE} Hz is needed; convert it first (sox IN -r 44100 OUT)"
        )
    if audio.shape[1] != 1:
        raise UserError(f"{path}: {audio.shape[1]} channels, mono is needed; convert it first (sox IN -c 1 OUT)")
    if not np.isfinite(audio).all():
        raise UserError(f"{path}: holds NaN or infinite samples; render it again")
    return audio[:, 0]


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


def rms_db(audio: np.ndarray) -> float:
    """Root-mean-square level in dBFS; silence is -120."""
    return float(20 * np.log10(np.sqrt(np.mean(np.square(audio, dtype=np.float64))) + 1e-6)) if len(audio) else -120.0
