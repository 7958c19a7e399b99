import pytest
import torch

from accomp.diffusion.inpaint import Inpainting, Kept, adpm2, paper_cm
from accomp.diffusion.noise import karras
from accomp.diffusion.precond import SIGMA_MIN
from accomp.diffusion.samplers import adpm2_step

MEAN, STD = 2.0, 0.5
SCHEDULES = {adpm2: karras(5, 1e-4, 50.0, 9), paper_cm: karras(3, SIGMA_MIN, 80.0, 9)}
both = pytest.mark.parametrize("sampler", SCHEDULES, ids=["adpm2", "paper_cm"])


def gaussian(x, sigma):
    """The exact denoiser of data ~ N(MEAN, STD^2)."""
    return (STD**2 * x + sigma**2 * MEAN) / (STD**2 + sigma**2)


def draws(shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return lambda i: torch.randn(shape, generator=generator)


@both
def test_what_is_kept_comes_back_untouched_and_the_rest_does_not(sampler):
    latents, mask = torch.randn(2, 3, 10), torch.arange(10).expand(2, 10) < 6
    x = sampler(gaussian, torch.randn(2, 3, 10), SCHEDULES[sampler], draws((2, 3, 10)), Kept(latents, mask))
    assert torch.equal(x[:, :, :6], latents[:, :, :6])
    assert not torch.isclose(x[:, :, 6:], latents[:, :, 6:]).any()


@pytest.mark.parametrize(("sampler", "calls", "drawn"), [(adpm2, 16, 16), (paper_cm, 2, 3)])
def test_calls_and_draws_are_those_of_the_paper(sampler, calls, drawn):
    """5 levels are 4 transitions of 2 passes of 2 calls; 17 and 4 draws with the start."""
    made, asked = [], []
    sampler(
        lambda x, s: made.append(float(s)) or x,
        torch.zeros(1, 2, 4),
        SCHEDULES[sampler],
        lambda i: asked.append(i) or torch.zeros(1, 2, 4),
    )
    assert len(made) == calls and asked == list(range(drawn))
    assert min(made) > 0


@pytest.mark.parametrize("resamples", [1, 2])
def test_many_steps_reach_the_distribution(resamples):
    shape = (1, 1, 20_000)
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    x = Inpainting(adpm2_step, resamples)(gaussian, noise, karras(20, 1e-3, 20.0), draws(shape))
    assert x.mean() == pytest.approx(MEAN, abs=0.02) and x.std() == pytest.approx(STD, abs=0.03)


@both
def test_the_denoiser_sees_the_kept_frames_under_noise_of_its_level(sampler):
    """Before the first call of every pass. Frames are so many that their spread tells the level."""
    latents, mask = torch.full((1, 1, 20_000), 3.0), torch.ones(1, 20_000, dtype=torch.bool)
    seen = []
    sampler(
        lambda x, s: seen.append((float(s), x)) or torch.zeros_like(x),
        torch.zeros(1, 1, 20_000),
        SCHEDULES[sampler],
        draws((1, 1, 20_000)),
        Kept(latents, mask),
    )
    levels = set(SCHEDULES[sampler].tolist())
    put_back = [(sigma, x) for sigma, x in seen if sigma in levels]
    assert len(put_back) == (8 if sampler is adpm2 else 2)
    for sigma, x in put_back:
        assert (x - latents).std() == pytest.approx(sigma, rel=0.03)
