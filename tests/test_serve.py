"""serve.py as a process of its own: what it says when it cannot start, how it plays, how it ends."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import serve
from accomp.errors import UserError
from accomp.server.client import Client, Setup
from accomp.server.endpoint import bind
from accomp.stream.rollout import rollout
from accomp.stream.streamer import Streamer
from accomp.timeline import SAMPLE_RATE, Step

ROOT = Path(__file__).resolve().parents[1]
ENV = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def server(model, *more):
    port, clientport = free_port(), free_port()
    command = [
        sys.executable,
        "serve.py",
        "--model",
        str(model),
        "--serverport",
        str(port),
        "--clientport",
        str(clientport),
    ]
    process = subprocess.Popen([*command, *more], cwd=ROOT, env=ENV, stderr=subprocess.PIPE, text=True)
    try:
        yield process, port, clientport
    finally:
        process.kill()
        process.communicate()


def run(*arguments, **changes):
    return subprocess.run([sys.executable, "serve.py", *map(str, arguments)], cwd=ROOT, env=ENV | changes,
                          capture_output=True, text=True, timeout=60)  # fmt: skip


def end(process):
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    code = process.wait(5)
    return code, time.monotonic() - began


def test_what_is_played_is_what_is_scored(model_folder, model):
    """Over the wire, in real time, sample for sample the audio that the same model plays offline."""
    step = Step(0.125, 1.0)
    context = np.random.default_rng(0).normal(0, 0.1, 4 * SAMPLE_RATE).astype(np.float32)
    with server(model_folder) as (process, port, clientport):
        with Client({"context": context}, Setup(("piano",), step), ("127.0.0.1", port), clientport) as client:
            assert client.connect(30, alive=lambda: process.poll() is None)
            heard = client.play()["piano"]
            client.settle()
        code, seconds = end(process)
    assert (code, seconds < 0.5) == (0, True)
    bind("0.0.0.0", port).close()
    offline = rollout(Streamer(model, ("piano",)), context, step).audio[0]
    assert np.abs(offline).max() > 0.01 and np.allclose(heard, offline, atol=1e-5)
    assert not client.tape.late and not client.dropped
    assert client.about == {"state": "ready", "model": "tiny", "device": "cpu", "sampler": ""}
    assert [s["batch_id"] for s in client.steps] == list(range(1, client.tape.batch_id + 1))
    assert all(s["lead_ms"] > 0 and s["missing"] == 0 for s in client.steps)


def test_ends_at_once_even_while_it_is_loading(model_folder):
    with server(model_folder) as (process, port, _):
        while process.poll() is None:
            try:
                bind("0.0.0.0", port).close()
            except ValueError:
                break
            time.sleep(0.01)
        time.sleep(0.3)
        code, seconds = end(process)
    assert (code, seconds < 0.5) == (0, True)
    bind("0.0.0.0", port).close()


def damaged(folder):
    folder.mkdir()
    (folder / "config.yaml").write_text("codec: [")
    return folder


@pytest.mark.parametrize(
    "case, word",
    [
        ("no model", "no model folder"),
        ("damaged model", "damaged"),
        ("device", "device"),
        ("sampler", "sampler"),
        ("client port", "--clientport"),
        ("server address", "--server_ip"),
        ("client address", "--client_ip"),
    ],
)
def test_what_cannot_work_is_said_in_one_line(model_folder, tmp_path, monkeypatch, case, word):
    port = ["--serverport", free_port(), "--clientport", free_port()]
    arguments = {
        "no model": ["--model", tmp_path / "none"],
        "damaged model": ["--model", damaged(tmp_path / "damaged")],
        "device": ["--model", model_folder, "--device", "cuda:9"],
        "sampler": ["--model", model_folder, "--sampler", "wishful"],
        "client port": ["--clientport", "0"],
        "server address": ["--server_ip", "192.0.2.1"],
        "client address": ["--client_ip", "no such host"],
    }[case]
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    with pytest.raises(UserError, match=word) as error:
        serve.serve(serve.arguments([str(x) for x in [*port, *arguments]]))
    assert "\n" not in str(error.value)
    bind("0.0.0.0", port[1]).close()


def test_a_user_error_ends_with_status_2_and_no_trace(tmp_path):
    done = run("--serverport", free_port(), "--model", tmp_path)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1 and str(tmp_path) in done.stderr


def test_a_port_in_use_is_found_before_anything_is_loaded():
    port = free_port()
    with bind("0.0.0.0", port):
        began = time.monotonic()
        done = run("--serverport", port)
    assert done.returncode == 2 and done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert str(port) in done.stderr and time.monotonic() - began < 2


def test_playing_imports_no_trainer(model_folder):
    code = (
        "import sys, serve\n"
        "from accomp.server.endpoint import Endpoint\n"
        "Endpoint.run = lambda self: print(sorted({'lightning', 'pytorch_lightning', 'hydra', 'wandb', 'pythonosc'}"
        " & set(sys.modules)), 'torch' in sys.modules)\n"
        f"sys.exit(serve.main(['--model', {str(model_folder)!r}, '--serverport', '{free_port()}']))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=ENV, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "[] True\n")
