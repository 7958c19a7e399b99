"""The smallest client: what it hears is what the server says, to the sample."""

import subprocess
import sys

import numpy as np
import pytest
import soundfile

from accomp.timeline import SAMPLE_RATE, Step

pytestmark = pytest.mark.flaky(reruns=3)  # in real time: a busy machine may be late


def test_the_smallest_client_plays_and_hears_to_the_sample(tools, clients, tmp_path):
    step, song = Step(0.125, 1.0), tools.song(3.1)
    soundfile.write(tmp_path / "song.wav", song, SAMPLE_RATE, subtype="FLOAT")
    with tools.RunningServer() as running:
        ports = ["--serverport", running.port, "--clientport", running.clientport]
        command = [sys.executable, clients / "python" / "minimal.py", "song.wav", "bass.wav", *ports]
        done = subprocess.run([*map(str, command)], cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        received = tools.context_of(running)
    assert np.array_equal(received, song[: 4 * step.samples])
    heard = soundfile.read(tmp_path / "bass.wav", dtype="float32")[0]
    answered = np.arange(2 * step.samples, len(song))
    assert np.array_equal(heard[answered], tools.tune(answered)) and not heard[: 2 * step.samples].any()


def test_what_it_cannot_read_is_said(tools, clients, tmp_path):
    soundfile.write(tmp_path / "stereo.wav", np.zeros((99, 2)), SAMPLE_RATE)
    command = [sys.executable, str(clients / "python" / "minimal.py"), str(tmp_path / "stereo.wav"), "x.wav"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and done.stderr.startswith("error: ") and "mono" in done.stderr
