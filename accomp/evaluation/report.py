"""Results as files and as a table to read: tidy CSV, means with their intervals, comparisons."""

import csv
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from accomp.disk import write_csv
from accomp.errors import UserError
from accomp.evaluation.rows import SUBJECT, Row
from accomp.metrics.contract import Column
from accomp.metrics.registry import columns

RESAMPLES = 2000
LEAST_TRACKS = 5  # of fewer an interval says nothing


def line(
    row: Row, metric: str, value: float, track: str = "*", stem: str = "*", seed: int | str = "*"
) -> dict[str, str | float]:
    """A line of the tidy table; `*` is for what belongs to no track, stem or seed."""
    return row.subject | {"track": track, "stem": stem, "seed": seed, "metric": metric, "value": value}


def write_lines(path: Path, lines: Sequence[dict]) -> None:
    """Write lines of equal keys as CSV; the file appears whole or not at all. An undefined value stays empty."""
    write_csv(path, list(lines[0]), ({key: _cell(value) for key, value in line.items()} for line in lines))


def read_lines(path: Path) -> list[dict]:
    """The lines of a `scores.csv`, values as numbers (NaN where empty). Raises UserError when there is none."""
    if not path.is_file():
        raise UserError(f"{path}: nothing has been scored yet; run it with do='[play,score,report]'")
    with path.open(newline="") as file:
        return [line | {"value": float(line["value"] or "nan")} for line in csv.DictReader(file)]


def read_summary(path: Path) -> list[dict]:
    """The lines of a `summary.csv`, numbers as numbers (NaN where empty)."""
    numbers = ("mean", "low", "high", "normalised", "n")
    with path.open(newline="") as file:
        return [line | {key: float(line[key] or "nan") for key in numbers} for line in csv.DictReader(file)]


def summarise(lines: Iterable[dict]) -> list[dict]:
    """Mean of every metric in every row, with the interval in which 95 % of resampled sets of tracks have theirs.

    `normalised` is where the mean lies between a random pairing (0) and the truth (1). Undefined values are not counted;
    `n` says how many were. What is only defined of many excerpts together has no interval, nor have fewer than 5 tracks.
    """
    groups: dict[tuple, list[tuple[str, float]]] = {}
    for line in lines:
        entry = groups.setdefault((*(line[key] for key in SUBJECT), line["metric"]), [])
        if not math.isnan(line["value"]):
            entry.append((line["track"], line["value"]))
    means = {(key[0], key[-1]): _mean(values) for key, values in groups.items()}
    summary = []
    for (*subject, metric), values in groups.items():
        low, high = interval(values)
        mean, normalised = _mean(values), math.nan
        worst, best = (means.get((name, metric), math.nan) for name in ("random_pairing", "truth"))
        if metric in columns() and columns()[metric].normalised and best > worst:
            normalised = (mean - worst) / (best - worst)
        numbers = {"metric": metric, "mean": mean, "low": low, "high": high, "normalised": normalised, "n": len(values)}
        summary.append(dict(zip(SUBJECT, subject, strict=True)) | numbers)
    return summary


def compare(lines: Iterable[dict]) -> list[dict]:
    """Every model's row against the first one of the same regime, excerpt by excerpt with the same seed.

    One line per row and metric: mean difference and its interval over tracks.
    """
    rows: dict[tuple, dict[str, dict[tuple, float]]] = {}
    for line in lines:
        if line["sampler"] and line["track"] != "*" and not math.isnan(line["value"]):
            metrics = rows.setdefault(tuple(line[key] for key in SUBJECT), {})
            metrics.setdefault(line["metric"], {})[line["track"], line["stem"], line["seed"]] = line["value"]
    first: dict[str, tuple] = {}
    compared = []
    for subject, metrics in rows.items():
        reference = first.setdefault(subject[SUBJECT.index("regime")], subject)
        if reference == subject:
            continue
        for metric, values in metrics.items():
            others = rows[reference].get(metric, {})
            gains = [(key[0], value - others[key]) for key, value in values.items() if key in others]
            if gains:
                low, high = interval(gains)
                against = " ".join(filter(None, reference[:4]))
                numbers = {"metric": metric, "difference": _mean(gains), "low": low, "high": high, "n": len(gains)}
                compared.append(dict(zip(SUBJECT, subject, strict=True)) | {"against": against} | numbers)
    return compared


def interval(values: Sequence[tuple[str, float]]) -> tuple[float, float]:
    """Percentile bootstrap over tracks of the mean of (track, value) pairs; NaN with fewer than `LEAST_TRACKS`.

    The resamples depend on the number of tracks alone, so that rows are compared on the same ones.
    """
    sums: dict[str, list[float]] = {}
    for track, value in values:
        entry = sums.setdefault(track, [0.0, 0])
        entry[0], entry[1] = entry[0] + value, entry[1] + 1
    if len(sums) < LEAST_TRACKS:
        return math.nan, math.nan
    totals = np.array([sums[track] for track in sorted(sums)])
    draws = np.random.default_rng(0).integers(len(sums), size=(RESAMPLES, len(sums)))
    drawn = totals[draws].sum(1)
    low, high = np.percentile(drawn[:, 0] / drawn[:, 1], [2.5, 97.5])
    return float(low), float(high)


def _mean(values: Sequence[tuple[str, float]]) -> float:
    return float(np.mean([value for _, value in values])) if values else math.nan


def shown_columns(summary: Sequence[dict]) -> dict[str, Column]:
    """Number -> column of a table of these results, in the results' order; a distance names its embedding."""
    shown = {}
    for name in dict.fromkeys(line["metric"] for line in summary):
        distance, _, embedding = name.partition("_")
        if name in columns():
            shown[name] = columns()[name]
        elif distance in ("fad", "kad"):
            shown[name] = replace(columns()[distance], heading=f"{distance.upper()} {embedding}")
    return shown


def cells(summary: Sequence[dict]) -> tuple[list[str], list[list[str]]]:
    """Headings and rows of the table to read: who, what was hidden, then the means, beat F1 with its interval."""
    metrics = shown_columns(summary)
    by_place: dict[tuple, dict[str, dict]] = {}
    for line in summary:
        by_place.setdefault(tuple(line[key] for key in SUBJECT), {})[line["metric"]] = line
    body = []
    for subject, found in by_place.items():
        row = dict(zip(SUBJECT, subject, strict=True))
        seen = f"{float(row['visibility_s']):+.2f}" if row["visibility_s"] not in ("", None) else ""
        who = [row["model"], row["sampler"], row["clock"], row["protocol"], row["regime"], seen]
        body.append(who + [_shown(found.get(metric)) for metric in metrics])
    names = ["model", "sampler", "clock", "protocol", "regime", "visible s"]
    return names + [column.heading for column in metrics.values()], body


def table(summary: Sequence[dict]) -> str:
    """One line per row, columns lined up."""
    head, body = cells(summary)
    return "\n".join("  ".join(row).rstrip() for row in aligned([head, *body], names=5))


def widths(summary: Sequence[dict]) -> str:
    """How far the 95 % intervals of the models' rows reach to either side, on the mean: what a run of this size can tell."""
    reach: dict[str, list[float]] = {}
    for line in summary:
        if line["sampler"] and not math.isnan(line["high"]):
            reach.setdefault(line["metric"], []).append((line["high"] - line["low"]) / 2)
    headings = {name: column.heading for name, column in shown_columns(summary).items()}
    told = [f"{headings[name]} ±{np.mean(values):.3f}" for name, values in reach.items() if name in headings]
    return f"95 % intervals over the tracks: {', '.join(told)}" if told else ""


def aligned(rows: Sequence[Sequence[str]], names: int) -> list[list[str]]:
    """Cells filled up so that columns line up: the first `names` columns to the left, the others, numbers, to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        [cell.ljust(w) if i < names else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))]
        for row in rows
    ]


def _shown(line: dict | None) -> str:
    if line is None or math.isnan(line["mean"]):
        return "-"
    if line["metric"] == "beat_f1_grid" and not math.isnan(line["low"]):
        return f"{line['mean']:.3f} [{line['low']:.2f}, {line['high']:.2f}]"
    return f"{line['mean']:.1f}" if line["metric"].endswith(("_db", "_ms")) else f"{line['mean']:.3f}"


def _cell(value):
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.6g}"
    return value


def log_to_wandb(project: str, name: str, folder: Path, summary: Sequence[dict]) -> None:
    """The table and the figures as one run of Weights & Biases (offline where WANDB_MODE says so)."""
    import wandb  # takes a second: only when asked for

    head, body = cells(summary)
    with wandb.init(project=project, name=name, dir=folder, job_type="evaluate") as run:
        figures = {path.stem: wandb.Image(str(path)) for path in sorted((folder / "figures").glob("*.png"))}
        run.log({"scores": wandb.Table(columns=head, data=body)} | figures)
