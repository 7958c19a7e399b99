"""serve.py as a process of its own: what it says when it cannot start, how it plays, changes models, and how it ends."""

import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import yaml
from safetensors.torch import load_file, save_file

import serve
from accomp.errors import UserError
from accomp.server import protocol as osc
from accomp.server.client import Client
from accomp.server.endpoint import bind
from accomp.server.models import streamers_of
from accomp.server.output_buffers import Setup
from accomp.server.replay import main as replay
from accomp.stream.rollout import rollout
from accomp.stream.rules import PlayingRules
from accomp.stream.streamer import Streamer
from accomp.timeline import SAMPLE_RATE, Step

ROOT = Path(__file__).resolve().parents[1]
ENV = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


def strokes(seconds, every=0.25):
    """Noise that is struck again and again, as a player is, (N,)."""
    t = np.arange(seconds * SAMPLE_RATE) / SAMPLE_RATE
    noise = np.random.default_rng(0).normal(0, 0.3, len(t))
    return (noise * np.exp(-12 * (t % every))).astype(np.float32)


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
    context = strokes(4)
    with server(model_folder) as (process, port, clientport):
        with Client({"context": context}, Setup(("piano",), step), ("127.0.0.1", port), clientport) as client:
            assert client.connect(60, alive=lambda: process.poll() is None)
            heard = client.play()["piano"]
            client.settle()
        code, seconds = end(process)
    assert (code, seconds < 0.5) == (0, True)
    bind("0.0.0.0", port).close()
    offline = rollout(Streamer(model, ("piano",)), context, step, rules=PlayingRules()).audio[0]
    assert np.abs(offline).max() > 0.01 and np.allclose(heard, offline, atol=1e-5)
    assert not client.output.late and not client.dropped
    ready = {"state": "ready", "model": "tiny", "device": "cpu", "sampler": "", "together": False, "rest_after": 2.0}
    assert client.about == ready
    assert [s["batch_id"] for s in client.steps] == list(range(1, client.output.batch_id + 1))
    assert all(s["lead_ms"] > 0 and s["missing"] == 0 for s in client.steps)


def test_instruments_that_play_together_hear_each_other(model_folder, model):
    step, stems = Step(0.125, 1.0), ("piano", "bass")
    context = strokes(4)
    with (
        server(model_folder, "--together") as (process, port, clientport),
        Client({"context": context}, Setup(stems, step), ("127.0.0.1", port), clientport) as client,
    ):
        assert client.connect(60, alive=lambda: process.poll() is None)
        heard = client.play()
        client.settle()
    offline = [
        rollout(Streamer(model, stems, together=each), context, step, rules=PlayingRules(2)).audio for each in (True, False)
    ]
    assert all(np.allclose(heard[stem], audio, atol=1e-5) for stem, audio in zip(stems, offline[0], strict=True))
    assert not np.allclose(*offline, atol=1e-3)


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
    assert code in (0, -signal.SIGTERM) and seconds < 0.5
    bind("0.0.0.0", port).close()


HOSTILE = {
    "pickle": lambda folder: (folder / "codec.safetensors").write_bytes(b"\x80\x04cos\nsystem\n(S'touch x'\ntR."),
    "truncated": lambda folder: _cut(folder / "codec.safetensors"),
    "huge header": lambda folder: (folder / "teacher.safetensors").write_bytes((2**62).to_bytes(8, "little") + b"{}"),
    "code in the config": lambda folder: (folder / "config.yaml").write_text("!!python/object/apply:os.system ['touch x']"),
    "a class by name": lambda folder: _change(folder, lambda c: c["codec"].update(kind="os.system")),
    "another shape": lambda folder: _change(folder, lambda c: c["net"].update(width=64)),
    "not finite": lambda folder: _poison(folder / "student.safetensors"),
}


def _cut(path):
    path.write_bytes(path.read_bytes()[:-1000])


def _change(folder, change):
    config = yaml.safe_load((folder / "config.yaml").read_text())
    change(config)
    (folder / "config.yaml").write_text(yaml.safe_dump(config))


def _poison(path):
    tensors = load_file(path)
    next(iter(tensors.values())).view(-1)[0] = float("nan")
    save_file(tensors, path)


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_model_is_refused_and_nothing_of_it_runs(model_folder, tmp_path, monkeypatch, case):
    monkeypatch.chdir(tmp_path)
    folder = shutil.copytree(model_folder, tmp_path / "model")
    HOSTILE[case](folder)
    with pytest.raises(UserError, match="damaged"):
        streamers_of(folder, "cpu", None)
    assert not (tmp_path / "x").exists()


def test_models_are_changed_while_playing_and_it_can_be_played_again(model_folder, tmp_path):
    """No step is missed, a damaged model changes nothing, and the recording gives the same answers to the bit."""
    for name in ("first", "second", "broken"):
        shutil.copytree(model_folder, tmp_path / name)
    HOSTILE["truncated"](tmp_path / "broken")
    step = Step(0.125, 1.0)
    context = np.random.default_rng(0).normal(0, 0.1, 7 * SAMPLE_RATE).astype(np.float32)
    wanted = {2: "second", 4: "broken", 6: "../first", 7: "first"}
    said = []
    with server(tmp_path / "first", "--record", str(tmp_path / "recording")) as (process, port, clientport):
        with Client({"context": context}, Setup(("bass",), step), ("127.0.0.1", port), clientport) as client:
            assert client.connect(60, alive=lambda: process.poll() is None)

            def on_step(client):
                said.append(dict(client.about))
                if name := wanted.get(client.output.batch_id):
                    client.send(osc.UseModel(name))

            client.play(on_step)
            client.settle()
        end(process)
        log = process.stderr.read()
    assert not client.dropped and [s["batch_id"] for s in client.steps] == list(range(1, client.output.batch_id + 1))
    assert "second" in {about.get("model") for about in said} and "model second plays from now on" in log
    assert "broken was not loaded" in log and "../first was not loaded, no such model" in log
    (recording,) = (tmp_path / "recording").iterdir()
    assert replay([str(recording), "--out", str(tmp_path / "again")]) == 0
    assert sorted(p.name for p in (tmp_path / "again").iterdir()) == ["bass.wav", "context.wav"]


def _serve(arguments):
    """In a child: as `python serve.py` does, with everything imported already."""
    sys.exit(serve.main(arguments))


@pytest.mark.parametrize("times", [5, pytest.param(50, marks=pytest.mark.slow)])
def test_it_ends_within_half_a_second_in_the_middle_of_a_step(model_folder, times):
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["serve", "accomp.server.models"])
    for n in range(times):
        port, clientport = free_port(), free_port()
        child = context.Process(target=_serve, args=(["--model", str(model_folder), "--serverport", str(port),
                                                      "--clientport", str(clientport)],))  # fmt: skip
        child.start()
        with Client({"context": np.zeros(2 * SAMPLE_RATE, np.float32)}, Setup(("bass",), Step(0.0625)), ("127.0.0.1", port),
                    clientport) as client:  # fmt: skip
            assert client.connect(60, alive=child.is_alive)
            for k in range(1, 4):
                client.predict(k * client.setup.step.samples)
        time.sleep(0.003 * (n % 10))
        began = time.monotonic()
        os.kill(child.pid, signal.SIGTERM)
        child.join(5)
        assert child.exitcode == 0 and time.monotonic() - began < 0.5
        bind("127.0.0.1", port).close()


@pytest.mark.slow
def test_a_server_that_was_killed_is_back_in_the_song(model_folder):
    """kill -9 in mid-song; the next one says /ready by itself, is told the settings, and answers within two steps."""
    step = Step(0.125, 1.0)
    context = np.random.default_rng(0).normal(0, 0.1, 60 * SAMPLE_RATE).astype(np.float32)
    with server(model_folder) as (process, port, clientport):
        client = Client({"context": context}, Setup(("bass",), step), ("127.0.0.1", port), clientport)
        with client:
            assert client.connect(60)
            playing = threading.Thread(target=client.play, daemon=True)
            playing.start()
            wait(lambda: client.steps)
            process.kill()
            process.wait()
            before = len(client.steps)
            command = [*process.args]
            again = subprocess.Popen(command, cwd=ROOT, env=ENV, stderr=subprocess.DEVNULL)
            try:
                client.ready.clear()
                assert client.ready.wait(60)
                ready_at = client.output.batch_id
                wait(lambda: len(client.steps) > before)
                assert client.steps[-1]["batch_id"] <= ready_at + 3
            finally:
                again.kill()
                again.wait()
                client.stop()
                playing.join(5)


def wait(until, timeout_s=30.0):
    end_s = time.monotonic() + timeout_s
    while not until():
        assert time.monotonic() < end_s
        time.sleep(0.01)


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


@pytest.mark.parametrize("client_ip, address", [("127.0.0.1", "127.0.0.1"), ("192.0.2.1", "0.0.0.0")])
def test_it_listens_beyond_this_machine_only_for_a_client_elsewhere_and_says_so(monkeypatch, caplog, client_ip, address):
    heard = []
    monkeypatch.setattr(serve, "run_server", lambda args, sources, rx, web: heard.append((sources, rx[0].getsockname()[0])))
    serve.serve(serve.arguments(["--client_ip", client_ip, "--serverport", str(free_port())]))
    assert heard == [({client_ip}, address)] and ("beyond this machine" in caplog.text) == (address == "0.0.0.0")


@pytest.mark.parametrize("script", ["serve.py", "clients/python/play.py", "clients/python/link.py"])
def test_a_python_without_the_packages_says_in_one_line_which_to_use(script):
    done = subprocess.run([sys.executable, "-S", script], cwd=ROOT, env=ENV, capture_output=True, text=True, timeout=60)
    assert done.returncode in (1, 2) and done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert "numpy" in done.stderr and ".venv/bin/python" in done.stderr


def test_the_page_is_served_beside_the_port_for_datagrams(model_folder):
    with server(model_folder, "--web", "0") as (process, _, _):
        link = next(line.split("open ")[1].strip() for line in process.stderr if "web: open" in line)
        with urllib.request.urlopen(link, timeout=10) as answer:
            assert b"<title>accomp" in answer.read() and "default-src 'self'" in answer.headers["Content-Security-Policy"]
        assert link.startswith("http://127.0.0.1:") and len(link.split("#")[1]) > 20
        assert end(process)[1] < 0.5


def test_a_port_of_the_page_in_use_is_one_line():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = run("--serverport", free_port(), "--web", taken.getsockname()[1])
    assert done.returncode == 2 and done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert "--web PORT" in done.stderr


def test_a_port_in_use_is_found_before_anything_is_loaded():
    port = free_port()
    with bind("0.0.0.0", port):
        began = time.monotonic()
        done = run("--serverport", port)
    assert done.returncode == 2 and done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert str(port) in done.stderr and time.monotonic() - began < 2


def test_playing_imports_no_trainer_and_leaves_nothing_to_collect(model_folder):
    code = (
        "import gc, sys, serve\n"
        "from accomp.server.endpoint import Endpoint\n"
        "Endpoint.run = lambda self: print(sorted({'lightning', 'pytorch_lightning', 'hydra', 'wandb'}"
        " & set(sys.modules)), 'torch' in sys.modules, gc.get_freeze_count() > 50_000)\n"
        f"sys.exit(serve.main(['--model', {str(model_folder)!r}, '--serverport', '{free_port()}']))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=ENV, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "[] True True\n")
