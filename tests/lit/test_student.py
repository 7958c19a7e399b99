"""Distillation: who is moved by it, what the student is told, and from which teachers it does not learn."""

import logging
from pathlib import Path

import lightning as L
import pytest
import torch
import yaml
from tiny_model import NET, shaken

from accomp.diffusion.precond import ClassifierFreeGuidance, Denoiser
from accomp.diffusion.transformer import Transformer
from accomp.errors import UserError
from accomp.lit.distillation import Consistency
from accomp.lit.distribution_matching import DistributionMatching
from accomp.lit.objective import Objective
from accomp.lit.seeds import seeded_generator
from accomp.lit.student import student_module
from accomp.training_run import check_latents

B, C, T = 4, NET["channels"], 32
RATE = {"learning_rate": 1e-3}


@pytest.fixture
def run(tmp_path):
    """A teacher's run, as train.py leaves it."""
    return write_run(tmp_path / "teacher")


def write_run(folder, draw="PlayingDraw", net=NET, cond_dropout=0.9, codec=None):
    denoiser = shaken(Denoiser(Transformer(**net)), seed=1)
    (folder / "checkpoints").mkdir(parents=True)
    state = {"global_step": 1, "state_dict": {f"denoiser.{k}": v for k, v in denoiser.state_dict().items()}}
    torch.save(state | {"SlakhDataModule": {"codec": codec}}, folder / "checkpoints" / "last.ckpt")
    module = {
        "_target_": "accomp.lit.denoising.DenoisingModule",
        "net": {"_target_": "accomp.diffusion.transformer.Transformer"} | NET,
        "conditioner": {
            "_target_": "accomp.lit.conditioner.Conditioner",
            "draw": {"_target_": f"accomp.window.{draw}"},
            "cond_dropout": cond_dropout,
        },
    }
    (folder / "config.yaml").write_text(yaml.safe_dump({"module": module}))
    return str(folder)


def batch(seed=0):
    g = torch.Generator().manual_seed(seed)
    latents = {name: torch.randn(B, C, T, generator=g) for name in ("context", "target")}
    return latents | {"stem": torch.arange(B) % 4, "clock": torch.randn(B, 10, T, generator=g)}


OBJECTIVES = [DistributionMatching(share=1.0), Consistency()]


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda o: type(o).__name__)
def test_a_step_moves_the_student_and_never_the_teacher(objective, run):
    student = student_module(run, objective, guidance=2.0, self_generated_past=1.0, **RATE).train()
    teacher = student.teacher.network
    assert isinstance(teacher, ClassifierFreeGuidance) and not teacher.training
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    losses = student.losses(batch(), seeded_generator(0))
    torch.stack(list(losses.values())).sum().backward()
    moved = [p.grad is not None and bool(p.grad.any()) for p in student.denoiser.parameters()]
    assert any(moved) and all(torch.isfinite(loss) for loss in losses.values())
    assert all(p.grad is None for p in teacher.parameters())
    helped = any(p.grad is not None and bool(p.grad.any()) for p in student.helpers.parameters())
    assert helped == isinstance(objective, DistributionMatching), "its critic learns, a moving average follows"
    for name, value in teacher.state_dict().items():
        assert torch.equal(value, before[name])


def test_the_average_of_the_student_follows_it_by_one_minus_the_decay(run):
    student = student_module(run, Consistency(ema_decay=0.75), **RATE)
    start = student.denoiser.net.out.weight.clone()
    with torch.no_grad():
        student.denoiser.net.out.weight += 1
    student.on_before_zero_grad(None)
    torch.testing.assert_close(student.helpers["ema"].net.out.weight, start + 0.25)


def test_the_students_condition_is_never_dropped(run):
    """Though its teacher's run says 0.9."""
    student = student_module(run, Consistency(), self_generated_past=0.0, **RATE).train()
    told = student.conditioner(batch(), seeded_generator(1), student.denoiser)
    plain = student.conditioner(batch(), seeded_generator(1), student.denoiser.eval())
    assert torch.equal(told.masks.visible, plain.masks.visible) and torch.equal(told.clock, plain.clock)


@pytest.mark.parametrize(
    ("made", "asked", "message"),
    [
        ({"draw": "PaperDraw"}, {}, "its masks are not those of playing but PaperDraw's"),
        ({"cond_dropout": 0.0}, {"guidance": 3.0}, "so it cannot be guided"),
        ({"net": NET | {"channels": 4}}, {}, "another size or another conditioning"),
    ],
)
def test_a_teacher_of_other_masks_or_conditioning_is_refused(tmp_path, made, asked, message):
    with pytest.raises(UserError, match=message) as error:
        student_module(write_run(tmp_path / "other", **made), Consistency(), **asked, **RATE)
    assert "\n" not in str(error.value)


def test_a_run_that_trained_no_denoiser_is_no_teacher(tmp_path):
    (tmp_path / "config.yaml").write_text("module: {_target_: accomp.lit.tracker.TrackerModule, tracker: {}}")
    with pytest.raises(UserError, match=r"a run of accomp\.lit\.tracker\.TrackerModule; give module\.teacher"):
        student_module(str(tmp_path), Consistency(), **RATE)


def test_a_run_on_latents_of_another_codec_is_refused_and_one_that_does_not_say_is_named(tmp_path, caplog):
    check_latents(Path(write_run(tmp_path / "same", codec="0123")), "0123", "data.latents")
    with pytest.raises(UserError, match=r"trained on latents of codec 4567; data\.latents is of codec 0123"):
        check_latents(Path(write_run(tmp_path / "other", codec="4567")), "0123", "data.latents")
    assert not caplog.records
    with caplog.at_level(logging.WARNING):
        check_latents(Path(write_run(tmp_path / "old")), "0123", "data.latents")
    assert "does not say" in caplog.text


def test_a_student_goes_on_from_another(run, tmp_path):
    first = student_module(run, Consistency(), **RATE)
    shaken(first.denoiser, seed=5)
    (tmp_path / "first/checkpoints").mkdir(parents=True)
    state = {f"denoiser.{k}": v for k, v in first.denoiser.state_dict().items()}
    torch.save({"state_dict": state}, tmp_path / "first/checkpoints/last.ckpt")
    second = student_module(run, Consistency(), start=str(tmp_path / "first"), **RATE)
    for (name, one), two in zip(first.denoiser.named_parameters(), second.denoiser.parameters(), strict=True):
        assert torch.equal(one, two), name
    teacher = student_module(run, Consistency(), **RATE).teacher
    assert second.teacher.fingerprint == teacher.fingerprint


def test_micro_batches_of_one_step_have_noise_of_their_own(run, tmp_path):
    """Two batches a step, three an epoch: no two of a real training share their generator."""
    seen = []

    class Watching(Objective):
        def __call__(self, nets, conditioner, batch, generator):
            seen.append(generator.initial_seed())
            return {"none": nets.denoiser.net.out.bias.sum()}

    options = {"accelerator": "cpu", "logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = L.Trainer(
        **options, default_root_dir=tmp_path, max_epochs=3, accumulate_grad_batches=2, enable_model_summary=False
    )
    loader = torch.utils.data.DataLoader(torch.zeros(3, 1), batch_size=1)
    trainer.fit(student_module(run, Watching(), **RATE), loader)
    assert trainer.global_step == 6 and len(seen) == 9
    assert len(set(seen)) == len(seen)
