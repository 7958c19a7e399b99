"""Do the notes fit? Pitch classes of the stem against those of the context and of the chord, second by second.

The profiles are those of `accomp.beat.pitch_profile`. The
agreement is the mean Pearson correlation of the two profiles over one-second pieces in which both sound: 1 is the same
chord, 0 is chance. The chord of a second is the major or minor triad that fits context and true stem together best (templates:
Fujishima 1999 again); `chord_agreement` is the share of the stem's profile on its three notes, 0.25 by chance.
Read both between the rows `random_pairing` and `truth`.
Failure rule: a silent answer scores 0. Drums have no chroma: NaN.
"""

import numpy as np

from accomp.audio import is_silent
from accomp.beat.pitch_profile import TRIADS, chroma
from accomp.metrics.contract import Column, Excerpt, Metric, Options
from accomp.timeline import SAMPLE_RATE

COLUMNS = (
    Column("chroma_agreement", "chroma", "Correlation of the stem's pitch classes with the context's, second by second; drums "
           "have none.", normalised=True),
    Column("chord_agreement", "chords", "Share of the stem's energy on the triad that the recording makes, second by second; "
           "chance is 0.25.", normalised=True),
)  # fmt: skip
PIECE = SAMPLE_RATE  # samples; one second of Hann-windowed sound tells semitones apart from about 70 Hz upward


def make_metric(options: Options) -> Metric:
    return harmony


def harmony(excerpt: Excerpt) -> dict[str, float]:
    """`chroma_agreement` of the answer with the context, in [-1, 1], and `chord_agreement` with the music, in [0, 1]."""
    if excerpt.stem == "drums":
        return {"chroma_agreement": float("nan"), "chord_agreement": float("nan")}
    return {
        "chroma_agreement": chroma_agreement(excerpt.answer, excerpt.context),
        "chord_agreement": chord_agreement(excerpt.answer, excerpt.context + excerpt.truth),
    }


def chroma_agreement(a: np.ndarray, b: np.ndarray) -> float:
    """Mean correlation of the pitch class profiles of (N,) a and b, second by second; 0 if they never both sound."""
    scores = []
    for start in range(0, len(a) - PIECE + 1, PIECE):
        piece_a, piece_b = a[start : start + PIECE], b[start : start + PIECE]
        if is_silent(piece_a) or is_silent(piece_b):
            continue
        profile_a, profile_b = chroma(piece_a), chroma(piece_b)
        if profile_a.std() > 0 and profile_b.std() > 0:
            scores.append(np.corrcoef(profile_a, profile_b)[0, 1])
    return float(np.mean(scores)) if scores else 0.0


def chord_agreement(stem: np.ndarray, music: np.ndarray) -> float:
    """Mean share of the profile of (N,) `stem` on the notes of the triad of `music`; 0 if they never both sound."""
    shares = []
    for start in range(0, len(stem) - PIECE + 1, PIECE):
        piece, whole = stem[start : start + PIECE], music[start : start + PIECE]
        if not is_silent(piece) and not is_silent(whole):
            profile = chroma(whole)
            shares.append(chroma(piece)[max(TRIADS, key=lambda notes, profile=profile: profile[notes].sum())].sum())
    return float(np.mean(shares)) if shares else 0.0
