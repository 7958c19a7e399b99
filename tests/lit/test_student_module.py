"""What the student learns from its teacher: where the walk ends, under the teacher's own masks, deaf to nothing."""

import pytest
import torch
import yaml
from tiny_model import NET, shaken

from accomp.diffusion.consistency import endpoint
from accomp.diffusion.precond import Denoiser, Guided
from accomp.diffusion.transformer import Transformer
from accomp.lit.diffusion import chance
from accomp.lit.student import ConsistencyStudentModule, EndpointStudentModule

B, C, T = 4, NET["channels"], 32


@pytest.fixture
def run(tmp_path):
    """A teacher's run, as train.py leaves it."""
    denoiser = shaken(Denoiser(Transformer(**NET)), seed=1)
    (tmp_path / "checkpoints").mkdir()
    torch.save(
        {"state_dict": {f"denoiser.{k}": v for k, v in denoiser.state_dict().items()}},
        tmp_path / "checkpoints" / "last.ckpt",
    )
    module = {"_target_": "accomp.lit.diffusion.DiffusionModule", "net": NET, "draw": {"longest_step": 8}, "deaf": 0.9}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"module": module}))
    return str(tmp_path)


def batch():
    g = torch.Generator().manual_seed(0)
    latents = {name: torch.randn(B, C, T, generator=g) for name in ("context", "target")}
    return latents | {"stem": torch.arange(B) % 4, "clock": torch.randn(B, 10, T, generator=g)}


@pytest.mark.parametrize("kind", [EndpointStudentModule, ConsistencyStudentModule])
def test_a_step_moves_the_student_and_never_the_teacher(kind, run):
    student = kind(run, guidance=2.0, self_past=1.0).train()
    assert isinstance(student.teacher, Guided)
    before = {name: value.clone() for name, value in student.playing.state_dict().items()}
    losses = student.losses(batch(), chance(0))
    torch.stack(list(losses.values())).sum().backward()
    moved = [p.grad is not None and bool(p.grad.any()) for p in student.denoiser.parameters()]
    assert any(moved) and all(torch.isfinite(loss) for loss in losses.values())
    assert all(p.grad is None for p in student.playing.parameters())
    for name, value in student.playing.state_dict().items():
        assert torch.equal(value, before[name])


def test_the_student_is_never_deaf(run):
    """Though its teacher's run says deaf: 0.9, it hears what the masks and the clock leave it."""
    student = EndpointStudentModule(run, self_past=0.0).train()
    heard = student.playing.condition(batch(), chance(1), student.denoiser)
    plain = student.playing.condition(batch(), chance(1), student.denoiser.eval())
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
