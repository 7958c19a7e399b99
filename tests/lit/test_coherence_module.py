"""The coherence model learns which context a stem was played with, its place in time included."""

import pytest
import torch

from accomp.lit.coherence import CoherenceModule
from accomp.metrics.coherence import HOP, Bands

FRAMES = 140
NET = {"width": 16, "size": 8, "channels": 8}


@pytest.fixture
def module() -> CoherenceModule:
    torch.manual_seed(0)
    return CoherenceModule(NET)


def batch(size: int, seed: int) -> dict:
    """Levels of strokes at random times, in random bands; stem and context have theirs together."""
    generator = torch.Generator().manual_seed(seed)
    strokes = (torch.rand(size, 1, FRAMES, generator=generator) < 0.2).float()
    levels = [2 * strokes * torch.rand(size, Bands.count, 1, generator=generator) - 1 for _ in range(2)]
    return {"target": levels[0], "context": levels[1], "stem": torch.arange(size) % 2}


def test_it_learns_to_find_the_context_that_sounds_together(module):
    optimiser = torch.optim.Adam(module.parameters(), 3e-3)
    losses = []
    for step in range(40):
        loss, _, unshifted = module.compare(batch(12, step), torch.Generator().manual_seed(step))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert sum(losses[-5:]) < 0.6 * sum(losses[:5])
    assert unshifted > 0.8


def test_stems_of_other_instruments_do_not_compete(module):
    twins = {key: value[:1].repeat(2, *[1] * (value.ndim - 1)) for key, value in batch(2, 0).items()}
    found = [
        module.compare(twins | {"stem": torch.tensor(kinds)}, torch.Generator().manual_seed(0))[1] for kinds in ([0, 0], [0, 1])
    ]
    assert found == [0.5, 1]


def test_silence_is_left_out_and_a_silent_batch_costs_nothing(module):
    some = batch(4, 0)
    whole, *_ = module.compare(some, torch.Generator().manual_seed(0))
    nothing = {
        "target": torch.full((1, Bands.count, FRAMES), -1.0),
        "context": some["context"][:1],
        "stem": torch.zeros(1),
    }
    more = {key: torch.cat([value, nothing[key]]) for key, value in some.items()}
    with_silence, *_ = module.compare(more, torch.Generator().manual_seed(0))
    assert torch.isclose(whole, with_silence)
    loss, found, _ = module.compare(nothing, torch.Generator())
    loss.backward()
    assert loss == 0 and found == 0


def test_excerpts_are_audio_and_silent_ones_are_left_out(module):
    sound = 0.1 * torch.randn(3, 2, FRAMES * HOP, generator=torch.Generator().manual_seed(0))
    sound[2, 0] = 0
    losses, figures = module.measure(
        {"target": sound[:, 0], "context": sound[:, 1], "stem": torch.zeros(3)}, torch.Generator().manual_seed(0)
    )
    assert losses["loss"].requires_grad and losses["loss"].isfinite() and figures["found"] in (0, 0.5, 1), "of two"
