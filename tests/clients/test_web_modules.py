"""The page's modules without a browser: tests/clients/web.test.mjs in Node, and that the page needs nothing from elsewhere."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from accomp.server.calibrate import sweep

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "clients" / "web"


@pytest.fixture
def node() -> str:
    found = shutil.which("node")
    if found is None:
        pytest.skip("no Node here: apt-get install nodejs")
    return found


def test_the_modules_in_node(node):
    done = subprocess.run([node, "--test", "tests/clients/web.test.mjs"], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-4000:]
    assert int(re.search(r"^# pass (\d+)", done.stdout, re.M)[1]) >= 30


def test_the_sweep_is_that_of_the_server(node):
    code = 'import("./clients/web/sweep.mjs").then(m => console.log([...m.sweep()].map(x => x.toFixed(6)).join(" ")))'
    done = subprocess.run([node, "-e", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert max(abs(float(x) - y) for x, y in zip(done.stdout.split(), sweep(), strict=True)) < 2e-6


def test_the_page_asks_for_nothing_that_is_not_there():
    names = {path.name for path in PAGE.iterdir()}
    for path in PAGE.iterdir():
        text = path.read_text()
        assert path.suffix == ".md" or not re.search(r"https?://", text), f"{path.name}: something from elsewhere"
        asked = re.findall(r'from "\./(.+?)"|(?:src|href)="([^"#:]+)"|addModule\("(.+?)"\)', text)
        for name in (name for found in asked for name in found if name):
            assert name in names or (path.suffix == ".md" and (PAGE / name).is_file()), f"{path.name}: {name}"
        if path.suffix == ".mjs":
            assert len(text.splitlines()) <= 300 and max(map(len, text.splitlines())) <= 140, path.name


def test_every_element_that_the_scripts_use_is_in_the_page():
    ids = set(re.findall(r'id="([\w-]+)"', (PAGE / "index.html").read_text()))
    for path in PAGE.glob("*.mjs"):
        assert set(re.findall(r'\$\("([\w-]+)"\)', path.read_text())) <= ids, path.name


def test_no_module_of_the_audio_thread_uses_what_it_has_not():
    """An audio worklet has no document, no TextEncoder, no timers."""
    seen, waiting = set(), ["worklet.mjs"]
    while waiting:
        name = waiting.pop()
        seen.add(name)
        text = re.sub(r"//.*", "", (PAGE / name).read_text())
        assert not re.search(r"\b(document|window|TextEncoder|TextDecoder|setTimeout|performance)\b", text), name
        waiting += [other for other in re.findall(r'from "\./(.+?)"', text) if other not in seen]
    assert {"engine.mjs", "resample.mjs", "ring.mjs"} <= seen
