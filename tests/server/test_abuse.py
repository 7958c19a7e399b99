"""What nobody should send, a thousand times a second: nothing crashes, hangs, grows or is written; the music goes on."""

import gc
import itertools
import json
import logging
import os
import random
import re
import resource
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from accomp.server import protocol as osc
from accomp.server import wire
from accomp.server.endpoint import Endpoint, bind
from accomp.server.state import ServerState
from accomp.server.worker import InferenceWorker
from accomp.timeline import STEMS, Step

STEP, FADE = Step(0.1).samples, 882
WORDS = [
    b"../../etc/passwd",
    b"/etc/passwd",
    b"C:\\x",
    b"con",
    b"a\0b",
    b"%n%s",
    b"~",
    b".",
    b"..",
    3000 * b"x",
    b"\xff",
]


def corpus(rng):
    audio = rng.uniform(-1, 1, STEP).astype(np.float32)
    blocks = [
        osc.Block(plane, batch_id, start, total, audio[:n]).pack()
        for plane in ("context", *STEMS)
        for batch_id, start, total, n in [(1, 0, 6, 4410), (2, 4410, 12, 50), (50, 22_050, 1, 1), (2**31 - 1, 0, 6, 50)]
    ]
    controls = [osc.UpdateR(0.1), osc.W(1), osc.UpdateFade(0.02), osc.UpdatePackageSize(4410), osc.Reset(), osc.LoadModel(),
                osc.PredictInstruments(1, 0, 0, 1), osc.Predict(), osc.Print(), osc.PacketTest(1, audio[:9]), osc.Panic(),
                osc.Clock(1.0, 120.0, 4, 2), osc.Tempo(100.0), osc.Hello(44_100, 264_600, "x"), osc.UseModel("live"),
                osc.Density(0.5), osc.Calibrate(), osc.AskStatus(), osc.Verbose(0)]  # fmt: skip
    named = [wire.pad(a.encode()) + wire.pad(b",s") + wire.pad(w) for a in ("/model", "/hello", "/load_model") for w in WORDS]
    bundles = [b"#bundle\0" + bytes(8) + len(m).to_bytes(4, "big") + m for m in (osc.W(1).pack(), blocks[0])]
    return blocks + [c.pack() for c in controls] + named + bundles


def hurt(data, rng):
    """A message as it may be after an accident."""
    data = bytearray(data)
    for _ in range(rng.choice((0, 1, 1, 2, 8))):
        at, kind = rng.randrange(len(data) + 1), rng.random()
        if kind < 0.5:
            data[at : at + 1] = bytes([rng.randrange(256)])
        elif kind < 0.75:
            del data[at : at + rng.randrange(9)]
        else:
            data[at:at] = rng.randbytes(rng.randrange(9))
    return bytes(data)


def resident_mb():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 1e6


@pytest.fixture
def quiet():
    """Nothing is logged: pytest would keep every line."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def storm(kit, count):
    """So many hurt datagrams through the state and what follows from them: the slowest one's ms, and the growth in MB."""
    rng, server = random.Random(0), kit.SimulatedServer()
    messages, slowest_ms, grown = corpus(np.random.default_rng(0)), 0.0, 0.0
    gc.collect()
    gc.freeze()  # as serve.py does before it plays
    for n in range(count):
        data = hurt(rng.choice(messages), rng)
        began = time.thread_time()
        actions = server.state.on_datagram(data, kit.CLIENT[0], server.t)
        took_ms = 1e3 * (time.thread_time() - began)
        slowest_ms = max(slowest_ms, took_ms)
        server.act(actions)
        server.t += 0.0005
        if n % 100 == 0:
            server.wait(0.01)
            for seen in (server.sent, server.answers, server.silences, server.requests, server.loads):
                seen.clear()
            for streamer in server.streamers:
                streamer.pushed.clear(), streamer.steps.clear(), streamer.transports.clear()
            del server.streamers[:-1]
        if n == count // 4:
            gc.collect()
            grown = -resident_mb()
    gc.unfreeze()
    gc.collect()
    return server, slowest_ms, grown + resident_mb()


def play_on(kit, server):
    """Whether the next clean steps are answered to the sample."""
    server.wait(5)
    server.hear(osc.Reset(), osc.UpdatePackageSize(4410), osc.UpdateR(0.1), osc.W(1), osc.UpdateFade(0.02), osc.Density(1.0),
               osc.Hello(44_100, 264_600, "again"), osc.PredictInstruments(1, 0, 0, 0), osc.Tempo(0))  # fmt: skip
    server.answers.clear()
    for i in (1, 2, 3):
        server.hear(*kit.blocks(i, np.zeros(STEP, np.float32)))
        server.wait(0.6)
    for request, (chunks,) in server.answers:
        want = kit.tune(np.arange(-FADE, STEP) + (request.batch_id + 1) * STEP)
        assert np.array_equal(np.concatenate([c.samples for c in chunks]), want)
    return len(server.answers) == 3


@pytest.mark.parametrize("count", [10_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_hurt_datagrams_stop_nothing_cost_little_and_leave_nothing_behind(kit, quiet, count):
    server, slowest_ms, grown_mb = storm(kit, count)
    assert slowest_ms < 5 and grown_mb < 5, (slowest_ms, grown_mb)
    assert play_on(kit, server)


class Abuse(RuleBasedStateMachine):
    """Any order of batches, settings and time: every batch is answered or dropped, once, and the state's books balance."""

    kit = None

    def __init__(self):
        super().__init__()
        self.server = self.kit.SimulatedServer()
        self.server.hear(osc.UpdatePackageSize(4410), osc.UpdateR(0.1), osc.PredictInstruments(1, 0, 0, 0))
        self.next_id = 1

    @rule(jump=st.integers(1, 3), lose=st.sets(st.integers(0, 5), max_size=2), wait=st.floats(0, 1))
    def batch(self, jump, lose, wait):
        self.next_id += jump
        blocks = self.kit.blocks(self.next_id, np.zeros(STEP, np.float32))
        self.server.hear(*[b for k, b in enumerate(blocks) if k not in lose])
        self.server.wait(wait)

    @rule(back=st.integers(0, 12), chunk=st.integers(0, 5))
    def straggler(self, back, chunk):
        old = max(0, self.next_id - back)
        self.server.hear(self.kit.blocks(old, np.zeros(STEP, np.float32))[chunk])
        self.next_id = self.server.state.newest_id or self.next_id

    @rule(message=st.sampled_from([osc.Reset(), osc.Panic(), osc.LoadModel(), osc.Calibrate(), osc.W(-1), osc.W(1),
                                   osc.UpdateR(0.2), osc.UpdateR(0.1), osc.Predict(), osc.Density(0.3)]))  # fmt: skip
    def control(self, message):
        self.server.hear(message)

    @invariant()
    def books_balance(self):
        state = self.server.state
        edges = [request.edge for request in self.server.requests if request.session == state._session.number]
        assert edges == sorted(set(edges)) and len(state._session.runs) <= 20 * state.settings.step.window
        assert sum(len(x) for _, x in state._session.runs) <= 2 * 15 * 44_100
        answered = [(request.session, request.batch_id) for request, _ in self.server.answers]
        assert len(answered) == len(set(answered))

    def teardown(self):
        assert play_on(self.kit, self.server)


def test_any_order_of_events_leaves_a_server_that_plays(kit):
    Abuse.kit = kit
    case = Abuse.TestCase
    case.settings = settings(max_examples=15, stateful_step_count=15, deadline=None, derandomize=True)
    case().runTest()


def test_no_file_is_named_by_the_network(kit, tmp_path, monkeypatch):
    """A name of a model is looked up among those that are there; nothing that is sent is ever opened."""
    from accomp.server.models import models_beside

    for name in ("live", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.yaml").touch()
        (tmp_path / name / "codec.safetensors").touch()
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "config.yaml").touch()  # a folder of a score's model, say, that cannot play
    server, known = kit.SimulatedServer(), models_beside(tmp_path / "live")
    assert sorted(known) == ["live", "other"]
    for word in WORDS:
        server.hear(wire.pad(b"/model") + wire.pad(b",s") + wire.pad(word))
        server.act(server.state.on_load_failed("x", "no such model", server.t))
    assert all(name not in known for name in server.loads) and len(server.loads) > 3
    assert sorted(p.name for p in tmp_path.iterdir()) == ["live", "other", "secret"]


def test_nobody_else_is_heard_or_answered(kit):
    """A whole performance's worth of requests from another address of this machine: not a byte goes anywhere for it."""
    with kit.RunningServer() as running, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as rx:
        rx.bind(("127.0.0.1", running.clientport))
        rx.settimeout(0.3)
        while True:  # /ready and /status
            try:
                rx.recv(65_536)
            except TimeoutError:
                break
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.bind(("127.0.0.9", 0))
            stranger.settimeout(0.2)
            for message in (osc.PredictInstruments(1), osc.UpdateR(0.1), osc.AskStatus(), osc.PacketTest(1, np.zeros(9)),
                            osc.LoadModel(), *kit.blocks(1, np.zeros(STEP, np.float32))):  # fmt: skip
                stranger.sendto(message.pack(), ("127.0.0.1", running.port))
            with pytest.raises(TimeoutError):
                stranger.recv(65_536)
        said = itertools.takewhile(bool, iter(lambda: _recv(rx), None))
        assert all(osc.parse_reply(d) == osc.Ready() or b"ready" in d for d in said)
        assert running.state.settings.stems == () and running.state.tally.counts["unknown sender"] == 11


def _recv(rx):
    try:
        return rx.recv(65_536)
    except TimeoutError:
        return None


def test_time_is_monotonic_everywhere(kit, monkeypatch):
    """A wall clock that jumps, as NTP makes it, moves nothing: nobody looks at it."""
    code = Path(osc.__file__).parent
    for file in ("state", "endpoint", "worker", "answers", "blocks", "controls", "report"):
        assert "time.time" not in (code / f"{file}.py").read_text() and "datetime" not in (code / f"{file}.py").read_text()


def test_a_dead_client_and_a_full_socket_are_counted_and_nothing_more(kit):
    class Unwilling:
        errors = itertools.cycle([111, 105, 90])

        def sendto(self, data, address):
            raise OSError(next(self.errors), "not now")

        def close(self):
            pass

    state = ServerState({"127.0.0.1"})
    endpoint = Endpoint(state, InferenceWorker(kit.FakeStreamer), [bind("127.0.0.1", kit.free_port())], ("127.0.0.1", 9))
    endpoint._tx.close()
    endpoint._tx = Unwilling()
    endpoint._do("on_ready")
    for message in (osc.PredictInstruments(1), osc.UpdateR(0.1), *kit.blocks(1, np.zeros(STEP, np.float32))):
        endpoint._do("on_datagram", message.pack(), "127.0.0.1")
    until = time.monotonic() + 10
    while state.tally.steps < 1 and time.monotonic() < until:
        time.sleep(0.01)
    assert state.tally.steps == 1 and state.tally.counts["send"] > 5
    endpoint.stop()
    endpoint.run()


def test_a_line_of_the_log_is_a_time_and_what_the_documents_show():
    code = "import logging, serve\nlistener = serve.start_log()\nlogging.getLogger('accomp.x').info('step 1')\nlistener.stop()"
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert re.fullmatch(r"\d\d:\d\d:\d\d step 1\n", done.stderr)


def test_a_log_that_nobody_reads_holds_nobody_up():
    """Standard error is a pipe that is full: lines are lost, the process goes on, and still ends at once when told to."""
    code = (
        "import logging, signal, time, serve\n"
        "signal.signal(signal.SIGTERM, serve.end_now)\n"
        "serve.start_log()\n"
        "log = logging.getLogger('accomp')\n"
        "began = time.monotonic()\n"
        "for n in range(20_000): log.info('step %d %s', n, 'x' * 50)\n"
        "print(time.monotonic() - began, flush=True)\n"
        "time.sleep(60)\n"
    )
    root = Path(__file__).resolve().parents[2]
    unread, full = os.pipe()
    process = subprocess.Popen([sys.executable, "-c", code], cwd=root, stderr=full, stdout=subprocess.PIPE, text=True)
    took_s = float(process.stdout.readline())
    began = time.monotonic()
    process.terminate()
    assert process.wait(5) == 0 and time.monotonic() - began < 0.5 and took_s < 10
    process.stdout.close()
    os.close(unread), os.close(full)


@pytest.mark.parametrize("minutes", [10, pytest.param(60, marks=pytest.mark.slow)])
def test_a_long_performance_leaves_nothing_behind(kit, quiet, minutes):
    """On a virtual clock, with lost datagrams and settings that change: no leak and no growing delay."""
    server, rng = kit.SimulatedServer(), random.Random(1)
    server.hear(osc.UpdatePackageSize(10_240), osc.UpdateR(0.25), osc.PredictInstruments(1, 0, 0, 0))
    steps, step = minutes * 40, Step(0.25)
    silence, cycles, early_mb = np.zeros(step.samples, np.float32), [], 0.0
    for i in range(1, steps + 1):
        whole = kit.blocks(i, silence, 10_240)
        server.hear(*[b for b in whole if rng.random() > 0.02])
        if i % 50 == 0:
            server.hear(osc.W(rng.choice([0.0, 1.0])), osc.Clock(0.0, 120.0, 4, i), osc.AskStatus())
        server.wait(0.3)
        server.t += step.seconds - 0.3
        cycles += [json.loads(m.text)["cycle_ms"] for m in server.sent if isinstance(m, osc.Status) and "batch_id" in m.text]
        for seen in (server.sent, server.answers, server.requests):
            seen.clear()
        for streamer in server.streamers:
            streamer.pushed.clear(), streamer.steps.clear(), streamer.transports.clear()
        if i == steps // 2:
            gc.collect()
            early_mb = resident_mb()
    gc.collect()
    assert (resident_mb() - early_mb) / (steps / 200) < 1 and len(cycles) >= 0.97 * steps
    assert np.mean(cycles[-50:]) < 1.1 * np.mean(cycles[:50]) + 1 and server.state._session.edge == steps * step.samples
