"""The demo leaves everything it promises, and nothing when it cannot."""

import csv
import json
import re
import socket
from html.parser import HTMLParser

import numpy as np
import pytest

from accomp import audio
from accomp.server import demo
from accomp.server.endpoint import bind
from accomp.server.page import render

LEFT = {"accompaniment.wav", "context.wav", "mix.wav", "index.html", "session.json", "steps.csv"}


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


@pytest.fixture
def arguments(small_band, model_folder, tmp_path):
    out = tmp_path / "results" / "demo"
    return {"--data": small_band, "--model": model_folder, "--out": out, "--seconds": 3, "--r": 0.125,
            "--device": "cpu", "--serverport": free_port(), "--clientport": free_port()}  # fmt: skip


def run(arguments, **changes):
    given = arguments | {f"--{k}": v for k, v in changes.items()}
    return demo.main([str(x) for pair in given.items() for x in pair])


def test_a_performance_leaves_recordings_figures_and_a_page(arguments, caplog):
    caplog.set_level("INFO", "accomp")
    assert run(arguments) == 0
    out = arguments["--out"]
    assert {p.name for p in out.iterdir()} == LEFT and [p.name for p in out.parent.iterdir()] == ["demo"]
    context, accompaniment, mix = (audio.read(out / f"{n}.wav") for n in ("context", "accompaniment", "mix"))
    assert len(context) == len(accompaniment) == len(mix) == 3 * 44_100
    step = 33_075
    assert not accompaniment[: 2 * step - 882].any() and accompaniment[2 * step :].any()
    assert np.allclose(mix, (context + accompaniment) / max(1, np.abs(context + accompaniment).max()), atol=1e-3)
    session = json.loads((out / "session.json").read_text())
    assert (session["steps"], session["late"], session["dropped"]) == (2, 0, 0)
    assert session["step_s"] == 0.75 == -session["visibility_s"] and session["stem"] == "drums"
    assert session["cycle_ms"]["p50"] <= session["cycle_ms"]["p95"] <= session["cycle_ms"]["max"]
    rows = list(csv.DictReader((out / "steps.csv").open()))
    assert [r["batch_id"] for r in rows] == ["1", "2"] and all(float(r["lead_ms"]) > 0 for r in rows)
    last = caplog.messages[-1]
    assert "index.html" in last and "next try: python -m accomp.server.demo" in last


@pytest.mark.parametrize(
    "changes, word",
    [
        ({"stem": "violin"}, "unknown stem"),
        ({"track": "Track99999"}, "no test track"),
        ({"data": "/nowhere"}, "/nowhere"),
        ({"model": "/nowhere"}, "no model folder"),
        ({"seconds": 1}, "--seconds"),
        ({"r": 0}, "step ratio"),
        ({"r": 0.001}, "r must lie in"),
    ],
)
def test_what_cannot_work_is_said_in_one_line_and_nothing_is_written(arguments, caplog, changes, word):
    assert run(arguments, **changes) == 2
    error = caplog.messages[-1]
    assert error.startswith("error: ") and word in error
    assert not arguments["--out"].parent.exists()


@pytest.mark.parametrize("port", ["serverport", "clientport"])
def test_a_port_in_use_is_said_in_one_line(arguments, caplog, port):
    with bind("0.0.0.0", int(arguments[f"--{port}"])):
        assert run(arguments) == 2
    assert f"--{port}" in caplog.messages[-1]


def test_the_span_is_one_in_which_both_play():
    second = 44_100
    rng = np.random.default_rng(0)

    class Song:
        name = "Track1"

        def read(self, stem):
            x = rng.normal(0, 0.1, 20 * second).astype(np.float32)
            x[: 9 * second if stem == "bass" else 0] = 0  # the bass comes in late
            x[17 * second :] = 0
            return x

    chosen = demo.cut(Song(), "bass", 6)
    assert chosen.start_s == 9 and len(chosen.context) == 6 * second
    assert len(demo.cut(Song(), "bass", 60).context) == 20 * second  # the whole song if it is shorter


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))


@pytest.mark.parametrize("steps", [1, 20])
def test_the_page_stands_alone(steps):
    rows = [dict.fromkeys(demo.COLUMNS, 5.0) | {"batch_id": n, "lead_ms": 100.0 - 20 * n, "cycle_ms": 15.0 + n}
            for n in range(1, steps + 1)]  # fmt: skip
    session = {"steps": steps, "late": 3, "dropped": 0, "cycle_ms": {"p50": 15.0, "p95": 20.0, "max": 21.0},
               "step_s": 1.5, "visibility_s": -1.5, "model": "<live>", "device": "cpu", "stem": "bass", "track": "T&",
               "start_s": 3.0, "seconds": 2.0, "r": 0.25, "w": 1.0}  # fmt: skip
    sound = {name: np.sin(np.arange(88_200) / 9).astype(np.float32) for name in ("context", "accompaniment", "mix")}
    text = render(session, rows, sound)
    page = Page(text)
    assert [a["src"] for t, a in page.tags if t == "audio"] == ["mix.wav", "accompaniment.wav", "context.wav"]
    assert not re.search(r"https?:|//[a-z]|@import|url\(", text)
    assert not any(t in ("link", "img", "iframe") or (t == "script" and "src" in a) for t, a in page.tags)
    drawings = [a for t, a in page.tags if t == "svg"]
    assert len(drawings) == 5 and all(a["role"] == "img" and a["aria-label"] for a in drawings)
    assert sum(t == "circle" for t, _ in page.tags) == steps and sum(t == "rect" for t, _ in page.tags) == 4 * steps
    assert "&lt;live&gt;" in text and "T&amp;" in text
    assert ("meta", {"name": "viewport", "content": "width=device-width,initial-scale=1"}) in page.tags
    assert "prefers-color-scheme:dark" in text
