"""The codec's scores as a table in Markdown, to be read in a terminal and pasted into a model card."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from accomp.codec.contract import Codec
from accomp.evaluation.latency import machine
from accomp.evaluation.report import aligned
from accomp.evaluation.settings import Settings
from accomp.timeline import STEMS, Step, to_seconds

OURS, REFERENCE = "ours", "music2latent"
PARTS = (*STEMS, "mix")
COLUMNS = {
    "sdr_db": "SDR dB",
    "isr_db": "ISR dB",
    "sar_db": "SAR dB",
    "si_sdr_db": "SI-SDR dB",
    "lsd_db": "LSD dB",
    "mr_stft": "MR-STFT",
    "onset_error_ms": "onsets ms",
    "onset_missed": "missed",
    "chroma": "chroma",
}
DECIMALS = {"mr_stft": 2, "onset_missed": 2, "chroma": 2}  # of the others 1


def card(settings: Settings, codec: Codec, lines: Sequence[dict], weights: Path | None) -> str:
    """Sound, then time, then what is to be known about both."""
    facts = machine(next(codec.parameters()).device)
    step = Step(settings.latency.r, settings.latency.w)
    much = f"{settings.seconds:g} s from the middle of each song" if settings.seconds else "whole songs"
    known = {(entry["codec"], entry["metric"]): entry["value"] for entry in lines if entry["set"] == "*"}
    notes = [
        f"`ours` is the codec of `{Path(settings.model).name}`: hop {codec.hop} samples, {codec.channels} channels, "
        f"{known[OURS, 'parameters'] / 1e6:.1f} M parameters, delay {1e3 * to_seconds(codec.delay):.0f} ms. "
        f"{much[0].upper()}{much[1:]}, streamed in steps of {step.seconds:g} s.",
        "SDR, ISR, SAR: BSS Eval v4 (museval), median over frames of 1 s; all columns: median over n excerpts.",
        "Chroma: are the notes still the notes? 1 is the recording's pitch classes, second by second, 0 is chance.",
        f"Clicks: energy of the second difference against the 10 ms on either side, at {known[OURS, 'borders']:.0f} borders "
        f"of steps {known[OURS, 'border_excess_db']:+.1f} dB, at the borders of frames inside of steps "
        f"{known[OURS, 'frame_excess_db']:+.1f} dB, in the recordings at the borders of steps "
        f"{known[OURS, 'recording_excess_db']:+.1f} dB.",
        f"Time of a step: {facts['processor']}, {facts['device']}, {facts['threads']} threads, load "
        f"{facts.get('load_average_1min', math.nan)}. Late / early: median step of the last against the first third "
        "of 60 s.",
        _about_reference(weights, known),
    ]
    return "\n".join([*_sound(lines), "", *_time(known), "", *(f"- {note}" for note in notes), ""])


def _about_reference(weights: Path | None, known: dict) -> str:
    timed = "left out of the timing, too (latency.paper_cycles=0)"
    if (REFERENCE, "step_p50_ms") in known:
        ratio = known[REFERENCE, "step_p50_ms"] / known[OURS, "step_p50_ms"]
        timed = f"{ratio:.0f} times our median step; it encodes 6 s and decodes the newest frames"
    if weights:
        return f"Music2Latent (CC BY-NC 4.0), its published weights: {timed}."
    return (
        f"Music2Latent's weights are not here, so its sound is not scored (music2latent=PATH names the file); with "
        f"random weights: {timed}."
    )


def _sound(lines: Sequence[dict]) -> list[str]:
    groups: dict[tuple[str, str, str], dict[str, list[float]]] = {}
    for entry in lines:
        if entry["set"] != "*":
            row = groups.setdefault((entry["codec"], entry["set"], entry["part"]), {})
            row.setdefault(entry["metric"], []).append(entry["value"])
    sets = list(dict.fromkeys(label for _, label, _ in groups))
    order = {subject: (subject[0] == REFERENCE, sets.index(subject[1]), PARTS.index(subject[2])) for subject in groups}
    cells = [["codec", "songs", "part", "n", *COLUMNS.values()]]
    for subject, values in sorted(groups.items(), key=lambda group: order[group[0]]):
        medians = [_shown(values[metric], DECIMALS.get(metric, 1)) for metric in COLUMNS]
        cells.append([*subject, str(len(values["sdr_db"])), *medians])
    return _markdown(cells, names=3)


def _time(known: dict) -> list[str]:
    cells = [["codec", "encode ms", "decode ms", "step p50 ms", "step p95 ms", "late / early"]]
    for name in (OURS, REFERENCE):
        if (name, "step_p50_ms") in known:
            keys = ("encode_p50_ms", "decode_p50_ms", "step_p50_ms", "step_p95_ms")
            growth = _shown([known.get((name, "late_to_early"), math.nan)], 2)
            cells.append([name, *(_shown([known[name, key]], 1) for key in keys), growth])
    return _markdown(cells, names=1)


def _shown(values: Sequence[float], decimals: int) -> str:
    defined = [value for value in values if not math.isnan(value)]
    return f"{np.median(defined):.{decimals}f}" if defined else "-"


def _markdown(cells: Sequence[Sequence[str]], names: int) -> list[str]:
    """Rows of a Markdown table; the first `names` columns are text, the others numbers."""
    rule = ["---" if i < names else "--:" for i in range(len(cells[0]))]
    return [f"| {' | '.join(row)} |" for row in aligned([cells[0], rule, *cells[1:]], names)]
