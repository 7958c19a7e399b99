"""How close is the stem to the very recording it stands for? SDR, ISR and SAR, in dB.

BSS Eval v4 as `museval` computes it (Stöter, Liutkus and Ito 2018): one-second frames, distortion filters of 512 taps
for the whole excerpt, medians over frames. The sources are the true stem and the context, so that context leaking into
the answer counts as interference and not as artefact. It is a measure of reproduction (codec round trip): a good part
that differs from the recording scores low.
Failure rule: a silent answer has no ratio; it gets `FLOOR_DB`, as does any lower value. A perfect copy would be
infinite and gets `CEILING_DB`. A silent truth is NaN.
"""

import importlib.util
from functools import cache

import numpy as np

from accomp.errors import UserError
from accomp.metrics.contract import Excerpt
from accomp.metrics.levels import is_silent
from accomp.timeline import SAMPLE_RATE

FLOOR_DB, CEILING_DB = -30.0, 100.0
NAMES = ("sdr_db", "isr_db", "sar_db")


def separation(excerpt: Excerpt) -> dict[str, float]:
    """`sdr_db`, `isr_db` and `sar_db` of the answer against the truth."""
    if is_silent(excerpt.truth) or is_silent(excerpt.context):
        return dict.fromkeys(NAMES, float("nan"))
    if is_silent(excerpt.answer):
        return dict.fromkeys(NAMES, FLOOR_DB)
    return _ratios([excerpt.truth, excerpt.context], [excerpt.answer, excerpt.context])


def reproduction(answer: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """The same three ratios for a copy (N,) of a recording (N,) that nothing else was played against: a codec's."""
    if is_silent(truth):
        return dict.fromkeys(NAMES, float("nan"))
    if is_silent(answer):
        return dict.fromkeys(NAMES, FLOOR_DB)
    return _ratios([truth], [answer])


def _ratios(sources: list[np.ndarray], estimates: list[np.ndarray]) -> dict[str, float]:
    """Ratios of the first source."""
    reference, estimate = (np.stack(x)[:, :, None].astype(np.float64) for x in (sources, estimates))
    sdr, isr, _, sar, _ = _bss_eval()(reference, estimate, window=SAMPLE_RATE, hop=SAMPLE_RATE)
    return {name: _median(values[0]) for name, values in zip(NAMES, (sdr, isr, sar), strict=True)}


def _median(values: np.ndarray) -> float:
    """Over the frames in which the truth sounds; museval marks the others NaN."""
    heard = values[~np.isnan(values)]
    return float(np.clip(np.median(heard), FLOOR_DB, CEILING_DB)) if len(heard) else float("nan")


@cache
def _bss_eval():
    """museval's `bss_eval`, loaded from its own file.

    `import museval` also imports readers of music in video containers, which refuse to load on machines without ffmpeg.
    The arithmetic needs none of that: `museval/metrics.py` stands on numpy and scipy alone, so it is loaded by itself.
    """
    package = importlib.util.find_spec("museval")
    if package is None:
        raise UserError("separation scores need a package: pip install museval==0.4.1")
    folder = package.submodule_search_locations[0]
    spec = importlib.util.spec_from_file_location("museval_metrics", f"{folder}/metrics.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.bss_eval
