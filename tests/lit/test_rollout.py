"""Rollouts: what a student is told of its own past, what has gradients, and that tuning on it helps."""

import pytest
import torch
from test_student import B, C, T, batch, write_run
from tiny_model import NET

from accomp.diffusion.transformer import Transformer
from accomp.lit.distillation import Endpoint
from accomp.lit.objective import Nets
from accomp.lit.rollout import Rollout
from accomp.lit.seeds import seeded_generator
from accomp.lit.student import student_module

ROLLOUT = Rollout(window=16, longest_step=8, fewest=3, most=5)
RATE = {"learning_rate": 1e-3}


@pytest.fixture
def run(tmp_path):
    return write_run(tmp_path / "teacher")


def nets(student) -> Nets:
    return Nets(student.denoiser, student.teacher, student.helpers)


def test_a_rollout_knows_of_the_stem_only_what_it_played(run):
    student = student_module(run, ROLLOUT, **RATE).eval()
    step, steps = 4, 4
    first = ROLLOUT.window - step
    truth, other = batch(), batch()
    other["target"][:, :, first:] = torch.randn(B, C, T - first)
    with torch.no_grad():
        played, _ = ROLLOUT.play(nets(student), student.conditioner, truth, steps, step, seeded_generator(2))
        same, _ = ROLLOUT.play(nets(student), student.conditioner, other, steps, step, seeded_generator(2))
        other["target"][:, :, :first] += 9.0
        changed, _ = ROLLOUT.play(nets(student), student.conditioner, other, steps, step, seeded_generator(2))
    assert played.shape == (B, C, steps * step)
    torch.testing.assert_close(played, same)
    assert not torch.allclose(played, changed)


def test_every_step_of_a_rollout_is_told_what_it_would_be_told_on_stage(run):
    """At depth w it hears up to w steps before what it is to play, and remembers all that it has played."""
    objective = Rollout(window=16, levels=[20.0], cold=0.5)
    student = student_module(run, objective, **RATE).eval()
    told = []
    student.denoiser.register_forward_pre_hook(lambda _, arguments: told.append(arguments[2]))
    step, steps, window = 3, 5, objective.window
    many = {name: torch.cat([value] * 8) for name, value in batch().items()}
    with torch.no_grad():
        played, _ = objective.play(nets(student), student.conditioner, many, steps, step, seeded_generator(5))
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
    student = student_module(run, ROLLOUT, **RATE).train()
    graded = []
    student.denoiser.register_forward_hook(lambda *_: graded.append(torch.is_grad_enabled()))
    for steps in (2, 5):
        graded.clear()
        played, distances = ROLLOUT.play(nets(student), student.conditioner, batch(), steps, 4, seeded_generator(4))
        assert sum(graded) == ROLLOUT.supervised_steps and len(graded) >= steps
        (gradient,) = torch.autograd.grad(played.sum() + torch.stack(distances).sum(), [student.denoiser.net.out.weight])
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
        student = student_module(run, objective, self_generated_past=0.0, **RATE).train()
        student.teacher.network.forward = swell
        torch.manual_seed(0)
        student.denoiser.net = Transformer(**NET | {"pitch_head": 0})  # there are no notes in this music
        if weights is not None:
            student.denoiser.load_state_dict(weights)
        optimiser = torch.optim.Adam(student.denoiser.parameters(), 3e-3)
        schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.05, steps)
        for i in range(steps):
            optimiser.zero_grad()
            torch.stack(list(student.losses(music(i), seeded_generator(i)).values())).sum().backward()
            optimiser.step()
            schedule.step()
        return student.eval()

    def error(student):
        stage = Rollout(window=16, longest_step=2, fewest=8, most=8, supervised_steps=1, cold=1.0, levels=[20.0])
        with torch.no_grad():
            said = [stage(nets(student), student.conditioner, music(100 + i), seeded_generator(1000 + i)) for i in range(4)]
        return sum(float(one["rollout"]) for one in said) / len(said)

    plain, own = Endpoint(from_noise=1.0), Rollout(window=16, longest_step=4, levels=[20.0], cold=0.5)
    start = trained(plain, 120)
    tuned, longer = (trained(objective, 60, start.denoiser.state_dict()) for objective in (own, plain))
    errors = error(start), error(tuned), error(longer)
    assert errors[1] < 0.85 * min(errors[0], errors[2]), errors
