"""Where a teacher's steps lead, and how two excerpts are compared."""

import torch

from accomp.diffusion.consistency import drift, endpoint

C = 8


def test_the_endpoint_of_a_gaussian_is_known():
    """Data N(0, 1): the flow from x at sigma ends at x / sqrt(1 + sigma^2)."""

    def denoise(x, sigma, condition):
        return x / (1 + sigma.view(-1, 1, 1) ** 2)

    sigma = torch.tensor([0.5, 3.0, 20.0])
    x = torch.randn(3, 2, 8) * (1 + sigma.view(-1, 1, 1) ** 2).sqrt()
    truth = x / (1 + sigma.view(-1, 1, 1) ** 2).sqrt()
    error = [float((endpoint(denoise, x, sigma, None, steps, 0.01) - truth).abs().max()) for steps in (8, 16, 32)]
    assert error[2] < error[1] < error[0] and error[2] < 0.02


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
