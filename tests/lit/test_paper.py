"""The paper's training, a few steps of each experiment at a tiny width, up to a model folder."""

import logging
import subprocess
import sys
from pathlib import Path

import processes
import pytest
import torch
import yaml
from hydra.utils import instantiate

from accomp.codec.music2latent import Music2Latent
from accomp.compose import compose
from accomp.lit.paper import PaperConsistency
from accomp.lit.student import paper_student_module
from accomp.paper_checkpoint import main as convert

ROOT = Path(__file__).resolve().parents[2]
NET = {"width": 16, "blocks": 1}


def train(*arguments):
    shape = ["trainer=cpu", "trainer.precision=32-true", "data.workers=0", "callbacks.progress=null", "compile=false"]
    done = subprocess.run(
        [sys.executable, "train.py", *shape, *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.fixture(scope="module")
def runs(small_band, tmp_path_factory) -> Path:
    """One run of each experiment: 8 frames instead of 64, and random codec weights."""
    pytest.importorskip("music2latent")
    out = tmp_path_factory.mktemp("paper")
    torch.save({"gen_state_dict": Music2Latent().gen.state_dict()}, out / "music2latent.pt")
    data = [f"data.root={small_band}", "data.batch_size=1", "data.validation_items=1", "data.epoch_items=2"]
    data += ["data.samples=34304", "steps=2"]
    net = [
        f"module.codec.weights={out}/music2latent.pt",
        *(f"module.net.{name}={value}" for name, value in NET.items()),
    ]
    train("experiment=paper_ldm", *data, *net, f"out_dir={out}/ldm")
    train("experiment=paper_ldm_masked", *data, *net, f"module.start={out}/ldm", f"out_dir={out}/masked")
    train("experiment=paper_cd_masked", *data, f"module.teacher={out}/masked", "trainer.accumulate_grad_batches=2",
          "data.epoch_items=4", f"out_dir={out}/cd")  # fmt: skip
    return out


def weights(run: Path) -> dict[str, torch.Tensor]:
    return torch.load(run / "checkpoints/last.ckpt", weights_only=True)["state_dict"]


def test_every_experiment_trains_and_follows_the_one_before(runs):
    ldm, masked, cd = (weights(runs / name) for name in ("ldm", "masked", "cd"))
    name = "denoiser.net.unet.map_layer0.bias"
    assert 0 < (ldm[name] - masked[name]).abs().max() < 1e-3, "two steps of Adam at 1e-4 from where the other ended"
    student, target = (cd[f"{part}.net.unet.map_layer0.bias"] for part in ("denoiser", "helpers.ema"))
    assert 0 < (student - masked[name]).abs().max() < 1e-3
    assert (target - masked[name]).abs().max() < (student - masked[name]).abs().max()
    assert all(key.startswith(("denoiser.net.unet.", "helpers.ema.net.unet.")) for s in (ldm, masked, cd) for key in s)
    for run in ("ldm", "masked", "cd"):
        assert "val" in (runs / run / "csv/version_0/metrics.csv").read_text()


@pytest.mark.parametrize(
    ("run", "told"), [("ldm", "WITHOUT masks"), ("masked", "[0.0, 0.25, 0.5]"), ("cd", "[0.0, 0.25, 0.5]")]
)
def test_a_run_becomes_a_model_folder(runs, run, told, tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        assert convert([str(runs / run / "checkpoints/last.ckpt"), str(tmp_path / "model")]) == 0, caplog.text
    assert told in caplog.text
    config = yaml.safe_load((tmp_path / "model/config.yaml").read_text())
    assert config["sampler"] == ("cm_2" if run == "cd" else "adpm2_5") and config["net"]["width"] == 16


def test_optimisers_are_the_published_ones(runs):
    net = [
        f"module.codec.weights={runs}/music2latent.pt",
        *(f"module.net.{name}={value}" for name, value in NET.items()),
    ]
    ldm = instantiate(compose("train", ["experiment=paper_ldm", *net]).module, _convert_="all")
    adam = ldm.configure_optimizers()
    assert type(adam) is torch.optim.Adam
    assert {k: adam.defaults[k] for k in ("lr", "betas", "weight_decay")} == {
        "lr": 1e-4, "betas": (0.9, 0.99), "weight_decay": 0}  # fmt: skip
    config = compose("train", ["experiment=paper_cd_masked", f"module.teacher={runs}/masked"])
    student = instantiate(config.module, _convert_="all")
    radam = student.configure_optimizers()
    assert type(radam) is torch.optim.RAdam and radam.defaults["lr"] == 1e-5 and radam.defaults["betas"] == (0.9, 0.999)
    assert not any(p.requires_grad for p in (*student.teacher.network.parameters(), *student.helpers.parameters()))
    assert student.denoiser.net.training and student.helpers["ema"].net.training and not student.teacher.network.training


def test_noise_levels_are_the_published_ones():
    sigmas = PaperConsistency().grid()
    torch.testing.assert_close(sigmas[[0, 8, 9, 17]], torch.tensor([80, 1.31, 0.667, 1e-4]), rtol=5e-3, atol=0)
    sigma = PaperConsistency().draw_sigma(10_000, torch.Generator().manual_seed(0))
    low, curve = sigma[:5000].log(), sigma[5000:]
    assert low.mean() == pytest.approx(-1.2, abs=0.06) and low.std() == pytest.approx(1.2, abs=0.05)
    assert curve.max() <= 80 and curve.min() == pytest.approx(0.066, rel=0.02)


def test_a_paper_student_begins_with_another_ones_weights(runs):
    student = paper_student_module(str(runs / "masked"), PaperConsistency(), start=str(runs / "cd"), learning_rate=1e-5)
    name = "net.unet.map_layer0.bias"
    assert torch.equal(student.denoiser.state_dict()[name], weights(runs / "cd")[f"denoiser.{name}"])


@pytest.mark.parametrize("experiment", ["paper_ldm", "paper_ldm_masked", "paper_cd_masked"])
def test_every_experiment_is_of_slakh_and_of_the_published_size(experiment):
    """As the README calls them: on Slakh2100, whole windows of 6 s, the recipe of the paper, a GPU."""
    config = compose("train", [f"experiment={experiment}"])
    assert Path(config.data.root).name == "slakh2100_flac_redux" and config.data.samples == 264_600
    assert config.data.batch_size * config.trainer.get("accumulate_grad_batches", 1) in (64, 128)
    recipe = ("gain_db", "pitch", "tempo", "submix", "silence", "stem_dropout")
    assert all(config.data.recipe[name] == 0 for name in recipe)
    assert config.trainer.gradient_clip_val is None and config.callbacks.average is None
    if "net" in config.module:  # the student takes its teacher's
        with torch.device("meta"):
            assert sum(p.numel() for p in instantiate(config.module.net).parameters()) == 257_523_969
        assert config.module.codec.weights is None
        assert list(config.module.conditioner.draw.hidden) == ([0.0, 0.25, 0.5] if "masked" in experiment else [0.0])


@pytest.mark.parametrize("weights", ["null", "None"])
def test_training_without_the_codecs_weights_says_where_to_get_them(weights, small_band, tmp_path, monkeypatch):
    monkeypatch.setattr("accomp.codec.music2latent.package_weights", lambda: None)
    common = ["experiment=paper_ldm", "trainer=cpu", f"data.root={small_band}", f"module.codec.weights={weights}"]
    assert processes.train(tmp_path, *common) == [2]
    assert "error: no Music2Latent weights" in processes.said(tmp_path)
