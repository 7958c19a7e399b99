from pathlib import Path

import pytest
import torch
from tiny_model import write_tiny_model

from accomp.checkpoint import load_model
from accomp.data.band import main as build_band

torch.set_num_threads(1)


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
