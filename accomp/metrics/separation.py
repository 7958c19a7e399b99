"""How close is the stem to the very recording it stands for? SDR, ISR and SAR, in dB.

BSS Eval v4 by `museval.bss_eval` (Stöter, Liutkus and Ito 2018): one-second frames, distortion filters of 512 taps for the
whole excerpt, medians over frames in which everything sounds. The sources are the true stem and the context, so that context
leaking into the answer counts as interference and not as artefact. It measures reproduction (the codec's round trip): a good
part that differs from the recording scores low.
Failure rule: a silent answer has no ratio; it gets `FLOOR_DB`, as does any lower value. A perfect copy would be
infinite and gets `CEILING_DB`. A silent truth is NaN.
"""

import importlib.util
from functools import cache
from types import ModuleType

import numpy as np

from accomp.audio import is_silent
from accomp.errors import UserError
from accomp.metrics.contract import Column, Excerpt, Metric, Options
from accomp.timeline import SAMPLE_RATE

COLUMNS = (
    Column("sdr_db", "SDR dB", "Signal-to-distortion ratio (museval). Only of the codec and of w = -1: other answers have no "
           "single reference."),
)  # fmt: skip
OF_COPIES = True
FLOOR_DB, CEILING_DB = -30.0, 100.0
NAMES = ("sdr_db", "isr_db", "sar_db")


def make_metric(options: Options) -> Metric:
    return separation


def separation(excerpt: Excerpt) -> dict[str, float]:
    """`sdr_db`, `isr_db` and `sar_db` of the answer against the truth."""
    if is_silent(excerpt.context):
        return dict.fromkeys(NAMES, float("nan"))
    return reproduction(excerpt.answer, excerpt.truth, excerpt.context)


def reproduction(answer: np.ndarray, truth: np.ndarray, *others: np.ndarray) -> dict[str, float]:
    """The three ratios of a copy (N,) of a recording (N,), beside other sources (N,) that might leak into it."""
    if is_silent(truth):
        return dict.fromkeys(NAMES, float("nan"))
    if is_silent(answer):
        return dict.fromkeys(NAMES, FLOOR_DB)
    sources, estimates = (np.stack([first, *others]).astype(np.float64)[..., None] for first in (truth, answer))
    sdr, isr, _, sar, _ = museval().bss_eval(sources, estimates, window=SAMPLE_RATE, hop=SAMPLE_RATE)
    ratios = np.stack([sdr[0], isr[0], sar[0]])
    if np.isnan(ratios).all():
        return dict.fromkeys(NAMES, float("nan"))
    medians = np.clip(np.nanmedian(ratios, axis=1), FLOOR_DB, CEILING_DB)
    return dict(zip(NAMES, medians.tolist(), strict=True))


@cache
def museval() -> ModuleType:
    """museval's `metrics.py`, loaded by itself.

    `import museval` also imports readers of music in video containers, which refuse to load on machines without ffmpeg.
    The arithmetic needs none of that.
    """
    package = importlib.util.find_spec("museval")
    if package is None:
        raise UserError("separation scores need a package: pip install museval==0.4.1")
    spec = importlib.util.spec_from_file_location("museval_metrics", f"{package.submodule_search_locations[0]}/metrics.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
