"""The paper's table beside ours: regime by regime, published values and own ones, each marked as what it is.

Values of different measures never share a column: another beat tracker, another embedding or another rule for stems without
a beat is another measure.
"""

import csv
import html
import math
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from accomp.disk import write_csv, write_text
from accomp.evaluation.settings import Settings
from accomp.timeline import WINDOW, to_seconds

PUBLISHED_BEAT = "beat F1 (Beat This, failures left out)"
MEASURES = {"beat_f1": PUBLISHED_BEAT, "fad": "FAD (VGGish)", "cocola": "COCOLA"}
PLACE = ("r", "w", "look-ahead s", "whose", "model")
NAMES = {"diffusion": "diffusion", "cd": "consistency", "random pairing": "random pairing"}
Line = dict[str, str]


def read_published() -> list[dict]:
    """The published values, one line per model and regime; `fit` is COCOLA between a random pairing (0) and the truth (1)."""
    with files("accomp.evaluation").joinpath("paper_table.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    random = next(float(line["cocola"]) for line in lines if line["model"] == "random pairing")
    rows = []
    for line in lines:
        numbers = {key: float(line[key] or "nan") for key in ("r", "w", "fad", "beat_f1", "cocola", "gt_cocola")}
        numbers["fit"] = (numbers["cocola"] - random) / (numbers["gt_cocola"] - random)
        rows.append({"model": line["model"], "source": line["source"]} | numbers)
    return rows


def beat_measure(settings: Settings) -> str:
    """What the beat F1 of an evaluation measures, as the heading of its column."""
    tracker = "madmom" if settings.tracker == "madmom" else "Beat This"
    return f"beat F1 ({tracker}, failures {'left out' if settings.failures == 'drop' else 'count 0'})"


def side_by_side(summary: Sequence[dict], settings: Settings) -> list[Line]:
    """The lines of the table, all with the same columns; none when no regime of the paper was played."""
    published = read_published()
    regimes = {(row["r"], row["w"]) for row in published if not math.isnan(row["r"])}
    subjects: dict[tuple, dict[str, float]] = {}
    for line in summary:
        if measure := _measure(line["metric"], settings):
            who = " ".join(filter(None, (line["model"], line["sampler"], line["clock"], line["protocol"])))
            place = _number(line["r"]), _number(line["w"])
            subjects.setdefault((*place, bool(line["sampler"]), who), {})[measure] = line["mean"]
    found = [
        (r, w, "ours", who, values)
        for (r, w, plays, who), values in subjects.items()
        if (r, w) in regimes or (not plays and math.isnan(r))
    ]
    if not any((r, w) in regimes for r, w, *_ in found):
        return []
    for row in published:
        whose = "published" + ", read off the figure" * (row["source"] != "measured")
        values = {heading: row[key] for key, heading in MEASURES.items()}
        found.append((row["r"], row["w"], whose, NAMES[row["model"]], values))
    played = {(r, w) for r, w, whose, *_ in found if whose == "ours"}
    measures = list(dict.fromkeys([*MEASURES.values(), *(name for *_, values in found for name in values)]))
    chosen = sorted((line for line in found if math.isnan(line[0]) or line[:2] in played), key=_order)
    return [_line(*line, measures) for line in chosen]


def _measure(metric: str, settings: Settings) -> str | None:
    """The heading under which a metric of ours stands; None for those that the paper has nothing like."""
    if metric == "beat_f1_context":
        return beat_measure(settings)
    if metric.startswith("fad_"):
        return f"FAD ({metric.removeprefix('fad_').replace('vggish', 'VGGish')})"
    return "coherence (this project's)" if metric == "coherence" else None


def _order(line: tuple) -> tuple:
    """By depth and step ratio, large steps first; rows without a regime last; the published ones before ours."""
    r, w, whose, *_ = line
    return (1, 0, 0, whose == "ours") if math.isnan(r) else (0, w, -r, whose == "ours")


def _line(r: float, w: float, whose: str, who: str, values: dict[str, float], measures: Sequence[str]) -> Line:
    place = ["", "", ""] if math.isnan(r) else [f"{r:g}", f"{w:g}", f"{w * r * to_seconds(WINDOW):g}"]
    shown = {name: values.get(name, math.nan) for name in measures}
    numbers = {name: "" if math.isnan(value) else f"{value:.3f}" for name, value in shown.items()}
    return dict(zip(PLACE, [*place, whose, who], strict=True)) | numbers


def _number(cell: str | float | None) -> float:
    return float(cell) if cell not in ("", None) else math.nan


def write_side_by_side(folder: Path, lines: Sequence[Line]) -> None:
    """paper_table.csv, .md, .html and .tex."""
    head = list(lines[0])
    write_csv(folder / "paper_table.csv", head, lines)
    rows = [list(line.values()) for line in lines]
    bars = ["---"] * len(head)
    write_text(folder / "paper_table.md", "\n".join(f"| {' | '.join(row)} |" for row in (head, bars, *rows)) + "\n")
    cells = [[html.escape(cell) for cell in row] for row in (head, *rows)]
    body = "\n".join(f"<tr><td>{'</td><td>'.join(row)}</td></tr>" for row in cells)
    write_text(folder / "paper_table.html", f"<!doctype html>\n<meta charset=utf-8><table>\n{body}\n</table>\n")
    latex = "\n".join(" & ".join(cell.replace("_", r"\_") for cell in row) + r" \\" for row in (head, *rows))
    columns = "r" * 3 + "l" * 2 + "r" * (len(head) - 5)
    write_text(folder / "paper_table.tex", f"\\begin{{tabular}}{{{columns}}}\n{latex}\n\\end{{tabular}}\n")
