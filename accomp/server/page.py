"""The page of a demo session: recordings to listen to, and whether the model kept up. One file, no network needed.

The layout is page.html; here are the numbers that it draws.
"""

from itertools import pairwise

import jinja2
import numpy as np

WIDE, HIGH = 500, 110  # of a waveform, in SVG units
PLOT_WIDE, PLOT_HIGH, PLOT_LEFT = 1000, 230, 80  # of a plot, in SVG units

ABOUT = {
    "mix": "Both together: what the audience hears.",
    "accompaniment": "What the model played, as it arrived: silent until the first answer, and wherever one was late.",
    "context": "What the player played and the model received, always up to the present moment and no further.",
}


def render(session: dict, steps: list[dict], audio: dict[str, np.ndarray]) -> str:
    """The page as HTML. `audio` holds the three recordings (N,), each beside the page as NAME.wav."""
    loudest = max(float(np.abs(x).max(initial=0)) for x in audio.values()) or 1.0
    outlines = {name: outline(audio[name], loudest, WIDE, HIGH) for name in ABOUT}
    tracks = [{"name": name, "about": about, "outline": outlines[name]} for name, about in ABOUT.items()]
    step_ms = 1e3 * session["step_s"]
    leads, cycles = ([s[key] for s in steps] for key in ("lead_ms", "cycle_ms"))
    axes = {
        "budget": axis(1.05 * max(step_ms, *leads, *cycles), min(0.0, 1.1 * min(leads))),
        "phases": axis(1.05 * max(cycles), 0.0),
    }
    pitch = (PLOT_WIDE - PLOT_LEFT - 5) / len(steps)  # from one bar to the next
    bars = [(step, PLOT_LEFT + n * pitch, max(1.0, 0.7 * pitch)) for n, step in enumerate(steps)]
    loader = jinja2.PackageLoader("accomp.server", ".")
    page = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    return page.get_template("page.html").render(
        session=session, steps=steps, tracks=tracks, axes=axes, bars=bars, step_ms=step_ms, least_lead_ms=min(leads)
    )


def outline(audio: np.ndarray, peak: float, wide: int, high: int) -> str:
    """Highest and lowest sample of each of `wide` slices of (N,) as the points of one SVG polygon, +-peak from edge to edge."""
    audio, scale = audio.clip(-peak, peak), 0.5 * high / peak
    edges = np.linspace(0, len(audio), wide + 1).astype(int)
    slices = [audio[a : max(a + 1, b)] for a, b in pairwise(edges)]
    top = [f"{x},{high / 2 - scale * s.max(initial=0) - 0.4:.0f}" for x, s in enumerate(slices)]
    bottom = [f"{x},{high / 2 - scale * s.min(initial=0) + 0.4:.0f}" for x, s in enumerate(slices)]
    return " ".join(top + bottom[::-1])


def axis(top_ms: float, bottom_ms: float) -> dict:
    """A scale from ms to SVG units, y = zero - ms * scale, and the values of its grid lines."""
    span = max(top_ms - bottom_ms, 1e-9)
    power = 10 ** np.floor(np.log10(span))
    unit = power * next(u for u in (0.2, 0.5, 1.0, 2.0) if span / power / u <= 6)
    values = np.arange(np.ceil(bottom_ms / unit), np.floor(top_ms / unit) + 1) * unit + 0.0  # no -0
    scale = (PLOT_HIGH - 20) / span
    return {"zero": 10 + top_ms * scale, "scale": scale, "values": values.tolist()}
