"""The patch for Max without an external: its JavaScript, in real time, against the real server."""

import re
import socket
import time

import numpy as np
import pytest

from accomp.server import protocol as osc
from accomp.server.endpoint import bind
from accomp.timeline import SAMPLE_RATE, Step

pytestmark = pytest.mark.flaky(reruns=3)  # in real time: a busy machine may be late


def check_song(tools, node, seconds, ratio, strict=False):
    context, step = tools.song(seconds), Step(ratio, 1.0)
    with tools.RunningServer() as running:
        heard, said = node(
            context, running.port, running.clientport, [["r", ratio], ["instruments", 0, 1, 0, 1]], strict=strict
        )
        received = tools.context_of(running)
    drums, piano = heard[1], heard[3]
    assert tools.heard_right(drums, step).all() and not heard[0].any() and not heard[2].any()
    first = 2 * step.samples
    assert np.abs(piano[first:] - drums[first:] - 1 / 64).max() < 1e-6  # the stand-in's second voice
    assert np.array_equal(received, context[: len(received)]) and len(received) >= len(context) - 2 * step.samples
    assert not (strict and "late" in said) and float(re.search(r"^cpu (.*)$", said, re.M)[1]) < 0.2


def test_every_answer_is_heard_to_the_sample(tools, node):
    check_song(tools, node, 8, 0.25)


@pytest.mark.slow
@pytest.mark.parametrize("ratio", [0.25, 0.125])
def test_every_answer_of_a_minute_is_heard_to_the_sample(tools, node, ratio):
    check_song(tools, node, 60, ratio, strict=True)


@pytest.mark.slow
def test_what_the_network_loses_is_silence_and_nothing_else(tools, node):
    context, step = tools.song(9), Step(0.125, 1.0)
    with tools.RunningServer() as running, tools.lossy(running, 0.03) as (port, clientport, back):
        heard = node(context, port, clientport, [["r", 0.125]])[0][0]
        lost = tools.spans_lost(back, step, len(heard))
    right = tools.heard_right(heard, step)
    joint = np.convolve(lost, np.ones(2 * 882 + 1), "same") > 0  # a crossfade with what was lost fades from silence
    assert lost.sum() > 3000 and right[~joint].all()
    assert not right[lost].all() and (np.abs(heard[lost & ~right]) <= 0.26).all()


@pytest.mark.slow
def test_settings_change_at_the_border_of_a_step(tools, node):
    """Whatever is changed in the middle of a step, every answer still lies where it belongs."""
    context = tools.song(8)
    during = [[60_000, ["r", 0.0625]], [100_000, ["samples", 997]], [150_000, ["fade", 0.01]], [200_000, ["w", 2]],
              [250_000, ["instruments", 0, 0, 0, 1]]]  # fmt: skip
    with tools.RunningServer() as running:
        heard, _ = node(context, running.port, running.clientport, [["r", 0.125], ["instruments", 1, 0, 0, 1]], during)
        assert not running.state.tally.counts.keys() & {"step", "package_size", "mixed batch", "straggler"}
    piano, want = heard[3], tools.tune(np.arange(len(context)))
    piano = np.where(np.abs(piano - want) > 1 / 128, piano - 1 / 64, piano)  # first it is the second voice
    silent = (heard[3] == 0) & (np.arange(len(want)) > 70_000)
    assert silent.sum() <= 16_537 + 882  # where w grew, one step is asked for by nobody
    joints = np.abs(piano - want) > 1e-6
    assert joints[70_000:].sum() <= silent.sum() + 4 * 882, joints[70_000:].sum()


@pytest.mark.slow
def test_a_server_that_comes_late_goes_and_comes_back(tools, node):
    port, clientport = tools.free_port(), tools.free_port()

    def meanwhile():
        time.sleep(4.5)
        for rest_s in (5, 0):
            with tools.RunningServer(port=port, clientport=clientport) as running:
                until_s = time.monotonic() + 8
                while not (running.streamers and len(running.streamers[-1].steps) > 2):
                    assert time.monotonic() < until_s
                    time.sleep(0.05)
                assert running.state.settings.stems == ("bass",) and running.state.settings.step.ratio == 0.0625
            time.sleep(rest_s)

    _, said = node(tools.song(16), port, clientport, [["r", 0.0625]], meanwhile=meanwhile)
    states = [line for line in said.splitlines() if line.startswith("state")]
    assert sum("no word from the server" in s for s in states) >= 2 == states.count("state ready"), said
    assert any("no answer to the last 3 steps" in s for s in states)


def test_what_the_model_intends_is_shown(tools, node):
    with tools.RunningServer() as running:
        _, said = node(tools.song(3), running.port, running.clientport, [["r", 0.0625]])
    assert re.search(r"^plan 120 bpm \| 4 beats a bar \| heard Am7 \| ", said, re.M), said[-500:]


def messages_of(tools, node, before, during):
    """Every message that is sent, and where the head was when the first of `during` came."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as rx:
        rx.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        rx.bind(("127.0.0.1", 0))
        _, said = node(tools.song(3), rx.getsockname()[1], tools.free_port(), [["r", 0.0625], *before], during)
        rx.setblocking(False)
        messages = []
        while True:
            try:
                messages.append(osc.parse_request(rx.recv(65_536)))
            except BlockingIOError:
                return messages, int((re.findall(r"^at (\d+)", said, re.M) or [0])[0])


def clocks_of(*given):
    """The clocks among `messages_of`."""
    messages, head = messages_of(*given)
    return [message for message in messages if isinstance(message, osc.Clock)], head


def test_the_player_leads(tools, node):
    words = [["tap"], ["start", 0], ["stop"], ["fill"], ["pause", 3], ["chord", "Am7"], ["lead", "|", "Am7", "|", "D7", "|"],
             ["rest", 8], ["balance", -6], ["density", 0.5]]  # fmt: skip
    wanted = [osc.Tap(), osc.Start(0, 4, 4), osc.StopPlaying(), osc.Fill(), osc.Break(3), osc.HoldChord("Am7", 0),
              osc.Lead("| Am7 | D7 |"), osc.Rest(8), osc.Balance(-6), osc.Density(0.5)]  # fmt: skip
    messages, _ = messages_of(tools, node, [], [[20_000, word] for word in words])
    assert [message for message in messages if message in wanted] == wanted


def test_a_count_in_is_the_beat_from_then_on(tools, node):
    messages, head = messages_of(tools, node, [["meter", 3]], [[40_000, ["start", 90]]])
    assert osc.Start(90, 4, 3) in messages
    for clock in (message for message in messages if isinstance(message, osc.Clock)):
        beat = (-4 + (clock.batch_id * 16_537 - head) / SAMPLE_RATE * 1.5) % 3
        assert clock.bpm == 90 and abs((clock.beat - beat + 1.5) % 3 - 1.5) < 0.1


def test_what_is_refused_is_said_and_what_holds_is_told_again(tools, node):
    with tools.RunningServer() as running:
        _, said = node(tools.song(3), running.port, running.clientport, [["r", 0.0625], ["balance", -6]],
                       [[30_000, ["chord", "Xyz"]]])  # fmt: skip
        assert running.state.settings.balance_db == -6, "it was set before the server was ready"
    assert re.search("^state .*no chord is called 'Xyz'", said, re.M), said[-500:]


def test_the_beat_at_the_end_of_every_step_is_told(tools, node):
    clocks, _ = clocks_of(tools, node, [["meter", 3], ["tempo", 90]], [])
    assert [c.batch_id for c in clocks] == list(range(1, len(clocks) + 1)) and len(clocks) > 5
    for n, clock in enumerate(clocks, 1):
        assert (clock.bpm, clock.beats_in_bar) == (90, 3)
        assert abs(clock.beat - n * 16_537 / SAMPLE_RATE * 1.5 % 3) < 1e-9


def test_the_transport_of_max_is_followed(tools, node):
    """It says bar 5, beat 3 and a half of four, at 150 bpm, when the head is at 40,000 or a moment later."""
    clocks, head = clocks_of(tools, node, [], [[40_000, ["transport", 5, 3, 240, 480, 150, 4, 1]]])
    for clock in clocks:
        assert (clock.bpm, clock.beats_in_bar) == (150, 4)
        beat = (2.5 + (clock.batch_id * 16_537 - head) / SAMPLE_RATE * 2.5) % 4
        assert abs((clock.beat - beat + 2) % 4 - 2) < 0.1  # the head moves every 10 ms


def test_a_datagram_too_large_for_the_system_is_said_and_a_smaller_one_plays(tools, node):
    with tools.RunningServer() as running:
        settings = [["r", 0.0625], ["samples", 4410]]
        heard, said = node(
            tools.song(5), running.port, running.clientport, settings, [[90_000, ["samples", 1837]]], largest=9216
        )
    assert "does not send datagrams of 22" in said and "choose fewer samples, 1837 or less" in said
    assert "above 1837 samples nothing leaves a Mac" in said  # when it was chosen
    assert not heard[0][:90_000].any() and np.count_nonzero(heard[0][160_000:]) > 60_000


def test_a_port_in_use_is_said(tools, node):
    port = tools.free_port()
    with bind("0.0.0.0", port):
        _, said = node(tools.song(2), tools.free_port(), port, [["r", 0.0625], ["samples", 99_999]])
    assert f"port {port} is taken by another program" in said and "at most 13095 samples" in said
