"""How close is the stem to the very recording it stands for? SDR, ISR and SAR, in dB.

BSS Eval v4 as `museval` computes it (Stöter, Liutkus and Ito 2018): one-second frames, distortion filters of 512 taps
for the whole excerpt, medians over frames. The sources are the true stem and the context, so that context leaking into
the answer counts as interference and not as artefact. It is a measure of reproduction (codec round trip): a good part
that differs from the recording scores low.
Failure rule: a silent answer has no ratio; it gets `FLOOR_DB`, as does any lower value. A perfect copy would be
infinite and gets `CEILING_DB`. A silent truth is NaN.
"""

import importlib.util
from collections.abc import Sequence
from functools import cache, lru_cache
from types import ModuleType

import numpy as np

from accomp.errors import UserError
from accomp.metrics.contract import Excerpt
from accomp.metrics.levels import is_silent
from accomp.timeline import SAMPLE_RATE

FLOOR_DB, CEILING_DB = -30.0, 100.0
FILTER = 512  # taps, as everywhere
NAMES = ("sdr_db", "isr_db", "sar_db")


def separation(excerpt: Excerpt) -> dict[str, float]:
    """`sdr_db`, `isr_db` and `sar_db` of the answer against the truth."""
    if is_silent(excerpt.truth) or is_silent(excerpt.context):
        return dict.fromkeys(NAMES, float("nan"))
    if is_silent(excerpt.answer):
        return dict.fromkeys(NAMES, FLOOR_DB)
    return _ratios([excerpt.truth, excerpt.context], excerpt.answer)


def reproduction(answer: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """The same three ratios for a copy (N,) of a recording (N,) that nothing else was played against: a codec's."""
    if is_silent(truth):
        return dict.fromkeys(NAMES, float("nan"))
    if is_silent(answer):
        return dict.fromkeys(NAMES, FLOOR_DB)
    return _ratios([truth], answer)


def _ratios(sources: Sequence[np.ndarray], estimate: np.ndarray) -> dict[str, float]:
    """Ratios of the first source, as `museval.bss_eval` with windows of a second finds them.

    That function works out every source, and the sources' own spectra for every estimate; this one calls its parts, for
    one source, and keeps the spectra for the next estimate. Frames in which any source or the estimate is silent are out.
    """
    parts = museval()
    references, estimate = np.stack(sources)[:, :, None].astype(np.float64), estimate[:, None].astype(np.float64)
    own, spectra = _correlations(references.shape, references.tobytes())
    alone = parts._compute_projection_filters(own[0, 0], spectra[0], estimate)
    filters = parts._compute_projection_filters(own, spectra, estimate) if len(sources) > 1 else alone[None]
    found = []
    for frame in parts.Framing(SAMPLE_RATE, SAMPLE_RATE, len(estimate)):
        heard = references[:, frame]
        if heard.any(axis=(1, 2)).all() and estimate[frame].any():
            pieces = parts._bss_decomp_mtifilt(heard, estimate[frame], 0, filters, alone)
            sdr, isr, _, sar = parts._bss_crit(*pieces, bsseval_sources_version=False)
            found.append((sdr, isr, sar))
    if not found:
        return dict.fromkeys(NAMES, float("nan"))
    medians = np.clip(np.median(found, axis=0), FLOOR_DB, CEILING_DB)
    return dict(zip(NAMES, medians.tolist(), strict=True))


@lru_cache(maxsize=1)
def _correlations(shape: tuple[int, ...], references: bytes) -> tuple[np.ndarray, np.ndarray]:
    """museval's inner products of delayed sources, and the sources' spectra; all answers to one context share them."""
    return museval()._compute_reference_correlations(np.frombuffer(references).reshape(shape), FILTER)


@cache
def museval() -> ModuleType:
    """museval's `metrics.py`, loaded by itself.

    `import museval` also imports readers of music in video containers, which refuse to load on machines without ffmpeg.
    The arithmetic needs none of that.
    """
    package = importlib.util.find_spec("museval")
    if package is None:
        raise UserError("separation scores need a package: pip install museval==0.4.1")
    folder = package.submodule_search_locations[0]
    spec = importlib.util.spec_from_file_location("museval_metrics", f"{folder}/metrics.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
