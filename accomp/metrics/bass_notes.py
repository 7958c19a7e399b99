"""Does the bass play the chord? Shares of its notes that are chord tones and that are roots.

The pitch of the answer is tracked (`accomp.metrics.pitch.yin`); every frame with a pitch is held against the chord of
the score at its time (`accomp.beat.chords`). `bass_periodic` is the share of sounding frames that have a pitch at all.
Failure rule: an answer without a pitched frame scores 0. Other stems, and music without a score, have no value: NaN.
"""

import numpy as np

from accomp.beat.chords import BeatChords
from accomp.metrics.contract import Column, Excerpt, Metric, Options
from accomp.metrics.pitch import HOP, QUIET_DB, midi_pitch, yin
from accomp.timeline import SAMPLE_RATE

COLUMNS = (
    Column(
        "bass_chord_tones",
        "bass: chord tones",
        "Share of the bass notes that belong to the chord of the score.",
        normalised=True,
    ),
    Column("bass_roots", "bass: roots", "Share of the bass notes that are the root of the chord.", normalised=True),
    Column(
        "bass_periodic",
        "bass: with a pitch",
        "Share of the sounding frames of the bass in which a pitch is found.",
        normalised=True,
    ),
)


def make_metric(options: Options) -> Metric:
    return bass_notes


def bass_notes(excerpt: Excerpt) -> dict[str, float]:
    """`bass_chord_tones`, `bass_roots` and `bass_periodic` of the answer, each in [0, 1]."""
    if excerpt.stem != "bass":
        return dict.fromkeys(("bass_chord_tones", "bass_roots", "bass_periodic"), float("nan"))
    hz, level = yin(excerpt.answer)
    tones, roots = chord_shares(hz, level, excerpt.chords)
    sounding = level > QUIET_DB
    periodic = float(np.isfinite(hz[sounding]).mean()) if sounding.any() else 0.0
    return {"bass_chord_tones": tones, "bass_roots": roots, "bass_periodic": periodic}


def chord_shares(hz: np.ndarray, level: np.ndarray, chords: BeatChords | None) -> tuple[float, float]:
    """Shares of the pitched frames (T,) that are tones and that are roots of the chord at their time; (0, 0) for none."""
    if chords is None:
        return float("nan"), float("nan")
    pitched = np.isfinite(hz) & (level > QUIET_DB)
    beat = chords.at(np.arange(len(hz)) * HOP / SAMPLE_RATE)
    known = pitched & (beat >= 0) & (chords.roots[beat] >= 0)
    if not known.any():
        return 0.0, 0.0
    pitch_class = np.round(midi_pitch(hz[known])).astype(int) % 12
    return float(chords.tones[beat[known], pitch_class].mean()), float((chords.roots[beat[known]] == pitch_class).mean())
