"""What the model is told in training: which past it gets, when the condition is dropped."""

import pytest
import torch
from tiny_model import NET, shaken

from accomp.diffusion.precond import Denoiser
from accomp.diffusion.transformer import Transformer
from accomp.lit.conditioner import Conditioner, ContextConditioner, generated_past
from accomp.lit.seeds import seeded_generator
from accomp.window import PaperDraw, PlayingDraw

B, C, T = 6, NET["channels"], 32
DRAW = PlayingDraw(longest_step=8, longest_hidden=8)


def batch(seed=0):
    g = torch.Generator().manual_seed(seed)
    latents = {name: torch.randn(B, C, T, generator=g) for name in ("context", "target")}
    return latents | {"stem": torch.arange(B) % 4, "clock": torch.randn(B, 10, T, generator=g)}


@pytest.fixture
def player():
    return shaken(Denoiser(Transformer(**NET))).eval()


def test_a_generated_past_replaces_the_end_of_what_is_known_and_nothing_else(player):
    condition = Conditioner(DRAW, self_generated_past=1.0)(batch(), seeded_generator(1), player)
    past = generated_past(player, condition, seeded_generator(2))
    changed = (past != condition.past).any(1)
    assert changed.any() and not (changed & ~condition.masks.known).any()
    for row, known in zip(changed, condition.masks.known, strict=True):
        if row.any():  # one run of frames that ends where the target begins
            first = int(row.float().argmax())
            assert torch.equal(row[first:], known[first:])


def test_a_generated_past_does_not_depend_on_what_is_beyond_the_live_edge(player):
    one, other = batch(), batch()
    condition = Conditioner(DRAW)(one, seeded_generator(3), player)
    other["context"] = torch.where(condition.masks.visible.unsqueeze(1), one["context"], torch.randn(B, C, T))
    same = Conditioner(DRAW)(other, seeded_generator(3), player)
    pasts = [generated_past(player, c, seeded_generator(4)) for c in (condition, same)]
    torch.testing.assert_close(*pasts)


def test_a_past_in_a_wrong_key_depends_on_the_clock_alone(player):
    music, other = batch(), batch(seed=1)
    other["clock"] = music["clock"]
    conditions = [Conditioner(DRAW)(b, seeded_generator(3), player) for b in (music, other)]

    def pasts(wrong_key_prob):
        made = [generated_past(player, c, seeded_generator(4), wrong_key_prob) for c in conditions]
        return [past * c.masks.known.unsqueeze(1) for past, c in zip(made, conditions, strict=True)]

    torch.testing.assert_close(*pasts(1.0))
    assert not torch.allclose(*pasts(0.0))


def test_the_condition_is_dropped_for_some_in_training_and_for_none_otherwise(player):
    conditioner = Conditioner(DRAW, cond_dropout=0.5)

    def dropped():
        condition = conditioner(batch(), seeded_generator(5), player)
        return ~condition.masks.visible.any(1) & ~condition.clock.flatten(1).any(1)

    otherwise = dropped().sum()
    player.train()
    assert otherwise < dropped().sum() < B


def test_the_context_conditioner_tells_neither_past_nor_clock(player):
    condition = ContextConditioner(PaperDraw((0.5,)))(batch(), seeded_generator(6), player)
    assert not condition.past.any() and not condition.clock.any() and not condition.masks.known.any()
    assert condition.masks.target.all() and (condition.masks.visible.sum(1) == T // 2).all()
