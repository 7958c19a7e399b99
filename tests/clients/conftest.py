"""A server with a stand-in for the model, a lossy road to it, and Pure Data and Node at the other end."""

import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile

from accomp.server import protocol as osc
from accomp.timeline import SAMPLE_RATE, Step

HERE = Path(__file__).parent
CLIENTS = HERE.parents[1] / "clients"
PACKAGE, FADE = 1470, 882  # what the patches begin with


def _server_kit():
    """What tests/server/conftest.py offers to its own folder."""
    spec = importlib.util.spec_from_file_location("server_conftest", HERE.parent / "server" / "conftest.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


kit = _server_kit()
tune, free_port, RunningServer = kit.tune, kit.free_port, kit.RunningServer


def song(seconds: float) -> np.ndarray:
    """What the player plays: another tune than the server's, (N,)."""
    return tune(np.arange(int(seconds * SAMPLE_RATE)) + 1_000_003)


def heard_right(heard: np.ndarray, step: Step, fade: int = FADE) -> np.ndarray:
    """Which samples of (N,) are what a listener should get from the server's tune, bool (N,)."""
    want = tune(np.arange(len(heard)))
    first = step.samples + step.offset
    want[:first] *= np.clip((np.arange(first) - first + fade) / fade, 0, 1).astype(np.float32)
    return np.abs(heard - want) < 1e-6


def context_of(running) -> np.ndarray:
    """What the server has heard since the last session began, (N,)."""
    pushed = running.streamers[-1].pushed
    assert [start for start, _ in pushed] == list(np.cumsum([0] + [len(x) for _, x in pushed])[:-1])
    return np.concatenate([x for _, x in pushed])


class Road(threading.Thread):
    """Passes datagrams on from one port to another and loses some; `lost` holds those that never came."""

    def __init__(self, destination: int, loss: float, seed: int = 0):
        super().__init__(daemon=True)
        self.port, self.lost, self.passed = free_port(), [], 0
        self._to, self._loss, self._rng = ("127.0.0.1", destination), loss, np.random.default_rng(seed)
        self._rx = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._rx.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self._rx.bind(("127.0.0.1", self.port))
        self._rx.settimeout(0.1)
        self.open = True
        self.start()

    def run(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as tx:
            while self.open:
                try:
                    data = self._rx.recv(65_536)
                except TimeoutError:
                    continue
                if self._rng.random() < self._loss:
                    self.lost.append(data)
                else:
                    self.passed += 1
                    tx.sendto(data, self._to)
        self._rx.close()


@contextmanager
def lossy(running, loss: float):
    """(port to speak to, port to listen on, what was lost on the way back), as a client of the running should use them."""
    mine = free_port()
    there, back = Road(running.port, loss, seed=1), Road(mine, loss, seed=2)
    running.endpoint._client = ("127.0.0.1", back.port)
    try:
        yield there.port, mine, back
    finally:
        for road in (there, back):
            road.open = False
            road.join()


def spans_lost(back: Road, step: Step, length: int) -> np.ndarray:
    """Where the lost chunks belong, bool (N,); empty ones belong nowhere."""
    missing = np.zeros(length, bool)
    for chunk in [osc.parse_reply(data) for data in back.lost]:
        if isinstance(chunk, osc.Chunk):
            start = chunk.batch_id * step.samples + step.offset - FADE + chunk.index * PACKAGE
            missing[max(0, start) : start + len(chunk.samples)] = True
    return missing


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


class Pd:
    """Pure Data without a window and without a sound card, in real time, with the patch and another one to steer it."""

    def __init__(self, folder: Path, *patches: Path):
        self.folder, self._log = folder, folder / "pd.log"
        self._steer = free_port()
        steer = folder / "steer.pd"
        steer.write_text((HERE / "steer.pd").read_text().replace("45990", str(self._steer)))
        opened = [word for patch in (CLIENTS / "pd" / "accomp.pd", steer, *patches) for word in ("-open", str(patch))]
        command = ["pd", "-nogui", "-noprefs", "-nosound", "-stderr", "-r", str(SAMPLE_RATE), *opened]
        with self._log.open("w") as log:
            self.process = subprocess.Popen(command, stderr=log, stdout=log, cwd=folder)
        self._began_s = time.monotonic()

    def __enter__(self):
        for _ in range(200):
            try:
                self._tx = socket.create_connection(("127.0.0.1", self._steer))
                return self
            except ConnectionRefusedError:
                time.sleep(0.05)
        raise AssertionError(self.said)

    def __exit__(self, *_):
        self._tx.close()
        self.process.kill()
        self.process.wait()

    def send(self, *messages: str) -> None:
        self._tx.sendall("".join(f"{message};\n" for message in messages).encode())

    @property
    def said(self) -> str:
        return self._log.read_text()

    @property
    def cpu(self) -> float:
        """Share of one core since the start."""
        return cpu_s(self.process.pid) / (time.monotonic() - self._began_s)

    def wait_for(self, words: str, times: int = 1, timeout_s: float = 15.0) -> None:
        until_s = time.monotonic() + timeout_s
        while self.said.count(words) < times:
            assert time.monotonic() < until_s and self.process.poll() is None, f"never said {words!r}: {self.said}"
            time.sleep(0.05)

    def play_file(self, samples: np.ndarray, port: int, clientport: int, *settings: str) -> np.ndarray:
        """Play a recording from start to end: what is heard of the player and of the model, (N, 2)."""
        soundfile.write(self.folder / "song.wav", samples, SAMPLE_RATE, subtype="FLOAT")
        take = self.folder / "take.wav"
        self.send(f"acc-server 127.0.0.1 {port} {clientport}")
        self.wait_for("accomp: ready")
        self.send(f"acc-file {self.folder / 'song.wav'}", *settings, f"acc-record {take}", "acc-play 1")
        self.wait_for("accomp: stopped", timeout_s=len(samples) / SAMPLE_RATE + 15)
        time.sleep(0.3)
        assert "error" not in self.said, self.said
        return soundfile.read(take, dtype="float32")[0]


@pytest.fixture
def pd(tmp_path):
    if not shutil.which("pd"):
        pytest.skip("Pure Data is not installed: apt-get install puredata-state")
    with Pd(tmp_path) as running:
        yield running


@pytest.fixture
def node(tmp_path):
    """Runs clients/max in Node: (what was heard (4, N), everything that was said).

    Where a busy machine was late, and `strict` does not forbid it, what was written in the end instead of what was heard.
    """
    if not shutil.which("node"):
        pytest.skip("Node is not installed: apt-get install nodejs")

    def run(samples, port, clientport, before=(), during=(), meanwhile=lambda: None, strict=False, largest=65_507):
        samples.astype(np.float32).tofile(tmp_path / "song.f32")
        given = {"context": str(tmp_path / "song.f32"), "heard": str(tmp_path / "heard.f32"), "serverport": port,
                 "clientport": clientport, "before": list(before), "during": list(during), "wait_ms": 600,
                 "largest": largest}  # fmt: skip
        command = ["node", str(HERE / "max_host.js"), json.dumps(given)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            meanwhile()
            said, _ = process.communicate(timeout=len(samples) / SAMPLE_RATE + 20)
        finally:
            process.kill()
            process.wait()
        assert process.returncode == 0, said
        file = "heard.f32.written" if "\nlate" in said and not strict else "heard.f32"
        return np.fromfile(tmp_path / file, np.float32).reshape(4, -1), said

    return run


@pytest.fixture
def python(tmp_path):
    """Runs clients/python/play.py: (what was heard of the bass (N,), what it said, its share of one core)."""

    def run(samples, port, clientport, ratio):
        soundfile.write(tmp_path / "song.wav", samples, SAMPLE_RATE, subtype="FLOAT")
        command = [sys.executable, str(CLIENTS / "python" / "play.py"), str(tmp_path / "song.wav"), "--r", str(ratio),
                   "--serverport", str(port), "--clientport", str(clientport), "--out", str(tmp_path)]  # fmt: skip
        began_s = time.monotonic()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        said = process.stdout.read()
        process.stdout.close()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0, said
        heard = soundfile.read(tmp_path / "take-001" / "bass.wav", dtype="float32")[0]
        return heard, said, (used.ru_utime + used.ru_stime) / (time.monotonic() - began_s)

    return run


@pytest.fixture(scope="session")
def clients():
    return CLIENTS


@pytest.fixture(scope="session")
def tools():
    """The helpers of this file, for the tests beside it."""
    return type("Tools", (), {name: staticmethod(globals()[name]) for name in (
        "song", "tune", "heard_right", "context_of", "lossy", "spans_lost", "free_port", "RunningServer")})  # fmt: skip
