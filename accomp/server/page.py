"""The page a performance leaves behind: listen, look, see whether the model kept up. One file, no network needed."""

from html import escape
from itertools import pairwise

import numpy as np

from accomp.timeline import SAMPLE_RATE

WIDE, HIGH = 1000, 110  # of a waveform, in SVG units
PLOT_WIDE, PLOT_HIGH = 1000, 230
PHASES = ("encode", "sample", "decode")

STYLE = """
:root{--paper:#fbfaf7;--ink:#1d2126;--soft:#646b73;--line:#dcd8cf;--card:#fff;--context:#4f6d8f;--accompaniment:#c2562d;
--mix:#5f7f4f;--encode:#4f6d8f;--sample:#c2562d;--decode:#d9a441;--good:#3f7d5b;color-scheme:light dark}
@media(prefers-color-scheme:dark){:root{--paper:#14171a;--ink:#e9e6df;--soft:#9aa1a8;--line:#2d3338;--card:#1b1f23;
--context:#86a8d0;--accompaniment:#ee8a5c;--mix:#9cc188;--encode:#86a8d0;--sample:#ee8a5c;--decode:#e6bd69;--good:#7fc7a0}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);
font:1rem/1.55 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:56rem;margin:0 auto;padding:2.5rem 1.1rem 4rem}
h1{font-size:clamp(1.6rem,5vw,2.5rem);line-height:1.15;letter-spacing:-.02em;margin:0 0 .6rem;text-wrap:balance}
h2{font-size:1.15rem;margin:2.6rem 0 .7rem}
p{margin:.4rem 0;max-width:44rem}
.soft,figcaption,dt{color:var(--soft)}
dl{display:grid;grid-template-columns:repeat(auto-fit,minmax(7.6rem,1fr));gap:.8rem;margin:1.6rem 0 0}
dl div{background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:.6rem .8rem}
dt{font-size:.8rem}dd{margin:0;font-size:1.35rem;font-variant-numeric:tabular-nums;letter-spacing:-.01em}
.track{background:var(--card);border:1px solid var(--line);border-radius:.8rem;padding:.9rem 1rem;margin:.8rem 0}
.track h3{margin:0 0 .1rem;font-size:1rem}.track p{margin:0 0 .5rem;font-size:.9rem}
.wave{position:relative;cursor:pointer}.wave svg{display:block;width:100%;height:5.2rem}
.wave i{position:absolute;top:0;bottom:0;left:0;width:2px;background:var(--ink);opacity:.75}
audio{width:100%;margin-top:.5rem;display:block}
:focus-visible{outline:3px solid var(--accompaniment);outline-offset:2px;border-radius:.3rem}
figure{margin:.6rem 0 1.4rem;overflow-x:auto}figure svg{display:block;width:100%;min-width:34rem;height:auto}
figure text{fill:var(--soft);font-size:13px}figcaption{font-size:.9rem;margin-top:.3rem}
.key span{display:inline-block;margin-right:1em}
.key b{display:inline-block;width:.8em;height:.8em;border-radius:.2em;margin-right:.35em;vertical-align:-.05em}
table{border-collapse:collapse;width:100%;font-size:.9rem;font-variant-numeric:tabular-nums}
th,td{text-align:right;padding:.25rem .5rem;border-bottom:1px solid var(--line)}summary{cursor:pointer}
.scroll{overflow-x:auto}code{font-size:.92em;overflow-wrap:anywhere}
"""

SCRIPT = """
const players=[...document.querySelectorAll('audio')];
players.forEach((player,n)=>{
  const wave=player.parentNode.querySelector('.wave'),head=wave.querySelector('i');
  const follow=()=>{
    head.style.left=100*player.currentTime/(player.duration||1)+'%';
    if(!player.paused)requestAnimationFrame(follow)};
  player.addEventListener('play',()=>{players.forEach(other=>other!==player&&other.pause());follow()});
  ['seeked','pause'].forEach(event=>player.addEventListener(event,follow));
  wave.addEventListener('click',event=>{
    const box=wave.getBoundingClientRect();
    player.currentTime=(event.clientX-box.left)/box.width*(player.duration||0);player.play()});
  document.addEventListener('keydown',event=>{
    if(event.key===String(n+1)&&!event.ctrlKey&&!event.metaKey&&!event.altKey)player.paused?player.play():player.pause()});
});
"""

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
    stem, seconds = escape(session["stem"]), session["seconds"]
    loudest = max(float(np.abs(x).max(initial=0)) for x in audio.values()) or 1.0
    tracks = "".join(_track(name, audio[name], loudest) for name in ABOUT)
    cards = "".join(f"<div><dt>{k}</dt><dd>{v}</dd></div>" for k, v in facts.items())
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>{stem} for {escape(session["track"])}</title><style>{STYLE}</style></head><body><main>
<h1>{seconds:.0f} seconds, and a {stem} that nobody played</h1>
<p class="soft">{escape(session["track"])} from {session["start_s"]:.0f} s, without its {stem}.
Every {session["step_s"]:.2f} s the model <code>{escape(session["model"])}</code> (on {escape(session["device"])})
heard what had just been played and answered over UDP, in real time, with the {stem} for a span that begins
{_visibility(session["visibility_s"])} (r = {session["r"]:g}, w = {session["w"]:g}).</p>
<dl>{cards}</dl>
<h2>Listen</h2>{tracks}
<p class="soft">Keys 1, 2 and 3 play and pause; a click on a waveform jumps there.</p>
<h2>Did it keep up?</h2>{_budget_plot(steps, step_ms)}{_phase_plot(steps)}
<details><summary>Every step in numbers</summary><div class="scroll">{_table(steps)}</div></details>
</main><script>{SCRIPT}</script></body></html>
"""


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
