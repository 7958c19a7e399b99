"""The same line of train.py runs on every data set, in that set's own layout and by its own way of getting ready."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from accomp.data.band.__main__ import main as band
from accomp.data.download import main as download
from accomp.data.prepare import main as prepare

ROOT = Path(__file__).parents[2]
FIXTURE = ROOT.parent / "shared" / "slakh" / "fixture"
CODEC = ["width=16", "latent_width=24", "encoder_blocks=1", "decoder_blocks=1", "latent_blocks=1", "channels=8"]
LINE = ["experiment=autoencoder", "steps=2", "data.samples=16384", "data.batch_size=2", "data.validation_items=2"]
LINE += ["data.epoch_items=4", "trainer.precision=32-true", "callbacks.progress=null"]
LINE += [f"module.codec.{value}" for value in CODEC]
needs_fixture = pytest.mark.skipif(not FIXTURE.is_dir(), reason=f"real Slakh excerpts are not at {FIXTURE}")


def composed(small_band, out):
    shutil.copytree(small_band, out / "band")
    return out / "band"


def from_midi(small_band, out):
    for number, file in enumerate(sorted(small_band.glob("*/*/all_src.mid"))):
        (out / "songs" / ("held-out" if number else "other")).mkdir(parents=True, exist_ok=True)
        shutil.copy(file, out / "songs" / ("held-out" if number else "other") / f"song{number}.mid")
    arguments = ["--seconds", "8", "--jobs", "1", "--classes", "1", "--test-source", "held-out"]
    assert band(["midi", "--midi", str(out / "songs"), "--out", str(out / "large"), *arguments]) == 0
    shutil.copytree(next((out / "large" / "test").iterdir()), out / "large" / "validation" / "Track09999")
    return out / "large"


def redux(_, out):
    for split, number in (("train", 1), ("validation", 1501)):
        source = FIXTURE / "slakh2100_flac_redux" / "train" / "Track00001"
        shutil.copytree(source, out / "copy" / "slakh2100_flac_redux" / split / f"Track{number:05d}")
    assert download(["slakh", "--raw", str(out / "copy"), "--out", str(out / "data")]) == 0
    return out / "data" / "slakh2100_flac_redux"


def baby(_, out):
    for number in range(1, 6):
        shutil.copytree(FIXTURE / "babyslakh_16k" / "Track00001", out / "babyslakh_16k" / f"Track{number:05d}")
    shutil.copytree(FIXTURE / "babyslakh_16k" / "Track00007", out / "babyslakh_16k" / "Track00007")  # no metadata
    arguments = [str(out / "babyslakh_16k"), "--resample", str(out / "babyslakh_44k1")]
    assert prepare(arguments) == 2
    assert prepare([*arguments, "--on-bad", "skip"]) == 0
    assert "Track00007" in (out / "babyslakh_16k" / "quarantine.csv").read_text()
    return out / "babyslakh_44k1"


@pytest.mark.parametrize(
    ("name", "ready"),
    [
        ("band", composed),
        ("large", from_midi),
        pytest.param("babyslakh", baby, marks=needs_fixture),
        pytest.param("slakh", redux, marks=needs_fixture),
    ],
)
def test_the_same_line_trains_on_every_set(small_band, tmp_path, name, ready):
    root = ready(small_band, tmp_path)
    command = [sys.executable, "train.py", *LINE, f"data={name}", f"data.root={root}", f"out_dir={tmp_path}/run"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "run" / "checkpoints" / "last.ckpt").is_file()
