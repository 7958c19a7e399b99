"""The coherence model learns which context a stem was played with, its place in time included."""

import pytest
import torch

from accomp.lit import coherence
from accomp.lit.coherence import CoherenceModule

CHANNELS, FRAMES = 8, 140
NET = {"width": 16, "size": 8, "channels": CHANNELS}


class Sketch:
    """Latents that are levels: a decibel is 1 in every channel, silence is -5."""

    hop, basis = 2048, torch.eye(CHANNELS)

    def encode(self, audio):
        return torch.full((len(audio), CHANNELS, 8), -5.0)


@pytest.fixture
def module(monkeypatch) -> CoherenceModule:
    torch.manual_seed(0)
    monkeypatch.setattr(coherence, "sketch_codec", lambda source: Sketch())
    monkeypatch.setattr(coherence, "fingerprint", lambda codec: "0")
    return CoherenceModule("nowhere", NET)


def batch(size: int, seed: int) -> dict:
    """Strokes at random times, in random channels; stem and context have theirs together."""
    generator = torch.Generator().manual_seed(seed)
    strokes = (torch.rand(size, 1, FRAMES, generator=generator) < 0.2).float()
    sounds = [5 * strokes * torch.rand(size, CHANNELS, 1, generator=generator) - 5 for _ in range(2)]
    return {"target": sounds[0], "context": sounds[1], "stem": torch.arange(size) % 2}


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
        "target": torch.full((1, CHANNELS, FRAMES), -5.0),
        "context": some["context"][:1],
        "stem": torch.zeros(1),
    }
    more = {key: torch.cat([value, nothing[key]]) for key, value in some.items()}
    with_silence, *_ = module.compare(more, torch.Generator().manual_seed(0))
    assert torch.isclose(whole, with_silence)
    loss, found, _ = module.compare(nothing, torch.Generator())
    loss.backward()
    assert loss == 0 and found == 0
