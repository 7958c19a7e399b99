import pytest
import torch
from test_causal_codecs import fitted_sketch

from accomp.codec.fingerprint import fingerprint
from accomp.codec.sketch import COARSE, FINE, bands


@pytest.fixture(scope="module")
def codec():
    return fitted_sketch()


@torch.inference_mode()
def test_phase_is_not_in_the_latents(codec):
    t = torch.arange(24 * codec.hop) / 44_100
    one, other = (0.3 * torch.sin(2 * torch.pi * 440 * t + phase)[None] for phase in (0.0, 1.3))
    moved = (codec.encode(one) - codec.encode(other))[:, :, 3:].square().mean()
    quieter = (codec.encode(one) - codec.encode(0.1 * one))[:, :, 3:].square().mean()
    assert moved < 0.01 * quieter


def test_latents_have_unit_variance_on_what_they_were_fitted_to(codec):
    music = 0.1 * torch.randn(4, 60 * codec.hop, generator=torch.Generator().manual_seed(0))
    latents = codec.encode(music * torch.linspace(0, 1, music.shape[1]))
    assert latents.mean().abs() < 1e-2 and latents.square().mean() == pytest.approx(1, abs=0.02)
    assert codec.encode(torch.zeros(1, 4 * codec.hop)).isfinite().all()


def test_a_better_decoder_keeps_old_latents_valid(codec):
    before = fingerprint(codec)
    with torch.no_grad():
        codec.unfold.bias += 1
    assert fingerprint(codec) == before
    codec.centre += 1
    assert fingerprint(codec) != before
    codec.centre -= 1


def test_bands_cover_the_spectrum_evenly():
    for weights, count in ((bands(FINE, 4096), FINE), (bands(COARSE, 1024, 60.0), COARSE)):
        assert weights.shape[0] == count
        torch.testing.assert_close(weights.sum(1), torch.ones(count))
        peaks = weights.argmax(1)
        assert (peaks.diff() >= 0).all()
