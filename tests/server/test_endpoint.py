"""The whole way over real sockets and a real clock: player, wire, server, wire, ear."""

import logging
import random
import socket
import threading
import time

import numpy as np
import pytest

from accomp.errors import UserError
from accomp.server import protocol as osc
from accomp.server.answers import PacedSender, memory, packetize
from accomp.server.endpoint import Endpoint, bind, listen, sources_of
from accomp.server.state import ServerState
from accomp.server.worker import InferenceWorker
from accomp.timeline import SAMPLE_RATE, Step

STEP = Step(0.0625, 1.0)
FADE = 882


def noise(seconds):
    return np.random.default_rng(1).uniform(-0.5, 0.5, int(seconds * SAMPLE_RATE)).astype(np.float32)


@pytest.mark.parametrize("stems, mode", [(("bass",), 0), (("bass", "piano"), 1)])
def test_two_seconds_of_music_are_heard_to_the_sample(kit, stems, mode):
    played = noise(2)
    planes = {"context": played} if mode == 0 else {"drums": played / 2, "guitar": played / 2}
    with kit.RunningServer(sleep_s=0.02) as running, running.client(planes, targets=stems, send_mode=mode) as client:
        assert client.connect(5)
        heard = client.play()
    assert running.streamers[0].warmed == 14 and running.streamers[1].stems == stems
    for voice, stem in enumerate(stems):
        first, stop = 2 * STEP.samples, (len(played) // STEP.samples - 1 + 1) * STEP.samples
        want = kit.tune(np.arange(first, stop)) + np.float32(voice / 64)
        assert np.allclose(heard[stem][first:stop], want, atol=1e-6)
    for start, samples in running.streamers[1].pushed:
        assert np.allclose(samples, played[start : start + len(samples)], atol=1e-6)
    assert not client.output.late and not client.dropped and client.about["model"] == "fake"
    assert [s["missing"] for s in client.steps] == [0] * len(client.steps)
    assert all(s["cycle_ms"] > 20 and 0 < s["lead_ms"] < 356 for s in client.steps)


def test_late_answers_are_heard_late_and_counted(kit):
    with kit.RunningServer(sleep_s=0.36) as running, running.client({"context": noise(1.6)}) as client:
        client.connect(5)
        heard = client.play()["bass"]
    first = 2 * STEP.samples - FADE
    assert 1 in client.output.late and client.steps[0]["lead_ms"] < 0
    assert not heard[first : first + 200].any() and heard[first + 2 * FADE :].any()


def test_noise_on_the_wire_harms_nobody(kit):
    rng = random.Random(0)
    played = noise(1.6)
    with kit.RunningServer() as running, running.client({"context": played}) as client:
        client.connect(5)
        stop = threading.Event()

        def flood():
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                while not stop.is_set():
                    for port in (running.port, running.clientport):
                        s.sendto(rng.randbytes(4 * rng.randrange(300)), ("127.0.0.1", port))
                        s.sendto(b"/context" + rng.randbytes(40), ("127.0.0.1", port))
                    time.sleep(0.002)

        flooder = threading.Thread(target=flood, daemon=True)
        flooder.start()
        heard = client.play()["bass"]
        stop.set()
        flooder.join()
    sure = np.arange(2 * STEP.samples, 4 * STEP.samples)
    assert np.allclose(heard[sure], kit.tune(sure), atol=1e-6)
    assert not client.dropped


def test_settings_that_came_during_loading_are_kept_and_the_music_is_refused(kit):
    port, clientport = kit.free_port(), kit.free_port()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as rx:
        rx.bind(("127.0.0.1", clientport))
        rx.settimeout(5)
        state = ServerState({"127.0.0.1"})
        endpoint = Endpoint(state, InferenceWorker(kit.FakeStreamer), [bind("127.0.0.1", port)], ("127.0.0.1", clientport))
        for message in (osc.UpdateR(0.125), *kit.blocks(3, noise(0.1))):
            rx.sendto(message.pack(), ("127.0.0.1", port))
        thread = threading.Thread(target=endpoint.run, daemon=True)
        thread.start()
        assert [osc.parse_reply(rx.recv(65_536)) for _ in range(2)] == [osc.BatchDropped(3), osc.Ready()]
        assert state.settings.step.ratio == 0.125
        endpoint.stop()
        thread.join(5)


def test_the_rest_of_an_answer_is_placed_anew_when_the_client_moves_on(kit):
    """The client begins its next batch as soon as the fourth datagram is out."""
    sender, sent, t = PacedSender([packetize("bass", 7, noise(0.5), 4410)]), [], 0.0
    while sender:
        wait_s, datagrams = sender.take(t, moved_on=len(sent) >= 4)
        sent += map(osc.parse_reply, datagrams)
        t += wait_s
    lengths = [(c.index, len(c.samples)) for c in sent]
    assert lengths == [(0, 0), (0, 0), (0, 4410), (1, 4410), (0, 0), (0, 0), (0, 0), (0, 4410), (1, 4410), (2, 4410),
                       (3, 4410), (4, 4410)]  # fmt: skip


@pytest.mark.parametrize("lossy", [False, True])
@pytest.mark.parametrize("package", [128, 1470, 4410, 13_095])
def test_a_client_with_a_small_buffer_that_looks_every_ten_milliseconds_gets_everything(package, lossy):
    """Pd's way to receive; its buffer has 208 kB, of which small datagrams waste much."""
    sender, t, held, looked_s = PacedSender([packetize("bass", 7, noise(2), package)], lossy=lossy), 0.0, 0, 0.0
    while sender:
        wait_s, datagrams = sender.take(t, moved_on=False)
        t += wait_s
        if t - looked_s >= 0.01:
            held, looked_s = 0, t
        assert held < 212_992  # a datagram is taken in while there is any room
        held += sum(map(memory, datagrams))
    assert t < 2 / 9  # and long before it is played


def test_a_client_here_is_heard_by_whichever_address_localhost_is(kit):
    with kit.RunningServer() as running:
        for family, ip, ratio in [(socket.AF_INET, "127.0.0.1", 0.5), (socket.AF_INET6, "::1", 0.125)]:
            with socket.socket(family, socket.SOCK_DGRAM) as tx:
                tx.sendto(osc.UpdateR(ratio).pack(), (ip, running.port))
            until = time.monotonic() + 5
            while running.state.settings.step.ratio != ratio and time.monotonic() < until:
                time.sleep(0.01)
            assert running.state.settings.step.ratio == ratio and not running.state.tally.counts


def test_loopback_is_heard_only_where_the_client_is_on_this_machine():
    for ip, sources, count in [("127.0.0.1", {"127.0.0.1"}, 2), ("0.0.0.0", {"192.0.2.9"}, 1)]:
        sockets = listen(ip, 0, sources)
        assert len(sockets) == count
        for each in sockets:
            each.close()


def test_a_port_in_use_is_one_clear_line():
    with bind("127.0.0.1", 0) as taken, pytest.raises(UserError, match="--serverport"):
        bind("127.0.0.1", taken.getsockname()[1])
    with pytest.raises(UserError):
        bind("192.0.2.1", 7000)  # not an address of this machine


def test_only_a_client_on_this_machine_may_speak_from_loopback():
    assert sources_of("127.0.0.1") == {"127.0.0.1"} and sources_of("192.0.2.9") == {"192.0.2.9"}
    with pytest.raises(UserError, match="client_ip"):
        sources_of("no such host")


def test_a_client_that_is_not_there_stops_nothing(kit, caplog):
    caplog.set_level(logging.INFO, "accomp")
    with kit.RunningServer() as running:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as tx:
            for message in (osc.PredictInstruments(1), osc.UpdateR(0.0625), *kit.blocks(1, noise(0.375)[:16_537])):
                tx.sendto(message.pack(), ("127.0.0.1", running.port))
        time.sleep(0.5)
        assert running.state.tally.steps == 1 and "lead_ms=" in caplog.text
