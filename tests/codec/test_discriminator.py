"""The discriminator and its losses: known values, and that it can learn to tell noise from music."""

import math

import pytest
import torch

from accomp.codec.discriminator import StftDiscriminator, adversarial_loss, discriminator_loss, feature_loss

SMALL = {"windows": [256, 512], "width": 4, "layers": 3}


def test_losses_have_their_known_values():
    sure, wrong = [torch.full((2, 3), 2.0)], [torch.full((2, 3), -2.0)]
    assert discriminator_loss(sure, wrong) == 0 and discriminator_loss(wrong, sure) == 6
    assert discriminator_loss([torch.zeros(2)], [torch.zeros(2)]) == 2
    assert adversarial_loss(sure) == -2 and adversarial_loss(wrong) == 2
    features = [torch.ones(2, 3), 5 * torch.ones(4)]
    assert feature_loss(features, features) == 0
    assert feature_loss(features, [2 * f for f in features]) == 1
    assert math.isfinite(feature_loss([torch.zeros(3)], [torch.ones(3)]))


def test_every_window_gives_scores_and_features():
    scores, features = StftDiscriminator(**SMALL)(torch.randn(3, 8192))
    assert len(scores) == 2 and len(features) == 6
    assert all(score.shape[:2] == (3, 1) for score in scores)
    assert scores[0].shape[2] > scores[1].shape[2], "shorter windows, more frames"


def test_an_excerpt_has_scores_of_its_own():
    discriminator, audio = StftDiscriminator(**SMALL), torch.randn(3, 4096)
    together, alone = discriminator(audio)[0], discriminator(audio[1:2])[0]
    for a, b in zip(together, alone, strict=True):
        torch.testing.assert_close(a[1:2], b)


def test_default_is_small():
    assert sum(p.numel() for p in StftDiscriminator().parameters()) < 200_000


@pytest.mark.parametrize("silent", [False, True])
def test_gradients_reach_the_audio_and_are_finite(silent):
    audio = (torch.zeros(1, 4096) if silent else torch.randn(1, 4096)).requires_grad_()
    scores, features = StftDiscriminator(**SMALL)(audio)
    (adversarial_loss(scores) + feature_loss([torch.ones_like(f) for f in features], features)).backward()
    assert audio.grad.isfinite().all() and (silent or audio.grad.abs().max() > 0)


def test_it_learns_to_tell_tones_from_noise():
    torch.manual_seed(0)
    discriminator = StftDiscriminator(**SMALL)
    optimiser = torch.optim.Adam(discriminator.parameters(), 3e-3)
    time = torch.arange(4096)
    for _ in range(40):
        tones = torch.sin(torch.rand(4, 1) * time) * 0.3
        loss = discriminator_loss(discriminator(tones)[0], discriminator(0.2 * torch.randn(4, 4096))[0])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss < 1, "2 is what one gets who cannot tell"
