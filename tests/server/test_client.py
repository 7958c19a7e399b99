"""The client writes what the external writes, flaws included; the server's answers land to the sample all the same."""

import errno
import socket
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accomp.errors import UserError
from accomp.server import protocol as osc
from accomp.server.answers import packetize
from accomp.server.client import Client
from accomp.server.output_buffers import OutputBuffers, Setup
from accomp.timeline import Step

STEP = Step(0.1).samples
FADE = 882
SETUP = Setup(("bass",), Step(0.1, 1.0), 0.02, 4410)


def answer(kit, batch_id, headers=2):
    """The chunks of the right answer to a batch whose edge is batch_id steps."""
    start = (batch_id + 1) * STEP - FADE
    sent = packetize("bass", batch_id, kit.tune(np.arange(start, start + FADE + STEP)), 4410)
    return [osc.parse_reply(d) for d in ([sent.header] * headers + list(sent.chunks))]


def output_after(kit, batches, **changes):
    output = OutputBuffers(Setup(**(vars(SETUP) | changes)), 6 * STEP)
    for i in batches:
        output.predict(i * STEP, i * STEP)
        for chunk in answer(kit, i):
            output.receive(chunk, i * STEP)
    return output


def test_answers_lie_to_the_sample_and_join_without_a_seam(kit):
    output = output_after(kit, [1, 2, 3])
    want = kit.tune(np.arange(6 * STEP))
    want[5 * STEP :] = want[: 2 * STEP - FADE] = 0
    want[2 * STEP - FADE : 2 * STEP] *= np.arange(FADE) / FADE  # from silence
    assert np.allclose(output.buffers["bass"], want, atol=1e-6)
    assert np.array_equal(output.buffers["bass"], output.heard["bass"]) and not output.late and output.answered == {1, 2, 3}


@settings(max_examples=40, deadline=None)
@given(st.randoms(use_true_random=False))
def test_behind_the_header_any_order_of_chunks_is_right(kit, random):
    output, calm = output_after(kit, [1]), output_after(kit, [1, 2])
    output.predict(2 * STEP, 2 * STEP)
    header, _, *chunks = answer(kit, 2)
    random.shuffle(chunks)
    for chunk in [header, *chunks]:
        output.receive(chunk, 2 * STEP)
    assert np.array_equal(output.buffers["bass"], calm.buffers["bass"])


def test_without_a_header_what_overtakes_chunk_0_is_misplaced(kit):
    """The flaw that the header cures: the test would not be worth much if the client did not have it."""
    output, calm = output_after(kit, [1]), output_after(kit, [1, 2])
    output.predict(2 * STEP, 2 * STEP)
    first, *rest = answer(kit, 2, headers=0)
    for chunk in [*rest, first]:
        output.receive(chunk, 2 * STEP)
    assert not np.array_equal(output.buffers["bass"], calm.buffers["bass"])


def test_the_rest_of_an_answer_goes_astray_when_the_next_batch_begins_unless_the_header_is_repeated(kit):
    def rolled(again):
        output = output_after(kit, [1])
        output.predict(2 * STEP, 2 * STEP)
        header, _, *chunks = answer(kit, 2)
        for chunk in [header, *chunks[:3]]:
            output.receive(chunk, 2 * STEP)
        output.predict(3 * STEP, 2 * STEP)
        for chunk in [*([header] if again else []), *chunks[3:]]:
            output.receive(chunk, 2 * STEP)
        return output.buffers["bass"]

    want = kit.tune(np.arange(3 * STEP, 4 * STEP))
    assert np.array_equal(rolled(True)[3 * STEP : 4 * STEP - FADE], want[:-FADE])
    assert not np.array_equal(rolled(False)[3 * STEP : 4 * STEP - FADE], want[:-FADE])


def test_what_comes_behind_the_playhead_is_not_heard(kit):
    output = output_after(kit, [])
    output.predict(STEP, STEP)
    playhead = 2 * STEP + 5000  # inside the answer
    for chunk in answer(kit, 1):
        output.receive(chunk, playhead)
    heard = output.heard["bass"]
    assert not heard[:playhead].any()
    assert np.array_equal(heard[playhead : 3 * STEP], kit.tune(np.arange(playhead, 3 * STEP)))
    assert output.late == {1} and output.buffers["bass"][2 * STEP + 1] != 0


def test_answers_to_older_batches_are_ignored(kit):
    output = output_after(kit, [1, 2, 3])
    before = output.buffers["bass"].copy()
    for chunk in answer(kit, 1):
        output.receive(chunk, 0)
    assert np.array_equal(before, output.buffers["bass"]) and output.ignored == len(answer(kit, 1))


def test_stems_of_different_length_are_refused():
    with pytest.raises(UserError, match="equally long"):
        Client({"drums": np.zeros(5, np.float32), "piano": np.zeros(6, np.float32)}, SETUP)


def until(true, seconds=10):
    end_s = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end_s
        time.sleep(0.02)


def test_a_server_that_goes_is_missed_and_a_new_one_is_told_the_settings(kit, caplog):
    """In mid-song, on the same ports: the music goes on with the new server, which cannot know what was set."""
    caplog.set_level("INFO", "accomp.server.client")
    setup = Setup(("piano",), Step(0.0625, 1.0), 0.02, 1024)
    with kit.RunningServer() as first:
        client = Client({"context": kit.tune(np.arange(12 * 44_100))}, setup, ("127.0.0.1", first.port), first.clientport)
        assert client.connect(5)
        playing = threading.Thread(target=client.play, daemon=True)
        playing.start()
        until(lambda: len(client.output.answered) > 1)
    until(lambda: "no answer to the last 3 steps" in caplog.text)
    with kit.RunningServer(port=first.port, clientport=first.clientport) as second:
        until(lambda: "the server answers again" in caplog.text)
        assert second.state.settings.stems == ("piano",) and second.state.settings.step == setup.step
        client.__exit__()
        playing.join(5)
    assert not playing.is_alive()


def test_a_network_that_takes_nothing_is_said_and_survived(kit, caplog):
    nobody = ("255.255.255.255", 9)  # broadcasting is not allowed
    with Client({"context": np.zeros(2 * STEP, np.float32)}, SETUP, nobody, kit.free_port()) as client:
        assert client.predict(STEP) == 1
    assert "could not be sent to 255.255.255.255" in caplog.text


def test_a_datagram_too_large_for_the_system_is_said_with_a_size_that_is_not(kit, caplog):
    class Mac:
        def sendto(self, data, address):
            raise OSError(errno.EMSGSIZE, "Message too long")

    with Client({"context": np.zeros(2 * STEP, np.float32)}, SETUP, clientport=kit.free_port()) as client:
        client._put(Mac(), osc.Block("context", 1, 0, 1, np.zeros(4410, np.float32)))
    assert "Message too long; choose a package size of 1837 or less" in caplog.text


def test_the_beat_of_the_host_goes_with_every_batch(kit):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as rx:
        rx.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        rx.bind(("127.0.0.1", 0))
        rx.settimeout(5)
        client = Client({"context": np.zeros(4 * STEP, np.float32)}, SETUP, rx.getsockname(), kit.free_port(),
                        beat=lambda sample: (sample / STEP % 3, 100.0, 3))  # fmt: skip
        with client:
            client.predict(STEP)
            client.predict(2 * STEP)
        heard = [osc.parse_request(rx.recv(65_536)) for _ in range(14)]
    assert [m for m in heard if isinstance(m, osc.Clock)] == [osc.Clock(1.0, 100.0, 3, 1), osc.Clock(2.0, 100.0, 3, 2)]


def test_what_the_model_intends_is_kept_once_it_was_asked_for(kit):
    with kit.RunningServer() as running, running.client({"context": np.zeros(4 * STEP, np.float32)}) as client:
        assert client.connect(10)
        client.send(osc.AskPlan(1))
        client.predict(client.setup.step.samples)
        until_s = time.monotonic() + 10
        while not client.plan and time.monotonic() < until_s:
            time.sleep(0.01)
    assert client.plan["batch_id"] == 1 and client.plan["beats_in_bar"] == 4 and client.plan["notes"]["bass"]
