"""Results as files and as a table to read: tidy CSV, means with their errors, and what produced them."""

import csv
import io
import math
import os
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from omegaconf import DictConfig, OmegaConf

SUBJECT = ("model", "regime", "r", "w", "visibility_s")
# What the table shows; everything else is in the CSV.
COLUMNS = {
    "beat_f1_grid": "beat F1",
    "beat_f1_context": "F1 ctx",
    "beat_coverage": "tracked",
    "chroma_agreement": "chroma",
    "sdr_db": "SDR dB",
    "sar_db": "SAR dB",
    "rms_db": "RMS dB",
    "silence_ratio": "silent",
    "context_correlation": "copy",
    "fad_latent": "FAD lat",
    "cycle_p50_ms": "p50 ms",
    "cycle_p95_ms": "p95 ms",
}


def write_scores(path: Path, lines: Sequence[dict]) -> None:
    """Write lines of equal keys as CSV; the file appears whole or not at all. An undefined value stays empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, lines[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _cell(value) for key, value in line.items()} for line in lines)
    write_text(path, text.getvalue())


def write_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text)
    os.replace(temporary, path)


def write_provenance(folder: Path, config: DictConfig, root: Path) -> None:
    """`config.yaml`, resolved, with the commit it ran at in a comment on top."""
    write_text(folder / "config.yaml", f"# code: {git_hash(root)}\n{OmegaConf.to_yaml(config, resolve=True)}")


def git_hash(root: Path) -> str:
    """The commit of a working tree, `+changes` when it holds others; `unknown` outside of version control."""
    try:
        commit = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, check=True
        ).stdout.strip()
        changed = subprocess.run(
            ["git", "status", "--porcelain", "--untracked-files=no"],
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit + ("+changes" if changed else "")


def summarise(lines: Iterable[dict]) -> list[dict]:
    """Mean, standard error and number of excerpts of every metric in every row; undefined values are not counted."""
    groups: dict[tuple, list[float]] = {}
    for line in lines:
        groups.setdefault((*(line[key] for key in SUBJECT), line["metric"]), []).append(line["value"])
    summary = []
    for (*subject, metric), values in groups.items():
        defined = [value for value in values if not math.isnan(value)]
        mean = float(np.mean(defined)) if defined else math.nan
        error = float(np.std(defined, ddof=1) / math.sqrt(len(defined))) if len(defined) > 1 else math.nan
        numbers = {"metric": metric, "mean": mean, "standard_error": error, "n": len(defined)}
        summary.append(dict(zip(SUBJECT, subject, strict=True)) | numbers)
    return summary


def table(summary: Sequence[dict]) -> str:
    """One line per model and regime: what was hidden from it, then the means (beat F1 with its standard error)."""
    subjects = list(dict.fromkeys((line["model"], line["regime"], line["visibility_s"]) for line in summary))
    by_place = {(line["model"], line["regime"], line["metric"]): line for line in summary}
    shown = [metric for metric in COLUMNS if any(line["metric"] == metric for line in summary)]
    cells = [["model", "regime", "visible s", *(COLUMNS[metric] for metric in shown)]]
    for model, regime, visibility_s in subjects:
        seen = f"{visibility_s:.2f}" if visibility_s != "" else ""
        cells.append([model, regime, seen, *(_shown(by_place.get((model, regime, metric))) for metric in shown)])
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    text = [[cell.ljust(w) if i < 2 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))]
            for row in cells]  # fmt: skip
    return "\n".join("  ".join(row).rstrip() for row in text)


def _shown(line: dict | None) -> str:
    if line is None or math.isnan(line["mean"]):
        return "-"
    if line["metric"] == "beat_f1_grid" and not math.isnan(line["standard_error"]):
        return f"{line['mean']:.3f} ±{line['standard_error']:.3f}"
    return f"{line['mean']:.1f}" if line["metric"].endswith(("_db", "_ms")) else f"{line['mean']:.3f}"


def _cell(value):
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.6g}"
    return value
