import itertools

import pytest
import torch

from accomp.diffusion.noise import karras, log_normal
from accomp.diffusion.samplers import consistency, dpm_solver, euler, heun, nfe

MEAN, STD = 2.0, 0.5


def gaussian(x, sigma):
    """The exact denoiser of data ~ N(MEAN, STD^2)."""
    return (STD**2 * x + sigma**2 * MEAN) / (STD**2 + sigma**2)


def exact(noise, sigma_max):
    """Where the probability flow carries sigma_max * noise."""
    return MEAN + (sigma_max * noise - MEAN) * STD / (STD**2 + sigma_max**2) ** 0.5


@pytest.mark.parametrize(("sampler", "order"), [(euler, 1), (heun, 2), (dpm_solver, 2)])
def test_order_of_convergence(sampler, order):
    noise = torch.randn(1000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    errors = []
    for steps in (32, 64, 128):
        x = sampler(gaussian, noise, karras(steps, 0.002, 10.0).double())
        errors.append(float((x - exact(noise, 10.0)).abs().mean()))
    rates = [torch.log2(torch.tensor(a / b)).item() for a, b in itertools.pairwise(errors)]
    assert all(rate == pytest.approx(order, abs=0.35) for rate in rates), rates


def test_a_consistent_function_needs_one_call_and_stays_right_with_more():
    def consistent(x, sigma):  # the exact end of the flow through (x, sigma)
        return MEAN + (x - MEAN) * STD / (STD**2 + sigma**2) ** 0.5

    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(200_000, generator=generator)
    one = consistency(consistent, noise, karras(1, 80.0, 80.0))
    assert one.mean() == pytest.approx(MEAN, abs=0.02) and one.std() == pytest.approx(STD, abs=0.01)
    draws = torch.randn(3, 200_000, generator=generator)
    four = consistency(consistent, noise, karras(4, 0.3, 80.0), lambda i: draws[i])
    assert four.std() == pytest.approx(STD, abs=0.02)
    with pytest.raises(ValueError, match="renoise"):
        consistency(consistent, noise, karras(2, 1.0, 80.0))


@pytest.mark.parametrize(("sampler", "steps", "calls"), [(euler, 5, 5), (heun, 5, 9), (dpm_solver, 5, 5), (consistency, 2, 2)])
def test_calls_are_counted(sampler, steps, calls):
    made = []
    sigmas = karras(steps, 0.1, 80.0)
    sampler(lambda x, s: made.append(s) or gaussian(x, s), torch.zeros(3), sigmas, lambda i: torch.zeros(3))
    assert len(made) == calls == nfe(sampler, sigmas)


def test_schedules_descend_to_zero():
    sigmas = karras(5, 1e-4, 50.0, rho=9)
    torch.testing.assert_close(sigmas, torch.tensor([50, 7.354, 0.6418, 0.02239, 1e-4, 0]), rtol=1e-3, atol=1e-6)
    drawn = log_normal(20_000, -1.2, 1.2, torch.Generator().manual_seed(0)).log()
    assert drawn.mean() == pytest.approx(-1.2, abs=0.05) and drawn.std() == pytest.approx(1.2, abs=0.05)
