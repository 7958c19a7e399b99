"""The Pure Data patch, headless and in real time, against the real server: what is heard is right to the sample."""

import socket
import threading
import time

import numpy as np
import pytest
import soundfile

from accomp.server import protocol as osc
from accomp.timeline import SAMPLE_RATE, Step

pytestmark = pytest.mark.flaky(reruns=3)  # in real time: a busy machine may be late

MICROPHONE = """#N canvas 0 0 400 300 12;
#X obj 10 10 r acc-heads;
#X obj 10 40 sel 1;
#X obj 10 100 tabplay~ source;
#X obj 10 130 throw~ acc-mic;
#X obj 200 10 array define source {frames};
#X obj 200 40 loadbang;
#X msg 200 70 read -resize {file} source;
#X obj 200 100 soundfiler;
#X connect 0 0 1 0;
#X connect 1 0 2 0;
#X connect 2 0 3 0;
#X connect 5 0 6 0;
#X connect 6 0 7 0;
"""


def check_song(tools, pd, seconds, ratio):
    context, step = tools.song(seconds), Step(ratio, 1.0)
    with tools.RunningServer() as running:
        heard = pd.play_file(context, running.port, running.clientport, f"acc-r {ratio}")
        assert np.array_equal(heard[: len(context), 0], context)  # the player hears himself
        assert tools.heard_right(heard[: len(context), 1], step).all()
        received = tools.context_of(running)
    assert np.array_equal(received, context[: len(received)]) and len(received) >= len(context) - 2 * step.samples
    assert pd.cpu < 0.2


def test_every_answer_is_heard_to_the_sample(tools, pd):
    check_song(tools, pd, 8, 0.25)


@pytest.mark.slow
@pytest.mark.parametrize("ratio", [0.25, 0.125])
def test_every_answer_of_a_minute_is_heard_to_the_sample(tools, pd, ratio):
    check_song(tools, pd, 60, ratio)


@pytest.mark.slow
def test_what_the_network_loses_is_silence_and_nothing_else(tools, pd):
    context, step = tools.song(9), Step(0.125, 1.0)
    with tools.RunningServer() as running, tools.lossy(running, 0.03) as (port, clientport, back):
        heard = pd.play_file(context, port, clientport, "acc-r 0.125")[: len(context), 1]
        lost = tools.spans_lost(back, step, len(heard))
    right = tools.heard_right(heard, step)
    joint = np.convolve(lost, np.ones(2 * 882 + 1), "same") > 0  # a crossfade with what was lost fades from silence
    assert lost.sum() > 3000 and right[~joint].all()
    assert not right[lost].all() and (np.abs(heard[lost & ~right]) <= 0.26).all()


@pytest.mark.slow
def test_settings_change_at_the_border_of_a_step(tools, pd):
    """Whatever is changed in the middle of a step, every answer still lies where it belongs."""
    context = tools.song(9)
    changes = ["acc-r 0.0625", "acc-package 997", "acc-fade 0.01", "acc-w 2", "acc-instruments 0 1 0 1"]
    with tools.RunningServer() as running:

        def change():
            pd.wait_for("accomp: playing")
            for wish in changes:
                time.sleep(1.3)
                pd.send(wish)

        changing = threading.Thread(target=change, daemon=True)
        changing.start()
        heard = pd.play_file(context, running.port, running.clientport, "acc-r 0.125")[: len(context), 1]
        assert not running.state.tally.counts.keys() & {"step", "package_size", "mixed batch", "straggler"}
    first, want = 2 * Step(0.125).samples, tools.tune(np.arange(len(context)))
    two = np.abs(heard - 2 * want - 1 / 64) < 1e-6  # drums and, a little higher, piano
    wrong = ~(tools.heard_right(heard, Step(0.125)) | two)[first:]
    silent = heard[first:] == 0
    assert two.sum() > 20_000 and silent.sum() <= 16_537 + 882  # where w grew, one step is asked for by nobody
    assert wrong.sum() <= silent.sum() + 4 * 882


@pytest.mark.slow
def test_a_server_that_is_absent_and_one_that_starts_anew_are_noticed(tools, pd):
    port, clientport = tools.free_port(), tools.free_port()
    pd.send(f"acc-server 127.0.0.1 {port} {clientport}")
    pd.wait_for("accomp: no word from the server")
    for ready in (1, 2):
        running = tools.RunningServer(port=port, clientport=clientport)
        with running:
            pd.wait_for("accomp: ready", ready)
            pd.send("acc-source 1", "acc-length 5", "acc-r 0.0625", *(["acc-play 1"] if ready == 1 else []))
            until_s = time.monotonic() + 10
            while not (running.streamers and len(running.streamers[-1].steps) > 3):
                assert time.monotonic() < until_s, pd.said
                time.sleep(0.05)
            assert running.state.settings.step.ratio == 0.0625  # it was told, the second one too
        pd.wait_for("accomp: no word from the server", 1 + ready)


def test_what_the_model_intends_is_shown_as_words(tools, pd):
    with tools.RunningServer() as running:
        pd.send(f"acc-server 127.0.0.1 {running.port} {running.clientport}")
        pd.wait_for("accomp: ready")
        pd.send("acc-source 1", "acc-length 5", "acc-r 0.0625", "acc-play 1")
        pd.wait_for("plan: set 120 bpm | 4 beats a bar | heard Am7 | ")


@pytest.mark.slow
def test_a_loop_is_recorded_once_and_goes_round_without_a_seam(tools, pd, tmp_path):
    """The context of later rounds is the first one again, and answers lie across the end of the arrays."""
    frames = 64 * int(5 * SAMPLE_RATE / 64)
    context, step = tools.song(5), Step(0.125, 1.0)
    soundfile.write(tmp_path / "song.wav", context, SAMPLE_RATE, subtype="FLOAT")
    (tmp_path / "mic.pd").write_text(MICROPHONE.format(frames=len(context), file=tmp_path / "song.wav"))
    pd.send(f"pd open mic.pd {tmp_path}")
    with tools.RunningServer() as running:
        pd.send(f"acc-server 127.0.0.1 {running.port} {running.clientport}", "acc-source 1", "acc-length 5", "acc-r 0.125",
                f"acc-record {tmp_path / 'take.wav'}")  # fmt: skip
        pd.wait_for("accomp: ready")
        pd.send("acc-play 1")
        time.sleep(9)
        pd.send("acc-play 0")
        pd.wait_for("accomp: stopped")
        received = tools.context_of(running)
    time.sleep(0.3)
    heard = soundfile.read(tmp_path / "take.wav", dtype="float32")[0]
    lag = int(np.argmax(received == context[0]))
    assert lag in (0, 64)  # the order in which Pd works through two patches
    once = np.concatenate([np.zeros(lag, np.float32), context])[:frames]
    assert len(received) > 1.5 * frames and np.array_equal(received, np.resize(once, len(received)))
    assert tools.heard_right(heard[:, 1], step).all()
    assert np.array_equal(heard[frames + 100 : frames + 90_000, 0], once[100:90_000])


def test_the_beat_at_the_end_of_every_step_is_told(tools, pd):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as rx:
        rx.bind(("127.0.0.1", 0))
        rx.settimeout(5)
        pd.send(f"acc-server 127.0.0.1 {rx.getsockname()[1]} {tools.free_port()}", "acc-source 1", "acc-r 0.0625",
                "acc-tempo 90", "acc-meter 3", "acc-play 1")  # fmt: skip
        clocks = []
        while len(clocks) < 6:
            message = osc.parse_request(rx.recv(65_536))
            clocks += [message] if isinstance(message, osc.Clock) else []
        for n, clock in enumerate(clocks, 1):
            assert (clock.batch_id, clock.bpm, clock.beats_in_bar) == (n, 90, 3)
            assert abs(clock.beat - n * 16_537 / SAMPLE_RATE * 1.5 % 3) < 1e-3
        pd.send("acc-beat-now 2")
        told = time.monotonic()
        while not isinstance(message := osc.parse_request(rx.recv(65_536)), osc.Clock):
            pass
        assert abs((message.beat - 2 - 1.5 * (time.monotonic() - told) + 1.5) % 3 - 1.5) < 0.15


def test_the_player_leads_and_a_server_that_begins_anew_is_told_what_holds(tools, pd):
    wanted = [osc.Rest(2), osc.Balance(0), osc.Tap(), osc.Start(0, 4, 4), osc.StopPlaying(), osc.Fill(), osc.Break(4),
              osc.Break(3), osc.HoldChord("Am7"), osc.Rest(8), osc.Balance(-6), osc.Start(96, 4, 3)]  # fmt: skip
    with tools.RunningServer() as running:
        heard, control = [], running.state._on_control
        running.state._on_control = lambda message, t: heard.append(message) or control(message, t)
        pd.send(f"acc-server 127.0.0.1 {running.port} {running.clientport}")
        pd.wait_for("accomp: ready")
        pd.send("acc-tap bang", "acc-when-i-start bang", "acc-stop bang", "acc-fill bang", "acc-break bang", "acc-break 3",
                "acc-chord Am7", "acc-rest 8", "acc-balance -6", "acc-meter 3", "acc-start 96")  # fmt: skip
        until_s = time.monotonic() + 10
        while missing := [message for message in wanted if message not in heard]:
            assert time.monotonic() < until_s, missing
            time.sleep(0.05)
    pd.wait_for("accomp: no word from the server")
    with tools.RunningServer(port=running.port, clientport=running.clientport) as anew:
        pd.wait_for("accomp: ready", 2)
        until_s = time.monotonic() + 10
        while (anew.state.settings.rest_after, anew.state.settings.balance_db) != (8, -6):
            assert time.monotonic() < until_s
            time.sleep(0.05)
    assert "error" not in pd.said, pd.said


def test_panic_and_impossible_wishes(tools, pd, tmp_path):
    with tools.RunningServer() as running:
        pd.send(f"acc-server 127.0.0.1 {running.port} {running.clientport}")
        pd.wait_for("accomp: ready")
        pd.send("acc-source 2", "acc-play 1")
        pd.wait_for("accomp: too short: open a file")
        pd.send("acc-package 20000")
        pd.wait_for("above 1837 samples do not leave a Mac")
        pd.send("acc-source 0", "acc-r 0.0625", "acc-play 1")
        time.sleep(1.5)
        assert running.state.settings.package == 13_095  # the largest that fits into a datagram
        pd.send("acc-panic bang")
        pd.wait_for("accomp: stopped", 2)
        time.sleep(0.3)
        assert running.state.tally.counts["panic"] == 1
    assert "error" not in pd.said, pd.said
