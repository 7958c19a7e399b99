"""The coherence model learns which context a stem was played with, its place in time included."""

import torch

from accomp.lit.coherence import CoherenceModule
from accomp.metrics.coherence import PIECE
from accomp.timeline import SAMPLE_RATE

RATE = SAMPLE_RATE


def batch(size: int, seed: int) -> dict:
    """Bursts of noise at random times; stem and context have theirs together."""
    generator = torch.Generator().manual_seed(seed)
    samples = PIECE + 3 * RATE // 2
    gate = torch.zeros(size, samples)
    for row in gate:
        for at in torch.randint(samples, (6,), generator=generator).tolist():
            row[at : at + RATE // 4] = 0.3
    stem, context = (gate * torch.randn(gate.shape, generator=generator) for _ in range(2))
    return {"target": stem, "context": context, "stem": torch.zeros(size, dtype=torch.long)}


def test_it_learns_to_find_the_context_that_sounds_together():
    torch.manual_seed(0)
    module = CoherenceModule({"width": 16, "size": 16})
    optimiser = torch.optim.Adam(module.parameters(), 3e-3)
    losses = []
    for step in range(12):
        loss, _, _ = module.judge(batch(6, step), torch.Generator().manual_seed(step))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert sum(losses[-3:]) < 0.9 * sum(losses[:3])


def test_silence_is_left_out_and_a_silent_batch_costs_nothing():
    module = CoherenceModule({"width": 16, "size": 16})
    some = batch(3, 0)
    whole, *_ = module.judge(some, torch.Generator().manual_seed(0))
    more = {key: torch.cat([value, torch.zeros_like(value[:1])]) for key, value in some.items()}
    with_silence, *_ = module.judge(more, torch.Generator().manual_seed(0))
    assert torch.isclose(whole, with_silence)
    loss, found, _ = module.judge({key: torch.zeros_like(value) for key, value in some.items()}, torch.Generator())
    loss.backward()
    assert loss == 0 and found == 0
