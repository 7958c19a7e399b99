from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from tiny_model import NET, shaken

from accomp.beat.clock import CLOCK_FEATURES
from accomp.diffusion.condition import Condition
from accomp.diffusion.transformer import Transformer
from accomp.parts import build_part
from accomp.window import PlayingDraw

B, C, T = 4, NET["channels"], 48


@pytest.fixture(scope="module")
def net():
    return shaken(Transformer(**NET))


@pytest.fixture
def inputs():
    generator = torch.Generator().manual_seed(0)

    def latents(channels=C):
        return torch.randn(B, channels, T, generator=generator)

    masks = PlayingDraw(longest_step=20, longest_hidden=10, long_target=0, retrospective=0, cold=0, partial_past=0)(
        B, T, generator
    )
    stem = torch.arange(B)
    return latents(), torch.zeros(B), Condition(latents(), latents(), masks, stem, latents(CLOCK_FEATURES))


@torch.inference_mode()
def test_what_is_masked_does_not_matter(net, inputs):
    x, noise, condition = inputs
    m = condition.masks
    before = net(x, noise, condition)
    hidden = torch.where(m.visible[:, None], condition.context, 9.0)
    unknown = torch.where(m.known[:, None], condition.past, -9.0)
    elsewhere = torch.where(m.target[:, None], x, 5.0)
    after = net(elsewhere, noise, replace(condition, context=hidden, past=unknown))
    torch.testing.assert_close(before, after)


@torch.inference_mode()
@pytest.mark.parametrize("what", ["context", "past", "clock"])
def test_what_is_not_masked_matters(net, inputs, what):
    x, noise, condition = inputs
    before = net(x, noise, condition)
    after = net(x, noise, replace(condition, **{what: getattr(condition, what) + 1}))
    assert ((before - after).abs().amax((1, 2)) > 1e-4).all()


@torch.inference_mode()
def test_hidden_is_not_silent(net, inputs):
    """A frame of zeros that was heard differs from a frame that was not."""
    x, noise, condition = inputs
    context = torch.zeros_like(condition.context)
    heard = net(x, noise, replace(condition, context=context))
    masks = replace(condition.masks, visible=torch.zeros_like(condition.masks.visible))
    assert not torch.allclose(heard, net(x, noise, replace(condition, context=context, masks=masks)), atol=1e-4)


@torch.inference_mode()
def test_an_item_does_not_depend_on_its_batch(net, inputs):
    x, noise, c = inputs
    whole = net(x, noise, c)
    for i in range(B):
        one = slice(i, i + 1)
        alone = net(x[one], noise[one], c[one])
        torch.testing.assert_close(alone, whole[one], rtol=1e-4, atol=1e-5)


@torch.inference_mode()
@pytest.mark.parametrize("notes", [{}, {"keys": C, "key_features": 4}])
def test_in_playing_the_targets_are_what_they_are_in_training_and_nothing_else_is_made(inputs, notes):
    x, noise, condition = inputs
    net, target = shaken(Transformer(**NET, **notes)), condition.masks.target[:, None].expand(-1, C, -1)
    assert not target[:, :, : T // 2].any() and target[:, 0].sum(1).unique().numel() > 1
    trained, played = net.train()(x, noise, condition), net.eval()(x, noise, condition)
    torch.testing.assert_close(played[target], trained[target], rtol=1e-4, atol=1e-5)
    assert trained[~target].any() and not played[~target].any()


def test_the_shipped_size_is_small_enough_to_play():
    planned = yaml.safe_load((Path(__file__).parents[2] / "conf" / "net" / "planned.yaml").read_text())
    parameters = sum(p.numel() for p in build_part(planned).parameters())
    assert parameters <= 6_000_000
