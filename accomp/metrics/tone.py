"""Does it sound like the instrument? Harmonics-to-noise ratio, level and attack of the answer beside those of the true
stem.

The harmonics-to-noise ratio is that of Boersma 1993 (`accomp.metrics.pitch.hnr_db`), the median over frames that sound.
The level is the root mean square of the frames that sound. The attack of a note is the rise of the level from the 25 ms
before its onset to the 25 ms after it, in dB; the median over the onsets of the answer. Failure rule: a silent answer
has a ratio of -30 dB, a level difference of -60 dB and an attack difference of minus the true attack.
"""

import numpy as np

from accomp.metrics.contract import Column, Excerpt, Metric, Options
from accomp.metrics.onsets import onsets_s
from accomp.metrics.pitch import QUIET_DB, frames_of, hnr_db, level_db
from accomp.timeline import to_samples

COLUMNS = (
    Column("hnr_db", "HNR (dB)", "Harmonics-to-noise ratio, median of the sounding frames; drums have none."),
    Column("level_difference_db", "level (dB)", "Level of the sounding frames less that of the true stem."),
    Column("attack_difference_db", "attack (dB)", "Rise of the level at onsets less that of the true stem."),
)
WORST_HNR_DB, WORST_LEVEL_DB = -30.0, -60.0
EDGE_S = 0.025
FRAME = 2048  # samples


def make_metric(options: Options) -> Metric:
    return tone


def tone(excerpt: Excerpt) -> dict[str, float]:
    """`hnr_db` (NaN for drums), and `level_difference_db` and `attack_difference_db` against the true stem."""
    answer, truth = excerpt.answer, excerpt.truth
    ratio = hnr_db(answer) if excerpt.stem != "drums" else np.array([])
    sounding = ratio[np.isfinite(ratio)]
    worst = float("nan") if excerpt.stem == "drums" else WORST_HNR_DB
    return {
        "hnr_db": float(np.median(sounding)) if len(sounding) else worst,
        "level_difference_db": max(sounding_level_db(answer) - sounding_level_db(truth), WORST_LEVEL_DB),
        "attack_difference_db": attack_db(answer) - attack_db(truth),
    }


def sounding_level_db(audio: np.ndarray) -> float:
    """Level of the frames of audio (N,) above QUIET_DB, in dBFS; -120 when there is none."""
    levels = level_db(frames_of(audio, FRAME, FRAME))
    power = 10 ** (levels[levels > QUIET_DB] / 10)
    return float(10 * np.log10(power.mean())) if len(power) else -120.0


def attack_db(audio: np.ndarray) -> float:
    """Median rise of the level at the onsets of audio (N,), in dB; 0 without onsets."""
    edge, rises = to_samples(EDGE_S), []
    for onset in (to_samples(second) for second in onsets_s(audio)):
        if onset >= edge and onset + edge <= len(audio):
            before, after = level_db(np.stack([audio[onset - edge : onset], audio[onset : onset + edge]]))
            rises.append(after - max(before, QUIET_DB))
    return float(np.median(rises)) if rises else 0.0
