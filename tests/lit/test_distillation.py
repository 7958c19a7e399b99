"""Whole distillations through train.py: every objective runs, says what it cost, resumes, and refuses another's latents."""

import json
import re

import pytest
from processes import said, state, train
from tiny_model import CODEC, shaken, write_tiny_model

from accomp.codec.autoencoder import Autoencoder
from accomp.data.latents import main as encode
from accomp.export import save_weights


@pytest.fixture(scope="module")
def distilled(tiny_training, tmp_path_factory):
    """A teacher and a student of it, two steps each; the arguments that both share."""
    out = tmp_path_factory.mktemp("distillation")
    data = [argument for argument in tiny_training if argument.startswith("data.")]
    assert train(out / "teacher", *tiny_training, "steps=2") == [0], said(out / "teacher")
    common = [*data, f"module.teacher={out}/teacher", "module.objective.share=1", "steps=2"]
    assert train(out / "student", "experiment=student_matching", *common) == [0], said(out / "student")
    return out, common


def test_the_cost_is_said_and_kept(distilled):
    out, _ = distilled
    figures = json.loads((out / "student/status.json").read_text())["figures"]
    # 2 batches of training and 1 of validation, one guided answer each: 2 calls
    assert figures["cost/teacher_calls"] == 3 * 2
    assert figures["cost/wall_s"] > 0 and figures["cost/cpu_s"] > 0 and figures["cost/gpu_s"] == 0
    assert re.search(r"cost of this distillation: \d+ s, \d+ s of CPU, 0 s of GPU, \d+ calls", said(out / "student"))
    assert "cost/teacher_calls" in (out / "student/csv/version_0/metrics.csv").read_text()


def test_a_resumed_distillation_adds_up_its_cost(distilled):
    out, common = distilled
    for steps in (2, 4):
        run = train(out / "parts", "experiment=student_matching", *common, f"steps={steps}")
        assert run == [0], said(out / "parts")
    assert state(out / "parts")["callbacks"]["Cost"]["teacher_calls"] == 4 * 2


def test_the_papers_objective_trains_too(distilled):
    out, common = distilled
    common = [value for value in common if "objective" not in value]
    run = train(out / "consistency", "experiment=student_consistency", *common)
    assert run == [0], said(out / "consistency")
    assert state(out / "consistency")["global_step"] == 2


def test_a_teacher_on_another_codec_is_refused_in_one_line(distilled, small_band, tmp_path):
    """The same music in latents of another codec, and of as many channels: only the fingerprint tells."""
    _, common = distilled
    model = write_tiny_model(tmp_path / "model")
    save_weights(shaken(Autoencoder(**CODEC), seed=1), model / "codec.safetensors")
    assert encode(["--data", str(small_band), "--codec", str(model), "--out", str(tmp_path / "latents")]) == 0
    assert train(tmp_path / "run", "experiment=student_matching", *common, f"data.latents={tmp_path}/latents") == [2]
    last = said(tmp_path / "run").strip().splitlines()[-1]
    assert last.startswith("error: ") and "trained on latents of codec" in last
    assert not (tmp_path / "run/checkpoints").exists()


def test_a_run_is_not_gone_on_with_by_another_objective(distilled):
    out, common = distilled
    common = [value for value in common if "objective" not in value]
    assert train(out / "student", "experiment=student_consistency", *common, "steps=4") == [2]
    found = "module.objective._target_=accomp.lit.distribution_matching.DistributionMatching, not "
    assert found in said(out / "student")
