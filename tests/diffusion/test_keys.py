"""The part of a network that sees latents as notes."""

import pytest
import torch

from accomp.beat.clock import CLOCK_FEATURES
from accomp.diffusion.condition import Condition
from accomp.diffusion.keys import Keys
from accomp.diffusion.transformer import Transformer
from accomp.plan.contract import BASS, CHROMA, HARMONY_ROWS, plan_rows
from accomp.window import masks

KEYS, CHANNELS, FRAMES = 36, 40, 12


@pytest.fixture
def keys():
    torch.manual_seed(0)
    return Keys(KEYS, 21, 4, 16, 2, True)


def test_what_is_read_moves_with_the_notes(keys):
    """An octave higher, the same plan: the features of every key are those of the key an octave below it."""
    plan = torch.rand(1, plan_rows(CHANNELS), FRAMES)
    latents = [torch.rand(1, CHANNELS, FRAMES) for _ in range(3)]
    higher, moved = [x.roll(12, 1) for x in latents], plan.clone()
    for first in (HARMONY_ROWS, HARMONY_ROWS + CHANNELS):
        moved[:, first : first + CHANNELS] = plan[:, first : first + CHANNELS].roll(12, 1)
    here = keys.read(keys.grids(latents, plan), torch.zeros(1, 16))[0]
    there = keys.read(keys.grids(higher, moved), torch.zeros(1, 16))[0]
    inner = slice(14, KEYS - 2)  # further than two convolutions from where the octaves wrap around
    torch.testing.assert_close(there[:, :, inner], here[:, :, 2 : KEYS - 14])


def test_the_pitch_classes_of_the_plan_lie_at_their_keys(keys):
    plan = torch.zeros(1, plan_rows(CHANNELS), FRAMES)
    plan[:, CHROMA.start] = 1  # C
    plan[:, BASS.start + 9] = 1  # A, the lowest key
    grids = keys.grids([torch.zeros(1, CHANNELS, FRAMES)] * 3, plan)
    assert grids.shape == (1, 7, KEYS, FRAMES)
    assert grids[0, 3, :, 0].nonzero()[:, 0].tolist() == [3, 15, 27]
    assert grids[0, 4, :, 0].nonzero()[:, 0].tolist() == [0, 12, 24]


def test_without_a_plan_there_are_only_latents():
    keys = Keys(KEYS, 21, 4, 16, 2, False)
    assert keys.grids([torch.zeros(2, CHANNELS, FRAMES)] * 3, None).shape == (2, 3, KEYS, FRAMES)


def test_a_network_with_keys_begins_with_zeros_and_learns_all_its_weights():
    torch.manual_seed(0)
    rows = plan_rows(CHANNELS)
    net = Transformer(channels=CHANNELS, width=32, layers=1, heads=2, plan=rows, keys=KEYS, key_features=4)
    one = torch.ones(2, dtype=torch.long)
    condition = Condition(
        context=torch.randn(2, CHANNELS, FRAMES),
        past=torch.randn(2, CHANNELS, FRAMES),
        masks=masks(FRAMES, 0 * one, 8 * one, 0 * one, 6 * one),
        stem=one,
        clock=torch.randn(2, CLOCK_FEATURES, FRAMES),
        plan=torch.rand(2, rows, FRAMES),
    )
    x = torch.randn(2, CHANNELS, FRAMES)
    assert not net(x, torch.zeros(2), condition).any()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter += 0.02 * torch.randn_like(parameter)
    net(x, torch.zeros(2), condition).square().mean().backward()
    still = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.any()]
    assert not still
