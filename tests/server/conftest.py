"""A stand-in for the model, and servers around it: one under a simulated clock, one with sockets and threads."""

import socket
import threading
import time
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest

from accomp.plan.beats import BeatLine
from accomp.server import protocol as osc
from accomp.server.actions import Deliver, Load, Send, Silence, Stop, Work
from accomp.server.client import Client
from accomp.server.endpoint import Endpoint, bind, listen, sources_of
from accomp.server.output_buffers import Setup
from accomp.server.state import ServerState
from accomp.server.worker import InferenceWorker, silence
from accomp.stream.presence import Heard
from accomp.stream.rules import REFERENCE_DB
from accomp.timeline import Step

CLIENT = ("127.0.0.1", 50_000)
BEAT = 22_050  # samples


def tune(samples: np.ndarray) -> np.ndarray:
    """Music that tells its own absolute sample index: no two neighbours within 65,521 samples are alike."""
    return ((np.asarray(samples, np.int64) * 7919 % 65_521) / 131_072 - 0.25).astype(np.float32)


@dataclass(frozen=True)
class FakeAnswer:
    start: int
    audio: np.ndarray


class FakeClock:
    transport = None

    def estimate(self):
        return 0.0, 0.0

    def carry(self, old):
        pass


class FakePresence:
    """Somebody who never stops, at the level at which answers are neither raised nor lowered."""

    so_far = Heard(np.array([REFERENCE_DB]), np.array([np.inf]))


class FakeStreamer:
    """Answers with `tune`, voice v raised by v / 64, and remembers what it was told; step numbers in `fails` raise."""

    takes_chords = True

    def __init__(self, stems, fails=(), sleep_s=0.0):
        self.stems, self.fails, self.sleep_s = tuple(stems), set(fails), sleep_s
        self.pushed, self.steps, self.warmed, self.clock, self.transports = [], [], 0, FakeClock(), []
        self.presence = FakePresence()

    def bar_s(self):
        return np.array([2.0])

    def push(self, start, samples):
        self.pushed.append((start, samples))

    def step(self, edge, step, offset, overlap=0, record_time=lambda name: None):
        self.steps.append((edge, step, offset, overlap))
        self.transports.append(self.clock.transport)
        time.sleep(self.sleep_s)
        if len(self.steps) in self.fails:
            raise RuntimeError("out of memory")
        start = edge + offset - overlap
        for name in ("encode", "sample", "decode"):
            record_time(name)
        audio = np.stack([tune(np.arange(start, edge + offset + step)) + v / 64 for v in range(len(self.stems))])
        return FakeAnswer(start, audio)

    def follow(self, chords):
        self.chords = chords

    def beat_lines(self, start, stop):
        """A beat every half second, four to the bar."""
        return [BeatLine(k * BEAT, k % 4, 4) for k in range(-(-start // BEAT), -(-stop // BEAT))]

    def outlook(self, edge, stop):
        lines = self.beat_lines(edge, stop + 8 * BEAT)
        chords = [[line.sample - edge, "Am7" if line.sample // BEAT % 8 else "D7", 0.9] for line in lines if line.number == 0]
        notes = {"bass": [[stop - edge - BEAT, BEAT // 2, 40, 1]]} if "bass" in self.stems else {}
        return {"until": stop - edge, "bpm": 120.0, "beats": [[line.sample - edge, line.number] for line in lines],
                "beats_in_bar": 4, "plan": "own", "heard": "Am7", "chords": chords, "notes": notes}  # fmt: skip

    def warm_up(self, step, offset, steps=3):
        self.warmed += 1


class SimulatedServer:
    """A state and a worker without threads, under a clock of its own: requests take `cycle_s`, answers are collected."""

    def __init__(self, cycle_s=0.01, fails=()):
        self.t, self.cycle_s = 100.0, cycle_s
        self.state = ServerState({"127.0.0.1"}, {"model": "fake"})
        self.streamers = []

        def make(stems):
            self.streamers.append(FakeStreamer(stems, fails))
            return self.streamers[-1]

        self.worker = InferenceWorker(make)
        self.sent, self.answers, self.requests, self.loads, self.stopped = [], [], [], [], ""
        self.silences, self._pending = [], []
        self.act(self.state.on_ready(self.t))

    def act(self, actions):
        for action in actions:
            match action:
                case Send(datagrams):
                    self.sent += [osc.parse_reply(d) for d in datagrams]
                case Work(request):
                    self.requests.append(request)
                    self._pending.append((self.t + self.cycle_s, request))
                case Deliver():
                    chunks = [[osc.parse_reply(d) for d in (p.header, *p.chunks)] for p in action.result.packets]
                    self.answers.append((action.request, chunks))
                    self.act(self.state.on_sent(action, self.t))
                case Silence(request):
                    chunks = [[osc.parse_reply(d) for d in (p.header, *p.chunks)] for p in silence(request)]
                    self.silences.append((request, chunks))
                case Load(name, _):
                    self.loads.append(name)
                case Stop(reason):
                    self.stopped = reason

    def hear(self, *messages):
        for message in messages:
            data = message if isinstance(message, bytes) else message.pack()
            self.act(self.state.on_datagram(data, CLIENT[0], self.t))

    def wait(self, seconds):
        """Let time pass in steps of 5 ms; whatever falls due happens."""
        until = self.t + seconds
        while self.t < until:
            self.t += 0.005
            self.act(self.state.on_tick(self.t))
            for due, request in [p for p in self._pending if p[0] <= self.t]:
                self._pending.remove((due, request))
                try:
                    result = self.worker.play(request)
                except RuntimeError:
                    self.act(self.state.on_failure(request, self.t))
                else:
                    self.act(self.state.on_answer(request, result, self.t))

    @property
    def dropped(self):
        return [m.batch_id for m in self.sent if isinstance(m, osc.BatchDropped)]


def blocks(batch_id, samples, package=4410, copies=1, plane="context", total=None):
    """A batch as the external cuts it."""
    starts = range(0, len(samples), package)
    total = total or copies * len(starts)
    one = [osc.Block(plane, batch_id, s, total, samples[s : s + package]) for s in starts]
    return one * copies


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class RunningServer:
    """A running server with a stand-in for the model, and the ports to reach it."""

    def __init__(self, load=None, recorder=None, port=None, clientport=None, web=None, **fake):
        self.port, self.clientport, self.streamers = port or free_port(), clientport or free_port(), []

        def make(stems):
            self.streamers.append(FakeStreamer(stems, **fake))
            return self.streamers[-1]

        self.state = ServerState(sources_of("127.0.0.1") | {"web"}, {"model": "fake", "device": "none"})
        rx, client = listen("127.0.0.1", self.port, {"127.0.0.1"}), ("127.0.0.1", self.clientport)
        self.endpoint = Endpoint(self.state, InferenceWorker(make), rx, client, load, recorder, web)
        self.endpoint.warm_up(make)
        self.thread = threading.Thread(target=self.endpoint.run, daemon=True)
        self.thread.start()
        while not self.state.ready:
            time.sleep(0.01)

    def client(self, planes, **setup):
        setup = Setup(**{"step": Step(0.0625, 1.0), "package": 1024} | setup)
        return Client(planes, setup, ("127.0.0.1", self.port), self.clientport)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.endpoint.stop()
        self.thread.join(5)
        assert not self.thread.is_alive()
        bind("127.0.0.1", self.port).close()  # the port is free again


@pytest.fixture(scope="session")
def kit():
    """The helpers of this file, for the tests beside it."""
    names = "tune", "FakeStreamer", "SimulatedServer", "RunningServer", "blocks", "CLIENT", "free_port"
    return SimpleNamespace(**{name: globals()[name] for name in names})
