"""The player in Python at a sound card: a stand-in for the card turns the blocks in real time."""

import signal
import threading
import time

import numpy as np
import play
import pytest

from accomp import audio
from accomp.errors import UserError
from accomp.server import protocol as osc
from accomp.timeline import SAMPLE_RATE, Step

pytestmark = pytest.mark.flaky(reruns=3)  # in real time: a busy machine may be late

BLOCK = 441
STEP = Step(0.125, 1.0)


class Card(threading.Thread):
    """Ten milliseconds in, ten milliseconds out, by the clock; `latency` samples are heard ahead."""

    def __init__(self, mic, latency=0):
        super().__init__(daemon=True)
        self.mic, self.latency, self.out, self.open = mic, latency, [], True

    def __call__(self, buffer, output, latency_ms):
        self.buffer, self.output, buffer.latency = buffer, output, self.latency
        return self

    def run(self):
        began_s = time.monotonic()
        while self.open and self.buffer.position < len(self.buffer.context):
            start = self.buffer.position
            time.sleep(max(0.0, began_s + (start + BLOCK) / SAMPLE_RATE - time.monotonic()))
            self.out.append(self.buffer.process(self.mic[start : start + BLOCK], self.output))

    def __enter__(self):
        self.start()

    def __exit__(self, *_):
        self.open = False
        self.join()


@pytest.fixture(autouse=True)
def own_interrupts():
    """Give the test run its own handlers back, which the player replaces in its process."""
    before = {number: signal.getsignal(number) for number in play.INTERRUPTS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def live(tools, tmp_path, card, *more):
    with tools.RunningServer() as running:
        words = [
            "--r",
            "0.125",
            "--serverport",
            running.port,
            "--clientport",
            running.clientport,
            "--out",
            tmp_path,
            *more,
        ]
        play.play(play.arguments([str(word) for word in words]), card)
        return tools.context_of(running)


def test_what_is_played_live_is_heard_by_the_server_and_answered_to_the_sample(tools, tmp_path):
    latency, mic = 3000, tools.song(4)
    card = Card(mic, latency)
    received = live(tools, tmp_path, card, "--seconds", 4)
    assert np.array_equal(received, mic[: len(received)]) and len(received) > 2.5 * SAMPLE_RATE
    out = np.concatenate(card.out)
    heard = np.concatenate([np.zeros(latency, np.float32), out])  # the model is played so much earlier
    assert tools.heard_right(heard, STEP)[: len(mic) - STEP.samples].all()
    assert [len(audio.read(tmp_path / "take-001" / f"{name}.wav")) for name in ("bass", "mix")] == [len(mic)] * 2


def test_a_loop_is_what_was_played_first(tools, tmp_path):
    mic, loop = tools.song(5), 2 * SAMPLE_RATE
    card = Card(mic)
    received = live(tools, tmp_path, card, "--seconds", 5, "--loop", 2)
    assert np.array_equal(received, np.resize(mic[:loop], len(received))) and len(received) > 1.5 * loop
    out, bass = np.concatenate(card.out), tools.tune(np.arange(5 * SAMPLE_RATE))
    again = slice(loop, 2 * loop)  # and it comes out again, with the model's part
    assert np.allclose(out[again], mic[:loop] + bass[again], atol=1e-6)


def test_a_recording_can_go_round(tools, tmp_path):
    audio.write(tmp_path / "song.wav", tools.song(1.5))
    song = audio.read(tmp_path / "song.wav")
    args = play.arguments([str(tmp_path / "song.wav"), "--loop", "1", "--seconds", "2.5"])
    context, loop = play.music(args, STEP)
    assert loop == SAMPLE_RATE and np.array_equal(context, np.resize(song[:SAMPLE_RATE], 110_250))


def test_the_beat_is_told_with_every_step(tools, tmp_path):
    heard = []

    class Recorder:
        def __init__(self, state):
            self.hear, state.on_datagram = state.on_datagram, self

        def __call__(self, data, address, t):
            heard.append(osc.parse_request(data))
            return self.hear(data, address, t)

    with tools.RunningServer() as running:
        Recorder(running.state)
        words = ["--r", "0.125", "--serverport", running.port, "--clientport", running.clientport, "--out", tmp_path,
                 "--seconds", "3", "--bpm", "90", "--beats", "3"]  # fmt: skip
        play.play(play.arguments([str(word) for word in words]), Card(tools.song(3)))
    clocks = [message for message in heard if isinstance(message, osc.Clock)]
    assert [c.batch_id for c in clocks] == list(range(1, len(clocks) + 1)) and len(clocks) > 1
    for n, clock in enumerate(clocks, 1):
        assert abs(clock.beat - n * STEP.samples / SAMPLE_RATE * 1.5 % 3) < 1e-9 and clock.beats_in_bar == 3


def test_a_server_that_is_not_there_is_said_and_nothing_is_written(tools, tmp_path, monkeypatch):
    audio.write(tmp_path / "song.wav", tools.song(5))
    monkeypatch.setattr(play, "READY_S", 0.3)
    ports = ["--serverport", tools.free_port(), "--clientport", tools.free_port()]
    words = [tmp_path / "song.wav", *ports, "--out", tmp_path / "out"]
    with pytest.raises(UserError, match="start serve"):
        play.play(play.arguments([str(word) for word in words]))
    assert not (tmp_path / "out").exists()


def test_without_a_sound_card_one_is_told_what_to_install(tmp_path):
    try:
        import sounddevice  # noqa: F401
    except (ImportError, OSError):
        with pytest.raises(UserError, match="pip install sounddevice"):
            play.play(play.arguments(["--out", str(tmp_path)]))
    else:
        pytest.skip("sounddevice is installed here")
