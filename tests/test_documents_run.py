"""Every command of the documentation runs, in the order of the pages, in a fresh copy of the checkout, at toy size.

A command uses what those before it have written, so select the whole file. What a command needs that an ordinary machine
lacks is said beside it (`documents.py`); such commands are left to `test_documents.py`, which checks that they are accepted.
"""

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import documents
import numpy as np
import pytest
import soundfile
from documents import ROOT, Command
from processes import free_port

pytestmark = pytest.mark.slow

LIMIT_S = 600
# Tests themselves, and what downloads.
NOT_HERE = {f"make {target}" for target in ("test", "test-all", "fault-bench", "setup", "lock")}
NOT_COPIED = shutil.ignore_patterns(".git", ".venv", "out", "__pycache__", ".*_cache", ".hypothesis", "*.egg-info")
DATA_SETS = {str(path) for path in (ROOT / "data").iterdir() if path.is_dir()}
TOY_BAND = ["--out=data/band", "--tracks=19", "--seconds=20", "--jobs=1"]
TOY_TRAINING = ["data.root=data/band", "steps=2", "data.batch_size=2", "data.epoch_items=4"]
TOY_TRAINING += ["data.validation_items=2", "data.workers=0"]
TOY_EVALUATION = ["data.root=data/band", "tracks=3", "seconds=6", "seeds=[0]", "batch=3", "workers=1"]
TOY_EVALUATION += ["stems=[bass]", "metrics=[harmony,levels]"]  # those that take little time
TOY_OF_EXPERIMENT = {
    "living_tracker": ["data.frames=256"],
    "latency": ["latency.steps=2", "latency.paper_cycles=0"],
    "codec": ["latency.paper_cycles=0"],
    "students": ["sampler=[student_1,student_2]"],
    "demo_page": ["page.start=0"],
    "living": ["tracks=1", "seconds=24", "scenes=[steady]"],
    "drift": ["seconds=12", "metrics=[drift,levels]"],
}


def every_command_to_run() -> list[Command]:
    """Each different command once, at its first place, without those that need something wherever they stand."""
    commands = documents.every_command()
    needy = {command.words for command in commands if command.needs}
    different = {command.words: command for command in reversed(commands)}.values()
    in_order = sorted(different, key=commands.index)
    return [one for one in in_order if one.words not in needy and one.text not in NOT_HERE and runs_something(one)]


def runs_something(command: Command) -> bool:
    """Whether it is a whole command, and not the bare name of a program or of one of its options in running text."""
    words = command.words
    mentioned = words[:2] == ("python", "-m") and len(words) == 3 and words[2] != "accomp.server.demo"
    launcher = words[:3] == ("python", "train.py", "-m") and len(words) == 4
    return words[0] != "pytest" and not (mentioned or launcher or words == ("python", "train.py"))


def not_copied(folder: str, names: list[str]) -> set[str]:
    return NOT_COPIED(folder, names) | {name for name in names if os.path.join(folder, name) in DATA_SETS}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Path:
    """A copy of this checkout without data and results, in a folder whose name has a space and an umlaut."""
    place = tmp_path_factory.mktemp("documents") / "mein Übungsraum"
    shutil.copytree(ROOT, place, ignore=not_copied)
    for name, text in documents.example_files().items():
        (place / name).write_text(text)
    (place / ".venv").symlink_to(sys.prefix)
    run(place, toy(["make", "data"]))
    soundfile.write(place / "song.wav", 0.1 * np.random.default_rng(0).standard_normal(8 * 44_100), 44_100)
    return place


@pytest.mark.parametrize("command", every_command_to_run(), ids=lambda one: f"{one.source} {one.text[:60]}")
def test_a_command_of_the_documentation_runs(command, checkout):
    words = toy(list(command.words))
    is_server, is_client = (
        "serve.py" in words and "--help" not in words,
        any("clients/python" in word for word in words),
    )
    if is_server:
        with running_server(checkout, words):
            pass
    elif is_client:
        ports = [f"--serverport={free_port()}", f"--clientport={free_port()}"]
        with running_server(checkout, ["python", "serve.py", *ports]):
            run(checkout, [*words, *ports])
    else:
        run(checkout, words)


def toy(words: list[str]) -> list[str]:
    """The same command on few and short excerpts."""
    if "--help" in words or words[0] not in ("python", ".venv/bin/python", "make"):
        return words
    chosen = next((word.partition("=")[2] for word in words if word.startswith("experiment=")), "")
    if words[0] == "make":
        return toy_target(words)
    if "train.py" in words:
        return [*words, *TOY_TRAINING, *TOY_OF_EXPERIMENT.get(chosen, [])]
    if "evaluate.py" in words:
        metrics = [word for word in words if word.startswith("metrics=")]
        return [*words, *TOY_EVALUATION, *metrics, *TOY_OF_EXPERIMENT.get(chosen, [])]
    if "accomp.tune" in words:
        return [*words, *TOY_TRAINING, "--trials=2"]
    if "clients/python/play.py" in words:
        return [*words, "--seconds=5"]
    if "accomp.recipe" in words:
        return [*words, "--set", *TOY_TRAINING]
    if "accomp.data.latents" in words:
        return [*words, "--data=data/band"]
    if "accomp.data.band" in words:
        return [*words, *TOY_BAND]
    return [*words, "--seconds=6"] if "accomp.server.demo" in words else words


def toy_target(words: list[str]) -> list[str]:
    """A target of the Makefile, with what is installed already."""
    if words[1] == "play":  # without opening a browser
        return ["python", "serve.py", f"--web={free_port()}"]
    if words[1:] == ["data"]:
        return ["python", "-m", "accomp.data.band", "compose", *TOY_BAND]
    installed = ["-o", ".venv/.installed", "-o", "data/band/.complete"]
    return [*words, *installed, "ARGS=--seconds 6"] if words[1] == "demo" else [*words, *installed]


def environment(checkout: Path) -> dict[str, str]:
    path = os.pathsep.join((str(Path(sys.prefix) / "bin"), os.environ["PATH"]))
    return os.environ | {"PATH": path, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"}


def run(checkout: Path, words: list[str]) -> None:
    """Run to the end; fails when it ends with another status than 0."""
    script = " ".join(shlex.quote(word) for word in words)
    done = subprocess.run(
        ["bash", "-c", script], cwd=checkout, env=environment(checkout), capture_output=True, text=True, timeout=LIMIT_S
    )
    assert done.returncode == 0, f"{script}\n{done.stdout[-1500:]}\n{done.stderr[-1500:]}"


@contextlib.contextmanager
def running_server(checkout: Path, words: list[str]) -> Iterator[None]:
    """Start serve.py, wait until it is ready, and end it in the end."""
    ports = [] if any("port" in word for word in words) else [f"--serverport={free_port()}", f"--clientport={free_port()}"]
    log = checkout / "server.log"
    with log.open("w") as output:
        server = subprocess.Popen([*words, *ports], cwd=checkout, env=environment(checkout), stderr=output)
    try:
        begun = time.monotonic()
        while "ready" not in log.read_text():
            assert server.poll() is None and time.monotonic() < begun + 120, log.read_text()
            time.sleep(0.2)
        yield
        assert server.poll() is None, log.read_text()
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(10)
