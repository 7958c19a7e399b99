"""A page that makes the trade-off audible: one song, every model, regime and stem, beside what was really played.

Style, script and figures are inside `index.html` and nothing is fetched from elsewhere. So are the sounds, unless the page
is written to a folder of its own (`page.folder`): then they lie beside it.
"""

import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np
from jinja2 import Environment, StrictUndefined

from accomp.disk import write_text
from accomp.errors import UserError
from accomp.evaluation.clips import beside, clip, inside
from accomp.evaluation.paper_table import Line
from accomp.evaluation.report import cells, shown_columns
from accomp.evaluation.rows import CODEC_ROW, Row
from accomp.evaluation.scoring import ScoringItem
from accomp.evaluation.settings import Page, Settings
from accomp.timeline import to_samples, to_seconds

log = logging.getLogger(__name__)

NAMES_OF_ROWS, COLUMNS = 6, 8  # of a table: columns that say who, and at most so many numbers beside them
TICK_S = (1, 2, 5, 10, 20, 30, 60)  # between the marks of a time axis, the first that gives at most six
SERVED_RATIO = 0.25  # of several step ratios at one depth, the page plays the one nearest to this
DEPTHS = {-1.0: "Retrospective", 0.0: "Immediate", 1.0: "Look-ahead"}
CLOCKS = {
    "score": ", told the beats of the score",
    "chart": ", told the beats and chords of the score",
    "metronome": ", told the beats of the score, with no plan of harmony",
    "none": ", with no beat",
}
WORDS = {
    "stem": "alone",
    "context": "the others",
    "mix": "all",
    "codec": "alone, through the codec",
    "made": "alone",
    "made mix": "with the others",
}
CAPTIONS = {
    "lookahead": "Ours in colour, from five tracks on with 95 % intervals; grey is published (arXiv 2604.07612, on Slakh2100; "
    "hollow: read off its figure). What is measured otherwise than in the paper has an axis of its own; compare shapes "
    "there, not heights.",
    "speed": "What more calls of the network buy: beat F1 against the median time of a cycle.",
}


def write_page(
    settings: Settings,
    items: Sequence[ScoringItem],
    summary: Sequence[dict],
    figures: dict[str, Path],
    beside: Sequence[Line] = (),
) -> Path:
    """Write index.html. Raises UserError when `page.track` names no song that was played."""
    names = list(dict.fromkeys(item.song.name for item in items))
    track = settings.page.track or names[0]
    if track not in names:
        raise UserError(f"page.track={track}: choose one of {', '.join(names)}")
    shown = [item for item in items if item.song.name == track and item.seed == settings.seeds[0]]
    page = Clips(settings.page, settings.listen, shown)
    head, body = cells(summary)
    own = {kind: files("accomp.evaluation").joinpath(f"page.{kind}").read_text("utf-8") for kind in ("html", "css", "js")}
    template = Environment(autoescape=True, undefined=StrictUndefined).from_string(own.pop("html"))
    html = template.render(
        own,
        track=track,
        stems=list(dict.fromkeys(item.stem for item in shown)),
        truth=page.truth(shown),
        models=[page.model(row, its) for row, its in chosen_models(shown, settings.page.models).items()],
        figures=[{"svg": _inline(name, path), "caption": CAPTIONS[name]} for name, path in figures.items()],
        tables=tables(head, body),
        beside=beside,
        beside_rows=[list(line.values()) for line in beside],
        ticks=page.ticks,
        columns=shown_columns(summary).values(),
        name=settings.name,
        about=_about(settings, len(names)),
    )
    path = (Path(settings.page.folder) if settings.page.folder else settings.out_dir) / "index.html"
    write_text(path, html)
    return path


def tables(head: Sequence[str], body: Sequence[Sequence[str]]) -> list[dict]:
    """The whole table in parts of at most `COLUMNS` numbers, each with the names of its rows."""
    starts = range(NAMES_OF_ROWS, len(head), COLUMNS)
    parts = [[*range(NAMES_OF_ROWS), *range(start, min(start + COLUMNS, len(head)))] for start in starts]
    return [{"head": [head[i] for i in part], "rows": [[row[i] for i in part] for row in body]} for part in parts]


def chosen_models(items: Sequence[ScoringItem], most: int) -> dict[Row, list[ScoringItem]]:
    """At most so many models (with sampler, clock, protocol), each in one regime per depth, deepest past first."""
    found: dict[Row, list[ScoringItem]] = {}
    for item in items:
        if item.row.plays:
            found.setdefault(replace(item.row, regime=None), []).append(item)
    if len(found) > most:
        log.info("the page plays %d of %d; page.models=%d plays all", most, len(found), len(found))
    chosen = {}
    for row, its in list(found.items())[:most]:
        regimes = sorted({item.row.regime for item in its}, key=lambda regime: abs(regime.r - SERVED_RATIO))
        nearest = {regime.w: regime for regime in reversed(regimes)}
        chosen[row] = [item for w in sorted(nearest) for item in its if item.row.regime == nearest[w]]
    return chosen


class Clips:
    """The sounds of the page, in the form that its template needs."""

    def __init__(self, page: Page, listen: float, items: Sequence[ScoringItem]):
        self.compression = page.compression
        self.part = slice(to_samples(listen + page.start), to_samples(listen + page.start + page.seconds))
        songs = {item.stem: item.song for item in items}
        mixes = [(song.context[stem] + song.truth[stem])[self.part] for stem, song in songs.items()]
        self.peak = max(0.05, *(float(np.abs(mix).max(initial=0)) for mix in mixes))  # of every outline on the page
        length_s = max(to_seconds(len(mix)) for mix in mixes)
        if not length_s:
            raise UserError(
                f"the page begins at page.start={page.start:g} s and nothing of what was played is left there; choose less"
            )
        spacing = next((s for s in TICK_S if length_s <= 6 * s), TICK_S[-1])
        self.ticks = [(s, 100 * s / length_s) for s in range(0, int(length_s) + 1, spacing)]
        self.store = beside(Path(page.folder)) if page.folder else inside

    def truth(self, items: Iterable[ScoringItem]) -> dict[str, list[dict]]:
        """The clips of every stem's recording."""
        found = {}
        for item in items:
            truth, context = item.song.truth[item.stem], item.song.context[item.stem]
            if item.stem not in found:
                sounds = {"stem": truth, "context": context, "mix": context + truth}
                found[item.stem] = self._clips(f"recording_{item.stem}", sounds)
            if item.row.model == CODEC_ROW:
                found[item.stem] += self._clips(f"recording_{item.stem}", {"codec": item.audio})
        return found

    def model(self, row: Row, items: Sequence[ScoringItem]) -> dict:
        """What a model plays, regime by regime."""
        note = CLOCKS.get(row.clock, "") + " (the paper's protocol)" * (row.protocol == "paper")
        regimes = [
            {
                "name": DEPTHS.get(regime.w, f"{regime.w:g} steps ahead"),
                "w": f"{regime.w:g}",
                "r": f"{regime.r:g}",
                "heard": _heard(regime.step.visibility_s),
                "stems": {item.stem: self._answer(item) for item in items if item.row.regime == regime},
            }
            for regime in dict.fromkeys(item.row.regime for item in items)
        ]
        return {"name": row.model, "sampler": row.sampler, "note": note, "regimes": regimes}

    def _answer(self, item: ScoringItem) -> list[dict]:
        name = f"{'_'.join(item.row.folder.parts)}_{item.stem}"
        return self._clips(name, {"made": item.audio, "made mix": item.context + item.audio})

    def _clips(self, name: str, sounds: dict[str, np.ndarray]) -> list[dict]:
        return [
            {"kind": kind.split()[-1]}
            | clip(f"{name}_{kind}".replace(" ", "_"), WORDS[kind], audio[self.part], self.compression, self.store, self.peak)
            for kind, audio in sounds.items()
        ]


def _heard(visibility_s: float) -> str:
    if visibility_s > 0:
        return "has heard the others play the very passage"
    hidden = f"{-visibility_s:.2g} s" if visibility_s else "the moment"
    return f"has heard the others up to {hidden}{' before it' if visibility_s else ' it'} begins to play"


def _inline(name: str, path: Path) -> str:
    """An SVG file as a part of a page; two of them must not share names."""
    svg = re.sub(r"^.*?<svg", f'<svg role=img aria-label="{name}"', path.read_text("utf-8"), count=1, flags=re.DOTALL)
    return re.sub(r'(\bid="|url\(#|xlink:href="#)', rf"\g<1>{name}", svg)


def _about(settings: Settings, songs: int) -> str:
    length = "whole" if settings.seconds is None else f"{settings.seconds:g} s of each"
    counts = ", ".join(f"{n} {what}{'s' * (n != 1)}" for n, what in ((songs, "song"), (len(settings.seeds), "seed")))
    return f"{counts}; data set {Path(settings.data.root).name}, {length}"
