"""The player for recordings: what it writes, what Ctrl-C leaves, and what it says when it cannot play."""

import shutil
import signal
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path

import numpy as np
import play
import pytest
import soundfile

from accomp import audio
from accomp.timeline import SAMPLE_RATE, Step

PLAY = Path(__file__).resolve().parents[2] / "clients" / "python" / "play.py"
STEP = Step(0.0625).samples


def start(*arguments, cwd):
    command = [sys.executable, str(PLAY), "--r", "0.0625", *map(str, arguments)]
    return subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def run(*arguments, cwd):
    process = start(*arguments, cwd=cwd)
    said, complained = process.communicate(timeout=60)
    return process.returncode, said, complained


def ports(running):
    return "--serverport", running.port, "--clientport", running.clientport


def heard(folder, *names):
    return [audio.read(folder / f"{name}.wav") for name in names]


def test_takes_are_numbered_and_hold_what_was_heard(kit, tmp_path):
    audio.write(tmp_path / "song.wav", np.zeros(75_000, np.float32))
    for number in (1, 2):
        with kit.RunningServer() as running:
            code, said, complained = run("song.wav", "--stem", "bass", "piano", *ports(running), cwd=tmp_path)
        assert code == 0, complained
        bass, piano, mix = heard(tmp_path / "out" / "play" / f"take-00{number}", "bass", "piano", "mix")
        zone = np.arange(2 * STEP, 4 * STEP)
        assert np.allclose(bass[zone], kit.tune(zone), atol=1e-4) and np.allclose(mix, bass + piano, atol=1e-4)
        assert "3 of 3 steps answered, 0 late" in said
    assert len([*(tmp_path / "out" / "play").iterdir()]) == 2


@pytest.mark.parametrize("interrupts, number", [(1, signal.SIGINT), (5, signal.SIGINT), (1, signal.SIGTERM)])
def test_an_interrupt_ends_the_take_and_keeps_it_however_often_it_comes(kit, tmp_path, interrupts, number):
    audio.write(tmp_path / "song.wav", np.zeros(60 * SAMPLE_RATE, np.float32))
    with kit.RunningServer() as running:
        process = start("song.wav", *ports(running), cwd=tmp_path)
        until_s = time.monotonic() + 30
        while running.state.tally.steps < 3 and time.monotonic() < until_s:
            time.sleep(0.01)
        for _ in range(interrupts):
            process.send_signal(number)
            time.sleep(0.02)
        said, complained = process.communicate(timeout=20)
    assert process.returncode == 0 and "Traceback" not in complained and "kept" in said
    (mix,) = heard(tmp_path / "out" / "play" / "take-001", "mix")
    assert 3 * STEP <= len(mix) < 30 * SAMPLE_RATE


@pytest.mark.parametrize("rate, channels, suffix", [(48_000, 2, "wav"), (22_050, 1, "flac"), (44_100, 3, "wav")])
def test_a_recording_of_any_rate_and_channels_is_played_and_it_is_said_how(tmp_path, caplog, rate, channels, suffix):
    caplog.set_level("INFO")
    tone = lambda rate: 0.4 * np.sin(2 * np.pi * 440 * np.arange(3 * rate) / rate)  # noqa: E731
    soundfile.write(tmp_path / f"song.{suffix}", np.tile(tone(rate)[:, None], channels), rate)
    context, _ = play.music(play.arguments([str(tmp_path / f"song.{suffix}")]), Step(0.0625))
    inside = slice(1000, -1000)
    assert np.allclose(context[inside], tone(SAMPLE_RATE)[inside], atol=1e-3) and len(context) == 3 * SAMPLE_RATE
    assert (f"resampled from {rate} Hz" in caplog.text) == (rate != SAMPLE_RATE)
    assert (f"the mean of {channels} channels" in caplog.text) == (channels > 1)


def test_what_is_louder_than_full_scale_is_turned_down(tmp_path):
    soundfile.write(tmp_path / "loud.wav", np.array([0.0, 20.0, -5.0]), SAMPLE_RATE, subtype="FLOAT")
    samples, changes = audio.read_any(tmp_path / "loud.wav")
    assert samples.tolist() == [0.0, 1.0, -0.25] and "20.00" in changes


def make_files(folder):
    audio.write(folder / "song.wav", np.zeros(5 * SAMPLE_RATE, np.float32))
    audio.write(folder / "short.wav", np.zeros(4410, np.float32))
    soundfile.write(folder / "nan.wav", np.full(75_000, np.nan, np.float32), SAMPLE_RATE, subtype="FLOAT")
    soundfile.write(folder / "odd.wav", np.zeros(75_000, np.float32), 44_057)
    (folder / "song.raw").write_bytes(bytes(99_999))
    (folder / "empty.wav").touch()
    (folder / "folder.wav").mkdir()
    (folder / "file").touch()


MISTAKES = {
    "no file": (["none.wav"], "no such audio file"),
    "a folder": (["folder.wav"], "no such audio file"),
    "too short": (["short.wav"], "three steps"),
    "no header": (["song.raw"], "cannot be read as audio"),
    "empty": (["empty.wav"], "cannot be read as audio"),
    "not finite": (["nan.wav"], "NaN"),
    "unusual rate": (["odd.wav"], "unusual rate"),
    "package": (["song.wav", "--package_size", "99999"], "package_size"),
    "r": (["song.wav", "--r", "7"], "step ratio r"),
    "server port": (["song.wav", "--serverport", "99999"], "--serverport"),
    "client port": (["song.wav", "--clientport", "0"], "--clientport"),
    "host": (["song.wav", "--server_ip", "no such host"], "--server_ip"),
    "beats": (["song.wav", "--bpm", "120", "--beats", "0"], "--beats"),
    "bpm": (["song.wav", "--bpm", "nan"], "--bpm"),
    "loop": (["song.wav", "--loop", "-3"], "--loop"),
    "seconds": (["song.wav", "--seconds", "0"], "--seconds"),
    "latency": (["--latency_ms", "-1"], "--latency_ms"),
    "out is a file": (["song.wav", "--out", "file"], "--out"),
    "out below a file": (["song.wav", "--out", "file/takes"], "--out"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_what_cannot_work_is_said_in_one_line_before_anything_is_played(tmp_path, monkeypatch, capsys, case):
    make_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    arguments, word = MISTAKES[case]
    assert play.main(arguments) == 2
    complained = capsys.readouterr().err
    assert complained.startswith("error: ") and complained.count("\n") == 1 and word in complained
    assert not (tmp_path / "out").exists()


def test_a_disk_with_too_little_room_is_found_before_the_take(tmp_path, monkeypatch, capsys):
    audio.write(tmp_path / "song.wav", np.zeros(75_000, np.float32))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: namedtuple("Usage", "free")(2 * 75_000 * 2))
    assert play.main([str(tmp_path / "song.wav"), "--r", "0.0625", "--out", str(tmp_path / "out")]) == 2
    complained = capsys.readouterr().err
    assert "are needed" in complained and complained.count("\n") == 1 and not (tmp_path / "out").exists()
