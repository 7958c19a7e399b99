"""Every data set gives excerpts to train on, in its own layout and prepared in its own way."""

import shutil
from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate

from accomp.beat.clock import CLOCK_FEATURES
from accomp.compose import compose
from accomp.data.band.__main__ import main as band
from accomp.data.download import main as download
from accomp.data.excerpts import SeededStream
from accomp.data.prepare import main as prepare

ROOT = Path(__file__).parents[2]
FIXTURE = ROOT.parent / "shared" / "slakh" / "fixture"
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
def test_every_set_gives_batches_with_the_same_settings(small_band, tmp_path, name, ready):
    """Training itself is the same on every set: tests/test_train.py runs it on the band."""
    root = ready(small_band, tmp_path)
    settings = ["experiment=autoencoder", f"data={name}", f"data.root={root}", "data.samples=16384", "data.workers=0"]
    data = instantiate(compose("train", [*settings, "data.batch_size=2", "data.validation_items=2"]).data)
    training = data.loader(data.excerpts("train"), SeededStream(4))
    for batch in (*training, *data.val_dataloader()):
        assert batch["context"].shape == batch["target"].shape == (2, 16_384)
        assert batch["clock"].shape == (2, CLOCK_FEATURES, 8)
        assert all(torch.isfinite(batch[part]).all() for part in ("context", "target", "clock"))
    assert any(batch["target"].any() for batch in training)
