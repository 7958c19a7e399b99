"""The player for recordings: what it writes, and what it says when it cannot."""

import subprocess
import sys
from pathlib import Path

import numpy as np

from accomp import audio

PLAY = Path(__file__).resolve().parents[2] / "clients" / "python" / "play.py"


def run(*arguments, cwd):
    command = [sys.executable, str(PLAY), *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60)


def test_a_recording_is_played_and_what_is_heard_is_written(kit, tmp_path):
    audio.write(tmp_path / "song.wav", np.zeros(75_000, np.float32))
    with kit.Stage() as stage:
        done = run("song.wav", "--stem", "bass", "piano", "--r", "0.0625", "--serverport", stage.port,
                   "--clientport", stage.clientport, cwd=tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stderr
    heard = {name: audio.read(tmp_path / "out" / "play" / f"{name}.wav") for name in ("bass", "piano", "mix")}
    first, stop = 2 * 16_537, 4 * 16_537
    assert np.allclose(heard["bass"][first:stop], kit.tune(np.arange(first, stop)), atol=1e-4)
    assert np.allclose(heard["mix"], heard["bass"] + heard["piano"], atol=1e-4)
    assert "3 of 3 steps answered, 0 late" in done.stdout


def test_what_cannot_work_is_said_in_one_line(tmp_path):
    audio.write(tmp_path / "short.wav", np.zeros(4410, np.float32))
    for arguments, word in [(["none.wav"], "no such audio file"), (["short.wav"], "three steps"),
                            (["short.wav", "--package_size", "99999"], "package_size")]:  # fmt: skip
        done = run(*arguments, cwd=tmp_path)
        assert done.returncode == 2 and done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
        assert word in done.stderr and not (tmp_path / "out").exists()
