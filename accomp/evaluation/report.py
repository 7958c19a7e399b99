"""Results as files and as a table to read: tidy CSV, means with their intervals, comparisons, and what produced them."""

import csv
import io
import math
import os
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from omegaconf import DictConfig, OmegaConf

from accomp.errors import UserError
from accomp.evaluation.rows import SUBJECT

RESAMPLES = 2000
# What the table shows; everything else is in the CSV.
COLUMNS = {
    "beat_f1_grid": "beat F1",
    "beat_f1_context": "F1 ctx",
    "beat_coverage": "tracked",
    "coherence": "coherence",
    "chroma_agreement": "chroma",
    "chord_agreement": "chords",
    "sdr_db": "SDR dB",
    "silence_ratio": "silent",
    "context_correlation": "copy",
    "fad": "FAD",
    "kad": "KAD",
    "drift_f1_first": "F1 first 20 s",
    "drift_f1_last": "F1 last 20 s",
    "drift_rms_db": "louder dB",
    "cycle_p50_ms": "cycle ms",
    "lead_least_ms": "lead ms",
}
# What each column is, for the page.
HELP = {
    "beat_f1_grid": "Beats tracked in the stem alone against the beats of the score, F-measure, ±70 ms; no beat found is 0.",
    "beat_f1_context": "The same against the beats tracked in the context, as the paper counts.",
    "beat_coverage": "Share of stems in which any beat was found: never read an F1 without it.",
    "coherence": "Opinion of a small contrastive model of ours whether stem and context belong together, -1 to 1. Not COCOLA, "
    "which is not computed here: how its published checkpoint is laid out is not documented.",
    "chroma_agreement": "Correlation of the stem's pitch classes with the context's, second by second; drums have none.",
    "chord_agreement": "Share of the stem's energy on the triad that the recording makes, second by second; chance is 0.25.",
    "sdr_db": "Signal-to-distortion ratio (museval). Only of the codec and of w = -1: a made-up stem has no single reference.",
    "silence_ratio": "Share of the stem below -60 dBFS.",
    "context_correlation": "How much of the stem is a shifted copy of the context.",
    "fad": "Fréchet distance of all stems together from the recordings, in the embedding named; does not hear the fit.",
    "kad": "Kernel distance, likewise; fair to few points. Below 0 for the recordings held against themselves.",
    "drift_f1_first": "Beat F1 against the score of the first 20 s that sound.",
    "drift_f1_last": "The same of the last 20 s: lower, where a player that hears itself loses the beat.",
    "drift_rms_db": "Level of the last 20 s minus that of the first.",
    "cycle_p50_ms": "Median time to compute one step of one voice on the machine that ran this.",
    "lead_least_ms": "How long before its play time the slowest answer was ready; negative is late.",
}
# Scores of the fit, which lie between those of a random pairing and of the truth.
NORMALISED = ("beat_f1_grid", "beat_f1_context", "coherence", "chroma_agreement", "chord_agreement")


def write_lines(path: Path, lines: Sequence[dict]) -> None:
    """Write lines of equal keys as CSV; the file appears whole or not at all. An undefined value stays empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, lines[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _cell(value) for key, value in line.items()} for line in lines)
    write_text(path, text.getvalue())


def read_lines(path: Path) -> list[dict]:
    """The lines of a `scores.csv`, values as numbers (NaN where empty). Raises UserError when there is none."""
    if not path.is_file():
        raise UserError(f"{path}: nothing has been scored yet; run it with do='[play,score,report]'")
    with path.open(newline="") as file:
        return [line | {"value": float(line["value"] or "nan")} for line in csv.DictReader(file)]


def write_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)


def write_provenance(folder: Path, config: DictConfig, root: Path) -> None:
    """`config.yaml`, resolved, with the commit it ran at in a comment on top."""
    write_text(folder / "config.yaml", f"# code: {git_hash(root)}\n{OmegaConf.to_yaml(config, resolve=True)}")


def git_hash(root: Path) -> str:
    """The commit of a working tree, `+changes` when it holds others; `unknown` outside of version control."""

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    try:
        return git("rev-parse", "HEAD") + "+changes" * bool(git("status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def summarise(lines: Iterable[dict]) -> list[dict]:
    """Mean of every metric in every row, with the interval in which 95 % of resampled sets of tracks have theirs.

    `normalised` is where the mean lies between a random pairing (0) and the truth (1). Undefined values are not counted;
    `n` says how many were. What is only defined of many excerpts together has no interval.
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
        if metric in NORMALISED and best > worst:
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
    """Percentile bootstrap over tracks of the mean of (track, value) pairs; NaN with fewer than two tracks.

    The resamples depend on the number of tracks alone, so that rows are compared on the same ones.
    """
    sums: dict[str, list[float]] = {}
    for track, value in values:
        entry = sums.setdefault(track, [0.0, 0])
        entry[0], entry[1] = entry[0] + value, entry[1] + 1
    if len(sums) < 2:
        return math.nan, math.nan
    totals = np.array([sums[track] for track in sorted(sums)])
    draws = np.random.default_rng(0).integers(len(sums), size=(RESAMPLES, len(sums)))
    drawn = totals[draws].sum(1)
    low, high = np.percentile(drawn[:, 0] / drawn[:, 1], [2.5, 97.5])
    return float(low), float(high)


def _mean(values: Sequence[tuple[str, float]]) -> float:
    return float(np.mean([value for _, value in values])) if values else math.nan


def shown_metrics(summary: Sequence[dict]) -> dict[str, str]:
    """Metric -> heading of the columns that a table of these results has; a distance names its embedding."""
    there = dict.fromkeys(line["metric"] for line in summary)
    shown = {}
    for metric, heading in COLUMNS.items():
        if metric in ("fad", "kad"):
            shown |= {name: f"{heading} {name[4:]}" for name in there if name.startswith(f"{metric}_")}
        elif metric in there:
            shown[metric] = heading
    return shown


def cells(summary: Sequence[dict]) -> tuple[list[str], list[list[str]]]:
    """Headings and rows of the table to read: who, what was hidden, then the means, beat F1 with its interval."""
    metrics = shown_metrics(summary)
    by_place: dict[tuple, dict[str, dict]] = {}
    for line in summary:
        by_place.setdefault(tuple(line[key] for key in SUBJECT), {})[line["metric"]] = line
    body = []
    for subject, found in by_place.items():
        row = dict(zip(SUBJECT, subject, strict=True))
        seen = f"{float(row['visibility_s']):+.2f}" if row["visibility_s"] not in ("", None) else ""
        who = [row["model"], row["sampler"], row["clock"] or row["protocol"].replace("live", ""), row["regime"], seen]
        body.append(who + [_shown(found.get(metric)) for metric in metrics])
    return ["model", "sampler", "clock", "regime", "visible s", *metrics.values()], body


def table(summary: Sequence[dict]) -> str:
    """One line per row, columns lined up."""
    head, body = cells(summary)
    widths = [max(len(row[i]) for row in (head, *body)) for i in range(len(head))]
    text = [[cell.ljust(w) if i < 4 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))]
            for row in (head, *body)]  # fmt: skip
    return "\n".join("  ".join(row).rstrip() for row in text)


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
