"""A recording holds all that happened, survives a full disk, and plays again to the bit."""

import errno
import threading
import time

import numpy as np
import pytest

from accomp import audio
from accomp.errors import UserError
from accomp.server import protocol as osc
from accomp.server.record import MOST_WAITING, Recorder, read
from accomp.server.replay import Replay
from accomp.server.state import ServerState
from accomp.server.worker import InferenceWorker
from accomp.timeline import SAMPLE_RATE, Step

STEP = Step(0.0625, 1.0)


def music(seconds):
    return np.random.default_rng(1).uniform(-0.5, 0.5, int(seconds * SAMPLE_RATE)).astype(np.float32)


def recorded(kit, folder, **fake):
    """Two seconds of music over real sockets, with a swap of the model in the middle."""
    recorder = Recorder(folder, {"about": {"model": "fake"}})
    load = lambda name: lambda stems: kit.FakeStreamer(stems)  # noqa: E731
    with (
        kit.RunningServer(recorder=recorder, load=load, **fake) as running,
        running.client({"context": music(2)}) as client,
    ):
        client.connect(5)
        client.play(lambda client: client.send(osc.UseModel("other")) if client.output.batch_id == 2 else None)
        client.settle()
    return recorder.path, client


def repeated_session(kit, path):
    about, events = read(path)
    assert about == {"about": {"model": "fake"}}
    repeated = Replay(ServerState({"127.0.0.1"}, {}), InferenceWorker(kit.FakeStreamer), lambda name: kit.FakeStreamer)
    repeated.run(events)
    return repeated


def test_a_recording_plays_again_to_the_bit_and_can_be_listened_to(kit, tmp_path):
    path, client = recorded(kit, tmp_path)
    repeated = repeated_session(kit, path)
    assert len(repeated.answers) == client.output.batch_id > 3 and not repeated.differing
    assert repeated.state.about["model"] == "other" and not client.dropped
    tracks = repeated.tracks()
    heard = min(len(tracks["context"]), repeated.requests[-1].edge)
    assert np.array_equal(tracks["context"][:heard], music(2)[:heard])
    zone = np.arange(2 * STEP.samples, (len(repeated.answers) + 2) * STEP.samples)
    assert np.allclose(tracks["bass"][zone], kit.tune(zone), atol=1e-6)


def test_another_answer_than_then_is_noticed(kit, tmp_path, monkeypatch):
    path, _ = recorded(kit, tmp_path)
    step = kit.FakeStreamer.step

    def differently(self, edge, *args, **more):
        answer = step(self, edge, *args, **more)
        answer.audio[:, -1] += 1e-4 if edge == 3 * STEP.samples else 0
        return answer

    monkeypatch.setattr(kit.FakeStreamer, "step", differently)
    assert repeated_session(kit, path).differing == [3]


def test_a_recording_that_was_cut_off_is_whole_up_to_there(kit, tmp_path):
    path, _ = recorded(kit, tmp_path)
    data = path.read_bytes()
    cut = tmp_path / "cut.accomp"
    for length in (len(data) // 3, len(data) // 2, len(data) - 1):
        cut.write_bytes(data[:length])
        repeated = repeated_session(kit, cut)
        assert not repeated.differing
    for damage in (b"", b"[]\n", b"junk"):
        cut.write_bytes(damage)
        with pytest.raises(UserError):
            read(cut)


class FullDisk:
    """A file on a disk with room for so many bytes."""

    def __init__(self, file, room):
        self.file, self.room = file, room

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def write(self, data):
        fits = data[: max(0, self.room - self.file.tell())]
        if not fits:
            raise OSError(errno.ENOSPC, "No space left on device")
        return self.file.write(fits)

    def tell(self):
        return self.file.tell()

    def truncate(self, length):
        self.file.truncate(length)


def test_a_full_disk_ends_the_recording_and_nothing_else(kit, tmp_path, caplog, monkeypatch):
    from pathlib import Path

    real = Path.open
    monkeypatch.setattr(Path, "open", lambda self, *a, **k: FullDisk(real(self, *a, **k), 300_000))
    path, client = recorded(kit, tmp_path)
    monkeypatch.undo()
    assert not client.dropped and not client.output.late and len(client.steps) == client.output.batch_id
    assert caplog.text.count("recording: ended") == 1
    repeated = repeated_session(kit, path)
    assert not repeated.differing and 100_000 < path.stat().st_size <= 300_000


def test_a_disk_that_stands_still_holds_nobody_up(tmp_path, monkeypatch, caplog):
    recorder, gate = Recorder(tmp_path, {}), threading.Event()
    write = recorder._file.write
    file = recorder._file

    class Slow:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            file.close()

        def write(self, data):
            gate.wait(10)
            return write(data)

        tell, truncate = staticmethod(file.tell), staticmethod(file.truncate)

    recorder._file = Slow()
    began, data = time.monotonic(), bytes(50_000)
    for n in range(2000):
        recorder.put("on_datagram", (data, "127.0.0.1"), float(n))
    assert recorder._waiting <= MOST_WAITING and "cannot keep up" in caplog.text
    assert time.monotonic() - began < 5
    gate.set()
    recorder.close()


def test_where_nothing_can_be_written_is_said_before_anything_begins(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="--record"):
        Recorder(tmp_path / "file", {})
    audio.write(tmp_path / "a.wav", music(0.1))
    with pytest.raises(UserError, match="no recording"):
        read(tmp_path / "a.wav")
