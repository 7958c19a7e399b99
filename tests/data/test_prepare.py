"""Every sample is looked at before training, and another sample rate is converted only on demand, into a copy."""

import shutil

import numpy as np
import pytest
import soundfile
from clicks import click_track

from accomp.data import prepare
from accomp.data.check import check_track
from accomp.data.midi import write_song
from accomp.data.problems import QUARANTINE
from accomp.data.slakh import find_tracks

BABY_HZ = 16_000
TONE_HZ = 1000


def baby_track(folder, rate=BABY_HZ, seconds=1.0):
    """A track as in babyslakh_16k: WAV, and flags that deny the sound that is there."""
    (folder / "stems").mkdir(parents=True)
    write_song(folder / "all_src.mid", click_track(4, 120))
    entry = "{audio_rendered: false, inst_class: %s, is_drum: false}"
    names = {"S00": "Bass", "S01": "Piano"}
    (folder / "metadata.yaml").write_text("stems:\n" + "".join(f"  {k}: {entry % v}\n" for k, v in names.items()))
    tone = 0.5 * np.sin(2 * np.pi * TONE_HZ * np.arange(round(rate * seconds)) / rate)
    for name in ("mix", "stems/S00", "stems/S01"):
        soundfile.write(folder / f"{name}.wav", tone, rate, subtype="PCM_16")
    return folder


@pytest.fixture
def baby(tmp_path):
    for number in range(1, 6):
        baby_track(tmp_path / "baby" / f"Track{number:05d}")
    return tmp_path / "baby"


def damage(folder):
    path = folder / "stems" / "S00.wav"
    path.write_bytes(path.read_bytes()[:2000])


def run(*arguments):
    return prepare.main([str(argument) for argument in arguments])


def test_a_damaged_set_is_refused_with_a_table_or_put_in_quarantine(baby, caplog):
    shutil.copytree(baby, baby.parent / "good")
    damage(baby / "Track00002")
    assert run(baby, "--resample", baby.parent / "new") == 2
    assert "Track00002/stems/S00.wav" in caplog.messages[0] and "file" in caplog.messages[0]
    assert not (baby.parent / "new").exists() and not (baby / QUARANTINE).exists()
    assert run(baby, "--resample", baby.parent / "new", "--on-bad", "skip") == 0
    assert "Track00002" in (baby / QUARANTINE).read_text()
    assert not list((baby.parent / "new").glob("*/Track00002"))
    shutil.copytree(baby.parent / "good", baby, dirs_exist_ok=True)  # repaired: looked at again, the list is gone
    assert run(baby, "--resample", baby.parent / "new") == 0
    assert list((baby.parent / "new").glob("*/Track00002")) and not (baby / QUARANTINE).exists()


def test_damage_that_only_the_samples_show_is_found(tmp_path, caplog):
    folder = baby_track(tmp_path / "train" / "Track00001", rate=44_100)
    baby_track(tmp_path / "train" / "Track00002", rate=44_100)
    assert run(tmp_path) == 0
    audio, rate = soundfile.read(folder / "stems" / "S01.wav")
    audio[1000] = np.nan
    soundfile.write(folder / "stems" / "S01.wav", audio, rate, subtype="FLOAT")
    assert len(find_tracks(tmp_path)) == 2
    assert run(tmp_path) == 2 and "not finite" in caplog.text
    assert run(tmp_path, "--on-bad", "skip") == 0
    assert [track.name for track in find_tracks(tmp_path, on_bad="skip")] == ["Track00002"]


def test_the_copy_is_the_same_music_at_the_new_rate(baby, tmp_path):
    assert run(baby, "--resample", tmp_path / "new") == 0
    tracks = {split: find_tracks(tmp_path / "new", split) for split in ("train", "validation", "test")}
    assert [len(found) for found in tracks.values()] == [3, 1, 1]
    for track in (track for found in tracks.values() for track in found):
        assert check_track(track.path) == []
        assert track.samples == 44_100
        bass = track.read("bass")
        tone = 0.5 * np.sin(2 * np.pi * TONE_HZ * np.arange(44_100) / 44_100)
        np.testing.assert_allclose(bass[2000:-2000], tone[2000:-2000], atol=2e-3)  # same pitch, level and place
        assert (track.path / "all_src.mid").read_bytes() == (baby / track.name / "all_src.mid").read_bytes()


def test_hidden_files_and_upper_case_suffixes_are_converted_rightly(baby, tmp_path):
    for path in list(baby.rglob("*.wav")):
        path.with_name(f"._{path.name}").write_bytes(b"\0\5\x16\7")
        path.rename(path.with_suffix(".WAV"))
    assert run(baby, "--resample", tmp_path / "new") == 0
    copied = {path.name for path in (tmp_path / "new" / "train" / "Track00001").rglob("*.*")}
    assert copied == {"all_src.mid", "metadata.yaml", "mix.flac", "S00.flac", "S01.flac"}


def test_finished_copies_are_kept_and_two_sources_never_mixed(baby, tmp_path, caplog):
    new = tmp_path / "new"
    assert run(baby, "--resample", new) == 0
    kept = new / "train" / "Track00001" / "mix.flac"
    time_ns = kept.stat().st_mtime_ns
    shutil.rmtree(new / "train" / "Track00002")
    assert run(baby, "--resample", new) == 0
    assert kept.stat().st_mtime_ns == time_ns and (new / "train" / "Track00002" / "mix.flac").is_file()
    shutil.copytree(baby, tmp_path / "other")
    assert run(tmp_path / "other", "--resample", new) == 2 and "holds something else" in caplog.text
    assert run(new, "--resample", tmp_path / "again") == 2 and "44100 Hz already" in caplog.text
    assert run(tmp_path / "nowhere") == 2


def test_a_full_disk_leaves_no_half_written_track(baby, tmp_path, monkeypatch, caplog):
    def full(path, *_, **__):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(soundfile, "write", full)
    assert run(baby, "--resample", tmp_path / "new", "--jobs", "1") == 2
    assert "the disk is full" in caplog.text
    assert not [path for path in (tmp_path / "new").rglob("*") if "Track" in path.name]


def test_splits_that_exist_are_kept(tmp_path):
    for split, number in (("train", 1), ("train", 2), ("train", 3), ("test", 4)):
        (tmp_path / split / f"Track0000{number}").mkdir(parents=True)
    assert {split: len(paths) for split, paths in prepare.split_tracks(tmp_path).items()} == {
        "train": 3, "validation": 0, "test": 1, "omitted": 0,
    }  # fmt: skip
    for number in range(1, 21):
        (tmp_path / "flat" / f"Track{number:05d}").mkdir(parents=True)
    splits = prepare.split_tracks(tmp_path / "flat")
    assert [len(splits[split]) for split in ("train", "validation", "test")] == [14, 3, 3]
    assert splits["test"][-1].name == "Track00020"
