"""What the student learns from its teacher: where the walk ends, under the teacher's own masks, deaf to nothing, also from
a past of its own; and from whom it will not learn."""

import logging

import lightning as L
import pytest
import torch
import yaml
from tiny_model import NET, shaken

from accomp.data.datamodule import SlakhDataModule
from accomp.diffusion.consistency import drift, endpoint
from accomp.diffusion.precond import ClassifierFreeGuidance, Denoiser
from accomp.diffusion.transformer import Transformer
from accomp.errors import UserError
from accomp.lit.diffusion import seeded_generator
from accomp.lit.objectives import Consistency, Endpoint, Rollout
from accomp.lit.student import StudentModule, refuse_other_codec

B, C, T = 4, NET["channels"], 32
ROLLOUT = Rollout(window=16, longest_step=8, fewest=3, most=5)


@pytest.fixture
def run(tmp_path):
    """A teacher's run, as train.py leaves it."""
    return write_run(tmp_path / "teacher")


def write_run(folder, kind="DiffusionModule", net=NET, cond_dropout=0.9, codec=None):
    denoiser = shaken(Denoiser(Transformer(**net)), seed=1)
    (folder / "checkpoints").mkdir(parents=True)
    state = {"state_dict": {f"denoiser.{k}": v for k, v in denoiser.state_dict().items()}}
    torch.save(state | {"SlakhDataModule": {"codec": codec}}, folder / "checkpoints" / "last.ckpt")
    module = {
        "_target_": f"accomp.lit.diffusion.{kind}",
        "net": NET,
        "draw": {"longest_step": 8},
        "cond_dropout": cond_dropout,
    }
    (folder / "config.yaml").write_text(yaml.safe_dump({"module": module}))
    return str(folder)


def batch(seed=0):
    g = torch.Generator().manual_seed(seed)
    latents = {name: torch.randn(B, C, T, generator=g) for name in ("context", "target")}
    return latents | {"stem": torch.arange(B) % 4, "clock": torch.randn(B, 10, T, generator=g)}


@pytest.mark.parametrize("objective", [Endpoint(), Consistency(), ROLLOUT], ids=lambda o: type(o).__name__)
def test_a_step_moves_the_student_and_never_the_teacher(objective, run):
    student = StudentModule(run, objective, guidance=2.0, self_generated_past=1.0).train()
    assert isinstance(student.teacher, ClassifierFreeGuidance)
    before = {name: value.clone() for name, value in student.playing.state_dict().items()}
    losses = objective(student, batch(), seeded_generator(0))
    torch.stack(list(losses.values())).sum().backward()
    moved = [p.grad is not None and bool(p.grad.any()) for p in student.denoiser.parameters()]
    assert any(moved) and all(torch.isfinite(loss) for loss in losses.values())
    assert all(p.grad is None for p in student.playing.parameters())
    for name, value in student.playing.state_dict().items():
        assert torch.equal(value, before[name])


def test_the_student_is_never_deaf(run):
    """Though its teacher's run says deaf: 0.9, it hears what the masks and the clock leave it."""
    student = StudentModule(run, Endpoint(), self_generated_past=0.0).train()
    heard = student.playing.condition(batch(), seeded_generator(1), student.denoiser)
    plain = student.playing.condition(batch(), seeded_generator(1), student.denoiser.eval())
    assert torch.equal(heard.masks.visible, plain.masks.visible) and torch.equal(heard.clock, plain.clock)


def test_the_endpoint_of_a_gaussian_is_known():
    """Data N(0, 1): the flow from x at sigma ends at x / sqrt(1 + sigma^2)."""

    def denoise(x, sigma, condition):
        return x / (1 + sigma.view(-1, 1, 1) ** 2)

    sigma = torch.tensor([0.5, 3.0, 20.0])
    x = torch.randn(3, 2, 8) * (1 + sigma.view(-1, 1, 1) ** 2).sqrt()
    truth = x / (1 + sigma.view(-1, 1, 1) ** 2).sqrt()
    error = [float((endpoint(denoise, x, sigma, None, steps, 0.01) - truth).abs().max()) for steps in (8, 16, 32)]
    assert error[2] < error[1] < error[0] and error[2] < 0.02


def test_a_rollout_knows_of_the_stem_only_what_it_played(run):
    student = StudentModule(run, ROLLOUT).eval()
    step, steps = 4, 4
    first = ROLLOUT.window - step
    truth, other = batch(), batch()
    other["target"][:, :, first:] = torch.randn(B, C, T - first)
    with torch.no_grad():
        played, _ = ROLLOUT.play(student, truth, steps, step, seeded_generator(2))
        same, _ = ROLLOUT.play(student, other, steps, step, seeded_generator(2))
        other["target"][:, :, :first] += 9.0
        changed, _ = ROLLOUT.play(student, other, steps, step, seeded_generator(2))
    assert played.shape == (B, C, steps * step)
    torch.testing.assert_close(played, same)
    assert not torch.allclose(played, changed)


def test_every_step_of_a_rollout_is_told_what_it_would_be_told_on_stage(run):
    """At depth w it hears up to w steps before what it is to play, and remembers all that it has played."""
    objective = Rollout(window=16, levels=[20.0], cold=0.5)
    student = StudentModule(run, objective).eval()
    told = []
    student.denoiser.register_forward_pre_hook(lambda _, arguments: told.append(arguments[2]))
    step, steps, window = 3, 5, objective.window
    many = {name: torch.cat([value] * 8) for name, value in batch().items()}
    with torch.no_grad():
        played, _ = objective.play(student, many, steps, step, seeded_generator(5))
    edges = torch.stack([condition.masks.visible.sum(1) for condition in told])
    known = torch.stack([condition.masks.known.sum(1) for condition in told])
    assert len(told) == steps and set(edges[0].tolist()) == {window - 2 * step, window - step, window}
    assert (edges == edges[0]).all(), "an item keeps its depth"
    cold = known[0] == 0
    assert cold.any() and not cold.all() and (known[:, ~cold] == window - step).all()
    assert known[:, cold].T.tolist() == [[i * step for i in range(steps)]] * int(cold.sum())
    assert all(condition.masks.target.sum(1).eq(step).all() for condition in told)
    remembered = told[-1].past[:, :, window - steps * step : window - step]
    torch.testing.assert_close(remembered, played[:, :, : (steps - 1) * step])


def test_the_memory_of_a_rollout_does_not_grow_with_its_length(run):
    student = StudentModule(run, ROLLOUT).train()
    graded = []
    student.denoiser.register_forward_hook(lambda *_: graded.append(torch.is_grad_enabled()))
    for steps in (2, 5):
        graded.clear()
        played, distances = ROLLOUT.play(student, batch(), steps, 4, seeded_generator(4))
        assert sum(graded) == ROLLOUT.supervised_steps and len(graded) >= steps
        (gradient,) = torch.autograd.grad(
            played.sum() + torch.stack(distances).sum(), [student.denoiser.net.out.weight]
        )
        assert gradient.isfinite().all()


def test_tuning_on_its_own_past_lowers_the_error_that_a_student_makes_there(run):
    """Eight steps from a cold start, the last against a teacher who swells: 0.9 times the mean of what was played before, and
    a little more. On stage that leads where no true past has been. As many more steps of plain distillation do not help."""

    def swell(x, sigma, told):
        known = told.masks.known.unsqueeze(1)
        before = (told.past * known).sum(2, keepdim=True) / known.sum(2, keepdim=True).clamp(min=1)
        return (0.9 * before + 0.5 * (told.stem.view(-1, 1, 1) - 1.5)).expand_as(x)

    def music(seed):
        parts = [batch(4 * seed + i) for i in range(4)]
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

    def trained(objective, steps, weights=None):
        student = StudentModule(run, objective, self_generated_past=0.0).train()
        student.playing.denoiser.forward = swell
        torch.manual_seed(0)
        student.denoiser.net = Transformer(**NET | {"pitch_head": 0})  # there are no notes in this music
        if weights is not None:
            student.denoiser.load_state_dict(weights)
        optimiser = torch.optim.Adam(student.denoiser.parameters(), 3e-3)
        schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.05, steps)
        for i in range(steps):
            optimiser.zero_grad()
            torch.stack(list(objective(student, music(i), seeded_generator(i)).values())).sum().backward()
            optimiser.step()
            schedule.step()
        return student.eval()

    def error(student):
        stage = Rollout(window=16, longest_step=2, fewest=8, most=8, supervised_steps=1, cold=1.0, levels=[20.0])
        with torch.no_grad():
            said = [stage(student, music(100 + i), seeded_generator(1000 + i)) for i in range(4)]
        return sum(float(one["rollout"]) for one in said) / len(said)

    plain, own = Endpoint(from_noise=1.0), Rollout(window=16, longest_step=4, levels=[20.0], cold=0.5)
    start = trained(plain, 120)
    tuned, longer = (trained(objective, 60, start.denoiser.state_dict()) for objective in (own, plain))
    errors = error(start), error(tuned), error(longer)
    assert errors[1] < 0.85 * min(errors[0], errors[2]), errors


def test_drift_is_nothing_for_the_same_music_and_more_for_dull_late_or_shifted_music():
    g = torch.Generator().manual_seed(0)
    strokes = (torch.arange(64) % 8 == 0).float().cumsum(0) * 0.5
    music = torch.randn(1, C, 1, generator=g).sign() * (strokes % 2) + 0.01 * torch.randn(1, C, 64, generator=g)
    silence = torch.zeros_like(music).requires_grad_()
    assert float(drift(music, music)) < 1e-4
    for worse in (0.3 * music, music + 1, music.roll(3, 2), silence):
        assert float(drift(worse, music).detach()) > 0.05
    drift(silence, torch.zeros_like(music)).sum().backward()
    assert silence.grad.isfinite().all()


@pytest.mark.parametrize(
    ("made", "asked", "message"),
    [
        ({"kind": "PaperRecipeModule"}, {}, "a run of PaperRecipeModule, which never knew the masks"),
        ({"cond_dropout": 0.0}, {"guidance": 3.0}, "guidance has nothing to lean away from"),
        ({"net": NET | {"channels": 4}}, {}, "another size or another conditioning"),
    ],
)
def test_a_teacher_of_other_masks_or_conditioning_is_refused(tmp_path, made, asked, message):
    with pytest.raises(UserError, match=message) as error:
        StudentModule(write_run(tmp_path / "other", **made), Endpoint(), **asked)
    assert "\n" not in str(error.value)


def test_a_run_on_latents_of_another_codec_is_refused_and_one_that_does_not_say_is_named(tmp_path, caplog):
    data = SlakhDataModule(".", 2, latents="latents", frames=T)
    data.codec = "0123"
    refuse_other_codec(tmp_path / write_run(tmp_path / "same", codec="0123"), data)
    with pytest.raises(UserError, match=r"trained on latents of codec 4567.*holds those of 0123"):
        refuse_other_codec(tmp_path / write_run(tmp_path / "other", codec="4567"), data)
    assert not caplog.records
    with caplog.at_level(logging.WARNING):
        refuse_other_codec(tmp_path / write_run(tmp_path / "old"), data)
    assert "does not say" in caplog.text


def test_micro_batches_of_one_step_have_noise_of_their_own(run, tmp_path):
    """Two batches a step, three an epoch: no two of a real training share their chance."""
    seen = []

    def objective(module, batch, generator):
        seen.append(generator.initial_seed())
        return {"none": module.denoiser.net.out.bias.sum()}

    objective.ema_decay = 0.0
    options = {"accelerator": "cpu", "logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = L.Trainer(
        **options, default_root_dir=tmp_path, max_epochs=3, accumulate_grad_batches=2, enable_model_summary=False
    )
    loader = torch.utils.data.DataLoader(torch.zeros(3, 1), batch_size=1)
    trainer.fit(StudentModule(run, objective), loader)
    assert trainer.global_step == 6 and len(seen) == 9
    assert len(set(seen)) == len(seen)
