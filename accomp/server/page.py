"""The page a performance leaves behind: listen, look, see whether the model kept up. One file, no network needed."""

from html import escape
from importlib.resources import files
from itertools import pairwise
from string import Template

import numpy as np

from accomp.timeline import SAMPLE_RATE

WIDE, HIGH = 1000, 110  # of a waveform, in SVG units
PLOT_WIDE, PLOT_HIGH = 1000, 230
PHASES = ("encode", "sample", "decode")

ABOUT = {
    "mix": "Both together: what the audience hears.",
    "accompaniment": "What the model played, as it arrived: silent until the first answer, and wherever one was late.",
    "context": "What the player played and the model heard, always up to the present moment and no further.",
}


def render(session: dict, steps: list[dict], audio: dict[str, np.ndarray]) -> str:
    """The page as HTML. `audio` holds the three recordings (N,), each beside the page as NAME.wav."""
    cycle, step_ms = session["cycle_ms"], 1e3 * session["step_s"]
    leads = [s["lead_ms"] for s in steps]
    facts = {
        "typical cycle": f"{cycle['p50']:.0f} ms",
        "slowest cycle": f"{cycle['max']:.0f} ms",
        "time for a cycle": f"{step_ms:.0f} ms",
        "least lead": f"{min(leads):.0f} ms",
        "late": f"{session['late']} of {session['steps']}",
        "dropped": f"{session['dropped']}",
    }
    loudest = max(float(np.abs(x).max(initial=0)) for x in audio.values()) or 1.0
    tracks = "".join(_track(name, audio[name], loudest) for name in ABOUT)
    cards = "".join(f"<div><dt>{k}</dt><dd>{v}</dd></div>" for k, v in facts.items())
    words = {name: escape(str(session[name])) for name in ("stem", "track", "model", "device")}
    numbers = {"start_s": f"{session['start_s']:.0f}", "step_s": f"{session['step_s']:.2f}", "r": f"{session['r']:g}",
               "w": f"{session['w']:g}", "seconds": f"{session['seconds']:.0f}"}  # fmt: skip
    plots = _budget_plot(steps, step_ms) + _phase_plot(steps)
    template = Template(files("accomp.server").joinpath("page.html").read_text("utf-8"))
    return template.substitute(
        words, **numbers, begins=_visibility(session["visibility_s"]), cards=cards, tracks=tracks, plots=plots,
        table=_table(steps)
    )  # fmt: skip


def _visibility(seconds: float) -> str:
    if seconds == 0:
        return "at that moment"
    return f"{abs(seconds):.2f} s {'later' if seconds < 0 else 'earlier'}"


def _track(name: str, audio: np.ndarray, loudest: float) -> str:
    return f"""<section class="track"><h3>{name.capitalize()}</h3><p class="soft">{ABOUT[name]}</p>
<div class="wave">{_waveform(name, audio, loudest)}<i></i></div>
<audio controls preload="metadata" src="{name}.wav" aria-label="{name}"></audio></section>"""


def _waveform(name: str, audio: np.ndarray, loudest: float) -> str:
    """Highest and lowest sample of each of WIDE / 2 slices, as one closed outline."""
    edges = np.linspace(0, len(audio), WIDE // 2 + 1).astype(int)
    slices = [audio[a : max(a + 1, b)] for a, b in pairwise(edges)]
    middle, scale = HIGH / 2, 0.48 * HIGH / loudest
    top = [f"{2 * x},{middle - scale * s.max(initial=0) - 0.4:.1f}" for x, s in enumerate(slices)]
    bottom = [f"{2 * x},{middle - scale * s.min(initial=0) + 0.4:.1f}" for x, s in enumerate(slices)]
    seconds = len(audio) / SAMPLE_RATE
    return (
        f'<svg viewBox="0 0 {WIDE} {HIGH}" preserveAspectRatio="none" role="img" '
        f'aria-label="waveform of the {name}, {seconds:.0f} seconds">'
        f'<polygon fill="var(--{name})" points="{" ".join(top + bottom[::-1])}"/></svg>'
    )


def _axes(top_ms: float, bottom_ms: float) -> tuple[str, float, float]:
    """Grid lines with their values; and what turns ms into SVG units: y = zero - ms * scale."""
    span = max(top_ms - bottom_ms, 1e-9)
    power = 10 ** np.floor(np.log10(span))
    unit = power * next(u for u in (0.2, 0.5, 1.0, 2.0) if span / power / u <= 6)
    scale = (PLOT_HIGH - 20) / span
    zero = 10 + top_ms * scale
    lines = []
    for value in np.arange(np.ceil(bottom_ms / unit), np.floor(top_ms / unit) + 1) * unit + 0.0:  # no -0
        y = zero - value * scale
        lines.append(f'<path d="M72 {y:.1f}H{PLOT_WIDE}" stroke="var(--line)"/>')
        lines.append(f'<text x="64" y="{y + 4:.1f}" text-anchor="end">{value:g} ms</text>')
    return "".join(lines), zero, scale


def _figure(inside: str, label: str, caption: str) -> str:
    return (
        f'<figure><svg viewBox="0 0 {PLOT_WIDE} {PLOT_HIGH}" role="img" aria-label="{label}">{inside}</svg>'
        f'<figcaption class="key">{caption}</figcaption></figure>'
    )


def _bar(x: float, y: float, wide: float, tall: float, colour: str, said: str) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{tall:.1f}"'
    return f'<rect {place} fill="var(--{colour})"><title>{said}</title></rect>'


def _key(colour: str, text: str) -> str:
    return f'<span><b style="background:var(--{colour})"></b>{text}</span>'


def _budget_plot(steps: list[dict], step_ms: float) -> str:
    """Cycle of each step as a bar under the time there is, and the lead as dots."""
    leads = [s["lead_ms"] for s in steps]
    top = 1.05 * max(step_ms, *leads, *(s["cycle_ms"] for s in steps))
    parts, zero, scale = _axes(top, min(0.0, 1.1 * min(leads)))
    wide = (PLOT_WIDE - 85) / len(steps)
    for n, s in enumerate(steps):
        x, tall, width = 80 + n * wide, s["cycle_ms"] * scale, max(1, 0.7 * wide)
        said = f"step {s['batch_id']}: cycle {s['cycle_ms']:.0f} ms, lead {s['lead_ms']:.0f} ms"
        parts += _bar(x, zero - tall, width, tall, "sample", said)
        at = f'cx="{x + width / 2:.1f}" cy="{zero - s["lead_ms"] * scale:.1f}"'
        parts += f'<circle {at} r="5" fill="var(--good)" stroke="var(--paper)"/>'
    y = zero - step_ms * scale
    parts += f'<path d="M72 {y:.1f}H{PLOT_WIDE}" stroke="var(--ink)" stroke-width="2" stroke-dasharray="7 5"/>'
    caption = (
        _key("sample", "cycle of each step: context in, answer out")
        + _key("good", "lead: how long before its playing time the answer was sent (below 0 is late)")
        + f"<span>dashed: a step lasts {step_ms:.0f} ms, then the next one is due</span>"
    )
    return _figure(parts, "cycle and lead of each step against the length of a step, in milliseconds", caption)


def _phase_plot(steps: list[dict]) -> str:
    """Where the time of a cycle goes, on its own scale."""
    parts, zero, scale = _axes(1.05 * max(s["cycle_ms"] for s in steps), 0.0)
    wide = (PLOT_WIDE - 85) / len(steps)
    for n, s in enumerate(steps):
        y = zero
        for phase in PHASES:
            tall = s[f"{phase}_ms"] * scale
            y -= tall
            said = f"step {s['batch_id']}: {phase} {s[f'{phase}_ms']:.1f} ms"
            parts += _bar(80 + n * wide, y, max(1, 0.7 * wide), tall, phase, said)
    caption = "<span>The same cycles enlarged:</span>" + "".join(_key(phase, phase) for phase in PHASES)
    return _figure(parts, "time of each step in encoding, sampling and decoding, in milliseconds", caption)


def _table(steps: list[dict]) -> str:
    columns = ("batch_id", "encode_ms", "sample_ms", "decode_ms", "cycle_ms", "lead_ms", "missing")
    head = "".join(f'<th scope="col">{c.replace("_", " ")}</th>' for c in columns)
    rows = "".join("<tr>" + "".join(f"<td>{s[c]:g}</td>" for c in columns) + "</tr>" for s in steps)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
