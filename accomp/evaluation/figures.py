"""The paper's figure, ours beside the published curves: each metric against net look-ahead, as PNG and SVG."""

import math
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from accomp.evaluation.paper_table import PUBLISHED_BEAT, read_published
from accomp.timeline import WINDOW, to_seconds

INK, SOFT, LINE = "#1d2126", "#7b828a", "#dcd8cf"
COLOURS = ("#c2562d", "#3d6f9e", "#4f7d4a", "#a8742a", "#7d5a94", "#2f8481", "#b0486e", "#6a6f2f")
PUBLISHED = {"beat_f1_context": PUBLISHED_BEAT, "fad": "FAD (VGGish)", "fit": "COCOLA"}  # what the paper measured
PUBLISHED_LINES = {"diffusion": ("o", "-"), "cd": ("s", "--")}  # marker and line of each published model
NAMES = {"diffusion": "published diffusion", "cd": "published consistency"}
# Ours, the published column beside it (or None), title, and whether more is better.
PANELS = (
    ("beat_f1_context", "beat_f1", "Beat F1 against the context", True),
    ("fit", "fit", "Fit: 0 a random pairing, 1 the truth", True),
    ("fad", "fad", "Distance of the sound (FAD)", False),
)
STYLE = {
    "font.size": 9,
    "axes.edgecolor": LINE,
    "axes.labelcolor": INK,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "text.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#efece5",
    "svg.fonttype": "none",
    "svg.hashsalt": "accomp",
    "figure.facecolor": "white",
}
Point = tuple[float, float, float, float]  # look-ahead in s, value, low, high
Curves = dict[tuple[str, float], list[Point]]  # by name and step ratio


def draw(folder: Path, summary: Sequence[dict], beat: str) -> dict[str, Path]:
    """Write figures/lookahead.png and .svg, and figures/speed.*; the SVG of each by name. `beat` is what our F1 measures."""
    with mpl.rc_context(STYLE):
        drawn = {"lookahead": _lookahead(summary, beat), "speed": _speed(summary)}
        paths = {}
        for name, figure in drawn.items():
            if figure is None:
                continue
            paths[name] = folder / "figures" / f"{name}.svg"
            paths[name].parent.mkdir(parents=True, exist_ok=True)
            figure.savefig(paths[name].with_suffix(".png"), dpi=160)
            figure.savefig(paths[name], metadata={"Date": None})
        return paths


def _lookahead(summary: Sequence[dict], beat: str) -> Figure:
    """Three panels; ours in colour with intervals over tracks, the published curves in grey.

    What is measured otherwise than in the paper has an axis of its own, at the right.
    """
    figure = Figure(figsize=(12, 4.4), layout="constrained")
    axes = figure.subplots(1, 3)
    published = read_published()
    names = list(dict.fromkeys(name for name, _ in ours(summary, "beat_f1_context")))
    for axis, (metric, theirs, title, more) in zip(axes, PANELS, strict=True):
        name, curves = _chosen(summary, metric)
        what = {"beat_f1_context": beat, "fad": name.replace("fad_vggish", "FAD (VGGish)"), "fit": name}[metric]
        as_published = what == PUBLISHED[metric]
        title, beside = f"{title}\nours: {what}", axis
        if not as_published:
            title += f"; published, right axis: {PUBLISHED[metric]}"
            beside = axis.twinx()
            beside.spines["right"].set_visible(True)
            beside.grid(False)
        _draw_published(beside, published, theirs)
        _draw_ours(axis, curves, names)
        _draw_levels(axis, summary, name, metric)
        axis.set_title(title + f"\n({'higher' if more else 'lower'} is better)", fontsize=9, loc="left")
        axis.set_xlabel("net look-ahead w·r·T (s); to the right more is hidden")
    known: dict[str, Artist] = {}
    for axis in (*axes, *figure.axes[3:]):
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            known.setdefault(label, handle)
    columns = min(4, max(1, len(known)))
    figure.legend(known.values(), known.keys(), loc="outside lower center", ncols=columns, frameon=False, fontsize=8)
    return figure


def ours(summary: Sequence[dict], metric: str, key: str = "mean") -> Curves:
    """Points of every model's rows, by name and step ratio."""
    curves: Curves = {}
    for line in summary:
        if line["metric"] != metric or not line["sampler"] or math.isnan(line[key]):
            continue
        name = " ".join(filter(None, (line["model"], line["sampler"], _clock_label(line))))
        low, high = (line["low"], line["high"]) if key == "mean" else (math.nan, math.nan)
        point = (-float(line["visibility_s"]), line[key], low, high)
        curves.setdefault((name, float(line["r"])), []).append(point)
    return {key: sorted(points) for key, points in curves.items()}


def _clock_label(line: dict) -> str:
    if line["protocol"] == "paper":
        return "(paper's protocol)"
    return "" if line["clock"] == "model" else f"(clock: {line['clock']})"


def _chosen(summary: Sequence[dict], metric: str) -> tuple[str, Curves]:
    """The metric that stands in a panel here, and its curves."""
    there = [line["metric"] for line in summary if line["sampler"]]
    if metric == "fad":
        name = next((n for n in ("fad_vggish", *there) if n in there and n.startswith("fad_")), "fad")
        return name, ours(summary, name)
    if metric == "fit":
        name = next((n for n in ("coherence", "chroma_agreement") if n in there), "chroma_agreement")
        return name, ours(summary, name, "normalised")
    return metric, ours(summary, metric)


def _draw_ours(axis: Axes, curves: Curves, names: Sequence[str]) -> None:
    for (name, _), points in curves.items():
        colour = COLOURS[names.index(name) % len(COLOURS)] if name in names else INK
        x, y, low, high = (list(column) for column in zip(*points, strict=True))
        axis.plot(x, y, "-o", color=colour, linewidth=1.8, markersize=5, label=name, zorder=3)
        known = [i for i in range(len(x)) if not math.isnan(low[i])]
        errors = [[y[i] - low[i] for i in known], [high[i] - y[i] for i in known]]
        axis.errorbar([x[i] for i in known], [y[i] for i in known], errors, fmt="none", ecolor=colour, alpha=0.45, capsize=3)


def _draw_published(axis: Axes, table: Sequence[dict], column: str) -> None:
    """Grey, one line per step ratio; hollow where the value was read off the figure."""
    for model, (marker, line) in PUBLISHED_LINES.items():
        for ratio in sorted({row["r"] for row in table if row["model"] == model}):
            points = sorted(
                (row["w"] * ratio * to_seconds(WINDOW), row[column], row["source"] == "measured")
                for row in table
                if row["model"] == model and row["r"] == ratio and not math.isnan(row[column])
            )
            if not points or ratio < 0.125:  # the paper's figure begins there
                continue
            x, y, measured = zip(*points, strict=True)
            axis.annotate(f"r = {ratio:g}", (x[0], y[0]), (4, 4), textcoords="offset points", fontsize=6, color=SOFT)
            axis.plot(x, y, line, color=SOFT, linewidth=0.9, alpha=0.7, zorder=1)
            faces = [SOFT if known else "white" for known in measured]
            axis.scatter(x, y, 20, faces, marker, edgecolors=SOFT, linewidths=0.9, zorder=2, label=NAMES[model])


def _draw_levels(axis: Axes, summary: Sequence[dict], name: str, metric: str) -> None:
    """Where the truth and a random pairing lie, as lines across."""
    for row, style in (("truth", "-"), ("random_pairing", ":")):
        key = "normalised" if metric == "fit" else "mean"
        found = [line[key] for line in summary if line["model"] == row and line["metric"] == name]
        if found and not math.isnan(found[0]):
            axis.axhline(found[0], color=INK, linewidth=0.9, linestyle=style, label=f"ours: {row.replace('_', ' ')}", zorder=1)


def _speed(summary: Sequence[dict]) -> Figure | None:
    """What is gained by computing longer: beat F1 against the time of a cycle, a line per regime; None for one sampler."""
    times = {_who(line): line["mean"] for line in summary if line["metric"] == "cycle_p50_ms"}
    lines: dict[str, list[Point]] = {}
    for line in summary:
        if line["metric"] == "beat_f1_context" and _who(line) in times and not math.isnan(line["mean"]):
            name = " ".join(filter(None, (f"w = {line['w']}, r = {line['r']}", _clock_label(line))))
            lines.setdefault(name, []).append((times[_who(line)], line["mean"], line["low"], line["high"]))
    if len({(line["model"], line["sampler"]) for line in summary if line["sampler"]}) < 2 or not lines:
        return None
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axis = figure.subplots()
    for i, (name, points) in enumerate(lines.items()):
        x, y, *_ = zip(*sorted(points), strict=True)
        axis.plot(x, y, "-o", color=COLOURS[i % len(COLOURS)], label=name, alpha=1 - 0.5 * (i // len(COLOURS) % 2))
    axis.set(xlabel="median time of a cycle, one stem (ms)", ylabel="beat F1 against the context", xscale="log")
    figure.legend(loc="outside right upper", frameon=False, fontsize=8)
    return figure


def _who(line: dict) -> tuple:
    return tuple(line[key] for key in ("model", "sampler", "clock", "protocol", "regime"))
