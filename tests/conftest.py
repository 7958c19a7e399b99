import os
from pathlib import Path

import processes
import pytest
import torch
from tiny_model import write_tiny_model

from accomp.data.band.__main__ import main as build_band
from accomp.data.latents import main as encode
from accomp.model import load_model

TINY_CODEC = ("width=16", "latent_width=24", "encoder_blocks=1", "decoder_blocks=1", "latent_blocks=1", "channels=8")
TINY_NET = ("channels=8", "width=16", "layers=1", "heads=2", "keys=0", "plan=42")

torch.set_num_threads(1)
# Processes that tests start use this checkout, not one that is installed.
os.environ["PYTHONPATH"] = str(Path(__file__).parent.parent)


TESTS = Path(__file__).parent
REAL_TIME = ("clients", "server", "test_serve.py")  # folders and files whose tests wait for the clock and need a core


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With `-n 2 --dist loadgroup` (make test): tests in real time one after the other, the others file by file beside them."""
    for item in items:
        place = item.path.relative_to(TESTS)
        item.add_marker(pytest.mark.xdist_group("real time" if place.parts[0] in REAL_TIME else str(place)))


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="session")
def model(model_folder):
    return load_model(model_folder)


@pytest.fixture(scope="session")
def small_band(tmp_path_factory) -> Path:
    """Four composed songs of 8 s in Slakh's layout: two to train on, one to validate, one to test."""
    out = tmp_path_factory.mktemp("data") / "band"
    assert build_band(["compose", "--out", str(out), "--tracks", "4", "--seconds", "8", "--jobs", "1"]) == 0
    return out


@pytest.fixture(scope="session")
def tiny_training(small_band, model_folder, tmp_path_factory) -> list[str]:
    """Arguments of train.py for a diffusion model that trains in a second, in epochs of 4 steps of 2 excerpts."""
    latents = tmp_path_factory.mktemp("latents")
    assert encode(["--data", str(small_band), "--codec", str(model_folder), "--out", str(latents)]) == 0
    data = [f"root={small_band}", f"latents={latents}", "frames=64", "batch_size=2", "epoch_items=8"]
    net = [f"module.net.{value}" for value in TINY_NET]
    return [
        "experiment=planned",
        *net,
        *(f"data.{value}" for value in (*data, "validation_items=2", "workers=0")),
        "callbacks.play=null",
    ]


@pytest.fixture(scope="session")
def trained_runs(small_band, tmp_path_factory) -> dict[str, Path]:
    """Folders of a codec, a diffusion model, its student and a beat tracker, by role; each trained for 3 steps."""
    out = tmp_path_factory.mktemp("runs")
    data = [f"data.root={small_band}", "data.batch_size=2", "data.validation_items=2", "data.epoch_items=4"]
    latents = [f"data.latents={out}/latents", "data.frames=64"]

    def train(role: str, *settings: str) -> Path:
        ended = processes.train(out / role, *data, "data.workers=0", "steps=3", *settings)
        assert ended == [0], processes.said(out / role)
        return out / role

    codec = train("codec", "experiment=autoencoder", "data.samples=16384", *(f"module.codec.{v}" for v in TINY_CODEC))
    assert encode(["--data", str(small_band), "--codec", str(codec), "--out", f"{out}/latents"]) == 0
    teacher = train(
        "teacher",
        "experiment=planned",
        "callbacks.play=null",
        *latents,
        *(f"module.net.{value}" for value in TINY_NET),
    )
    student = train("student", "experiment=student_matching", "callbacks.play=null", *latents, f"module.teacher={teacher}")
    plain = ("data.living=null", "module.tracker.channels=8")  # these latents are no notes
    tracker = train("tracker", "experiment=living_tracker", "callbacks.play=null", *latents, *plain)
    return {"codec": codec, "teacher": teacher, "student": student, "tracker": tracker}
