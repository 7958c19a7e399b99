"""The page that makes the trade-off audible: one song, every model and regime and stem, beside what was really played.

One file, `index.html`: sound, figures, style and script are inside, nothing is fetched, so it can be mailed, put on any web
server or opened from a disk.
"""

import base64
import io
import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from html import escape
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import numpy as np
import soundfile

from accomp.errors import UserError
from accomp.evaluation.judges import Case
from accomp.evaluation.report import HELP, cells, shown_metrics, write_text
from accomp.evaluation.rows import CODEC_ROW, Row
from accomp.evaluation.settings import Settings
from accomp.timeline import SAMPLE_RATE, to_samples

log = logging.getLogger(__name__)

SERVED_RATIO = 0.25  # of several step ratios at one depth, the page plays the one nearest to this
POINTS, TALL = 240, 48  # of a waveform
DEPTHS = {-1.0: "Retrospective", 0.0: "Immediate", 1.0: "Look-ahead"}
FIGURES = {
    "lookahead": "Ours in colour, with 95 % intervals over tracks; grey is published (arXiv 2604.07612, on Slakh2100; hollow: "
    "read off its figure). Other music, other measures of fit and sound: compare shapes, not heights.",
    "speed": "What more calls of the network buy: beat F1 against the median time of a cycle.",
}


def write_page(settings: Settings, there: Sequence[Case], summary: Sequence[dict], figures: dict[str, Path]) -> Path:
    """Write index.html. Raises UserError when `page.track` names no song that was played."""
    names = list(dict.fromkeys(case.song.name for case in there))
    track = settings.page.track or names[0]
    if track not in names:
        raise UserError(f"page.track={track}: choose one of {', '.join(names)}")
    on_page = [case for case in there if case.song.name == track and case.seed == settings.seeds[0]]
    chosen = players(on_page, settings.page.players)
    body = _truth(on_page, settings.page.seconds)
    for player, in_regimes in chosen.items():
        body += _player(player, in_regimes, settings.page.seconds)
    asset = {name: files("accomp.evaluation").joinpath(f"page.{name}").read_text("utf-8") for name in ("css", "js")}
    html = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>What look-ahead costs: {escape(track)}</title><style>{asset["css"]}</style></head><body>
<header><h1>What look-ahead costs</h1>
<p>One instrument of <b>{escape(track)}</b> is left out and played by a model that hears the others. The less of them it may
have heard when it plays, the sooner its answer can be there. Listen to how much it loses.</p>
{_stem_choice(on_page)}</header><main>{body}
<section><h2>In numbers</h2>{_figures(figures)}{_table(summary)}</section>
<p class="soft">Made by <code>python evaluate.py name={escape(settings.name)}</code>: {escape(_about(settings, there))}.
Keys: Tab moves, Enter or Space plays, arrows wind.</p>
</main><script>{asset["js"]}</script></body></html>
"""
    path = settings.out_dir / "index.html"
    write_text(path, html)
    return path


def players(cases: Sequence[Case], most: int) -> dict[Row, list[Case]]:
    """At most so many models (with sampler, clock, protocol), each in one regime per depth, deepest past first."""
    found: dict[Row, list[Case]] = {}
    for case in cases:
        if case.row.plays:
            found.setdefault(replace(case.row, regime=None), []).append(case)
    if len(found) > most:
        log.info("the page plays %d of %d; page.players=%d plays all", most, len(found), len(found))
    chosen = {}
    for player, its in list(found.items())[:most]:
        regimes = sorted({case.row.regime for case in its}, key=lambda regime: abs(regime.r - SERVED_RATIO))
        nearest = {regime.w: regime for regime in reversed(regimes)}
        chosen[player] = [case for w in sorted(nearest) for case in its if case.row.regime == nearest[w]]
    return chosen


def _truth(cases: Sequence[Case], seconds: float) -> str:
    cards = ""
    codec = {case.stem: case for case in cases if case.row.model == CODEC_ROW}
    for stem, case in {case.stem: case for case in reversed(cases)}.items():
        truth, context = case.song.truth[stem], case.song.context[stem]
        clips = [("stem", "alone", truth), ("context", "the others", context), ("mix", "all", context + truth)]
        if stem in codec:
            clips.append(("codec", "alone, through the codec", codec[stem].audio))
        cards = _card(stem, clips, "recording", seconds) + cards
    return f"<section><h2>What was really played</h2><div class=grid>{cards}</div></section>"


def _player(player: Row, cases: Sequence[Case], seconds: float) -> str:
    said = f"{player.model} · {player.sampler}"
    clock = {"score": ", told the beats of the score", "none": ", with no beat", "model": "", "": ""}[player.clock]
    paper = " (the paper's protocol)" if player.protocol == "paper" else ""
    parts = ""
    for regime in dict.fromkeys(case.row.regime for case in cases):
        cards = ""
        for case in cases:
            if case.row.regime == regime:
                answer = case.audio
                clips = [("made", "alone", answer), ("mix", "with the others", case.context + answer)]
                cards += _card(case.stem, clips, f"{said}, w = {regime.w:g}", seconds)
        name = DEPTHS.get(regime.w, f"{regime.w:g} steps ahead")
        parts += (
            f"<h3>{name} <small>w = {regime.w:g}, r = {regime.r:g}: {_heard(regime.step.visibility_s)}</small></h3>"
        )
        parts += f"<div class=grid>{cards}</div>"
    return f"<section><h2>{escape(said)}<small>{clock}{paper}</small></h2>{parts}</section>"


def _heard(visibility_s: float) -> str:
    if visibility_s > 0:
        return "has heard the others play the very passage"
    hidden = f"{-visibility_s:.2g} s" if visibility_s else "the moment"
    return f"has heard the others up to {hidden}{' before it' if visibility_s else ' it'} begins to play"


def _stem_choice(cases: Sequence[Case]) -> str:
    stems = list(dict.fromkeys(case.stem for case in cases))
    radios = "".join(
        f'<label><input type=radio name=stem value="{stem}"{" checked" * (stem == "all")}>{stem}</label>'
        for stem in ("all", *stems)
    )
    together = (
        "<label class=keep><input type=checkbox id=keep checked>keep the place when another sound is started</label>"
    )
    return f"<form><fieldset><legend>Listen to</legend>{radios}{together}</fieldset></form>"


def _card(stem: str, clips: Sequence[tuple[str, str, np.ndarray]], whose: str, seconds: float) -> str:
    parts = "".join(
        _clip(kind, said, audio[: to_samples(seconds)], f"{stem}, {said}, {whose}") for kind, said, audio in clips
    )
    return f'<article data-stem="{stem}"><h4>{stem}</h4>{parts}</article>'


def _clip(kind: str, said: str, audio: np.ndarray, label: str) -> str:
    audio = audio / max(1.0, float(np.abs(audio).max(initial=0)))
    length_s, name = len(audio) / SAMPLE_RATE, escape(label)
    slider = f'role=slider tabindex=0 aria-label="position in: {name}" aria-valuemin=0 aria-valuemax="{length_s:.1f}"'
    return (
        f'<div class="clip {kind}"><button type=button aria-label="play: {name}"></button>'
        f"<div class=wave {slider} aria-valuenow=0>{_waveform(audio)}<i></i></div><span>{said}</span>"
        f'<audio controls preload=none aria-label="{name}" src="{_mp3(audio)}"></audio></div>'
    )


def _mp3(audio: np.ndarray) -> str:
    """Audio (N,) as a data URI; about 8 kB a second."""
    sound = io.BytesIO()
    soundfile.write(sound, audio, SAMPLE_RATE, format="MP3", subtype="MPEG_LAYER_III", compression_level=0.6)
    return f"data:audio/mpeg;base64,{base64.b64encode(sound.getvalue()).decode()}"


def _waveform(audio: np.ndarray) -> str:
    """Highest and lowest sample of each slice as one outline, on a scale of its own."""
    edges = np.linspace(0, len(audio), POINTS + 1).astype(int)
    slices = [audio[a : max(a + 1, b)] for a, b in pairwise(edges)]
    scale = 0.5 * TALL / max(float(np.abs(audio).max(initial=0)), 0.05)
    top = [f"{x},{TALL / 2 - scale * s.max(initial=0) - 0.4:.0f}" for x, s in enumerate(slices)]
    bottom = [f"{x},{TALL / 2 - scale * s.min(initial=0) + 0.4:.0f}" for x, s in enumerate(slices)]
    points = " ".join(top + bottom[::-1])
    return f'<svg viewBox="0 0 {POINTS} {TALL}" preserveAspectRatio=none aria-hidden=true><polygon points="{points}"/></svg>'


def _figures(figures: dict[str, Path]) -> str:
    parts = ""
    for name, path in figures.items():
        svg = re.sub(
            r"^.*?<svg", f'<svg role=img aria-label="{name}"', path.read_text("utf-8"), count=1, flags=re.DOTALL
        )
        svg = re.sub(r'(\bid="|url\(#|xlink:href="#)', rf"\g<1>{name}", svg)  # two figures must not share names
        parts += f"<figure><div class=scroll>{svg}</div><figcaption>{FIGURES[name]}</figcaption></figure>"
    return parts


def _table(summary: Sequence[dict]) -> str:
    head, body = cells(summary)
    rows = "".join("<tr>" + "".join(_cell(cell, i < 4) for i, cell in enumerate(row)) + "</tr>" for row in body)
    heads = "".join(f"<th scope=col>{escape(cell)}</th>" for cell in head)
    return (
        f'<div class=scroll tabindex=0 role=region aria-label="all results"><table><thead><tr>{heads}</tr></thead><tbody>{rows}'
        f"</tbody></table></div><details><summary>What the columns say</summary><dl>{''.join(_help(summary))}</dl></details>"
    )


def _cell(text: str, name: bool) -> str:
    return f"<td{' class=name' * name}>{escape(text)}</td>"


def _help(summary: Sequence[dict]) -> Iterator[str]:
    for metric, heading in shown_metrics(summary).items():
        said = HELP[metric[:3] if metric.startswith(("fad_", "kad_")) else metric]
        yield f"<dt>{escape(heading)}</dt><dd>{escape(said)}</dd>"


def _about(settings: Settings, there: Sequence[Case]) -> str:
    songs = len({case.song.name for case in there})
    length = "whole" if settings.seconds is None else f"{settings.seconds:g} s of each"
    counts = ", ".join(f"{n} {what}{'s' * (n != 1)}" for n, what in ((songs, "song"), (len(settings.seeds), "seed")))
    return f"{counts}; data set {Path(settings.data.root).name}, {length}"
