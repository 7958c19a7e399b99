"""Does it hold on? The last 20 s of a long answer against its first 20 s: how well it keeps the beat, and how loud it is.

A model that goes on from its own past may get worse with every step of it, or louder, or fall silent. Each part is scored by
itself: beats tracked in the stem against the score's, and the level. The first part begins where the answer begins to sound.
(LiveBand, 2026, scores the two halves of a 20 s continuation.)
Failure rule: a part without a beat has F1 0, silence has -120 dB; an answer that sounds for less than 40 s is NaN.
"""

import numpy as np

from accomp.audio import rms_db
from accomp.metrics.beats import beat_tracker, f_measure
from accomp.metrics.contract import Column, Excerpt, Metric, Options
from accomp.timeline import SAMPLE_RATE, to_seconds

COLUMNS = (
    Column("drift_f1_first", "F1 first 20 s", "Beat F1 against the score of the first 20 s that sound."),
    Column("drift_f1_last", "F1 last 20 s", "The same of the last 20 s: lower, where a model loses the beat in its own past."),
    Column("drift_rms_db", "louder dB", "Level of the last 20 s minus that of the first."),
)
PART = 20 * SAMPLE_RATE  # samples
NAMES = ("drift_f1_first", "drift_f1_last", "drift_rms_db")


def depends_on(options: Options) -> str:
    return options.tracker


def make_metric(options: Options) -> Metric:
    """`drift_f1_first`, `drift_f1_last` and `drift_rms_db`, the level of the last part minus that of the first."""
    track = beat_tracker(options.tracker)

    def drift(excerpt: Excerpt) -> dict[str, float]:
        begin, end = int((excerpt.answer != 0).argmax()), len(excerpt.answer)
        if end - begin < 2 * PART or excerpt.beats_s is None:
            return dict.fromkeys(NAMES, float("nan"))
        found, levels_db = [], []
        for start in (begin, end - PART):
            part, start_s = excerpt.answer[start : start + PART], to_seconds(start)
            beats_s = excerpt.beats_s[(excerpt.beats_s >= start_s) & (excerpt.beats_s < start_s + to_seconds(PART))]
            found.append(f_measure(beats_s - start_s, np.asarray(track(part))))
            levels_db.append(rms_db(part))
        return dict(zip(NAMES, (*found, levels_db[1] - levels_db[0]), strict=True))

    return drift
