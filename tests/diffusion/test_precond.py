import pytest
import torch
from tiny_model import shaken

from accomp.diffusion.condition import Condition
from accomp.diffusion.precond import (
    SIGMA_MIN,
    ClassifierFreeGuidance,
    ConsistencyDenoiser,
    Denoiser,
    loss_weight,
    masked_mse,
)
from accomp.diffusion.transformer import Transformer
from accomp.window import Masks


class Recorder(torch.nn.Module):
    """Stands for F: keeps what it was given, returns zeros."""

    def forward(self, x, c_noise, condition):
        self.x, self.c_noise = x, c_noise
        return torch.zeros_like(x)


@pytest.mark.parametrize("form", [Denoiser, ConsistencyDenoiser])
def test_the_network_sees_unit_variance_at_any_noise_level(form):
    torch.manual_seed(0)
    net = Recorder()
    for sigma in (0.01, 1.0, 50.0):
        x = torch.randn(4, 8, 1000) + sigma * torch.randn(4, 8, 1000)
        form(net)(x, torch.full((4,), sigma), None)
        assert net.x.std() == pytest.approx(1, abs=0.05)
        assert net.c_noise[0] == pytest.approx(torch.tensor(sigma).log() / 4)


def test_the_best_guess_of_a_gaussian_needs_no_network():
    """For unit Gaussian data E[x0 | x] = x / (1 + sigma^2): exactly c_skip x."""
    x = torch.randn(2, 3, 10)
    for sigma in (0.1, 1.0, 10.0):
        torch.testing.assert_close(Denoiser(Recorder())(x, torch.full((2,), sigma), None), x / (1 + sigma**2))


def test_the_consistency_form_is_the_identity_at_its_smallest_noise():
    class Loud(torch.nn.Module):
        def forward(self, x, c_noise, condition):
            return 1e3 * torch.ones_like(x)

    x = torch.randn(2, 3, 10)
    assert torch.equal(ConsistencyDenoiser(Loud())(x, torch.full((2,), SIGMA_MIN), None), x)
    assert not torch.allclose(ConsistencyDenoiser(Loud())(x, torch.full((2,), 1.0), None), x)


def test_loss_is_counted_on_the_mask_alone():
    truth, estimate = torch.zeros(2, 3, 10), torch.ones(2, 3, 10)
    estimate[:, :, 5:] = 100
    mask = torch.zeros(2, 10, dtype=torch.bool)
    mask[:, :5] = True
    assert masked_mse(estimate, truth, mask).tolist() == [1.0, 1.0]
    assert masked_mse(estimate, truth, torch.zeros_like(mask)).tolist() == [0.0, 0.0]


def test_weight_undoes_the_output_scale():
    sigma = torch.tensor([0.1, 1.0, 10.0])
    c_out = sigma / (sigma**2 + 1).sqrt()
    torch.testing.assert_close(loss_weight(sigma) * c_out**2, torch.ones(3))


def test_guidance_of_one_changes_nothing_and_more_leans_away_from_deafness():
    net = shaken(Transformer(channels=4, width=16, layers=1, heads=2, patch=2))
    denoiser, x, sigma = Denoiser(net), torch.randn(2, 4, 8), torch.tensor([0.5, 3.0])
    half = torch.arange(8).expand(2, 8) >= 4
    condition = Condition(
        torch.randn(2, 4, 8),
        torch.randn(2, 4, 8),
        Masks(~half, ~half, half),
        torch.tensor([0, 1]),
        torch.randn(2, 10, 8),
    )
    heard, deaf = (denoiser(x, sigma, c) for c in (condition, condition.without_condition(torch.tensor([True, True]))))
    assert not torch.allclose(heard, deaf)
    torch.testing.assert_close(ClassifierFreeGuidance(denoiser, 1.0)(x, sigma, condition), heard)
    torch.testing.assert_close(
        ClassifierFreeGuidance(denoiser, 3.0)(x, sigma, condition) - deaf, 3 * (heard - deaf), rtol=1e-4, atol=1e-5
    )


def test_who_is_deaf_hears_neither_player_nor_clock():
    net = shaken(Transformer(channels=4, width=16, layers=1, heads=2, patch=2))
    yes, no = torch.ones(2, 8, dtype=torch.bool), torch.zeros(2, 8, dtype=torch.bool)
    past, stem, deaf = torch.randn(2, 4, 8), torch.tensor([0, 1]), torch.tensor([True, False])

    def answer() -> torch.Tensor:
        condition = Condition(torch.randn(2, 4, 8), past, Masks(yes, no, yes), stem, torch.randn(2, 10, 8))
        return net(torch.ones(2, 4, 8), torch.zeros(2), condition.without_condition(deaf))

    one, other = answer(), answer()
    torch.testing.assert_close(one[0], other[0])
    assert not torch.allclose(one[1], other[1])
