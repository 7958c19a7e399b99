"""Of several answers the one is chosen that has most to do with the player."""

import torch

from accomp.diffusion.choice import most_relevant, relevance
from accomp.diffusion.condition import Condition
from accomp.stream.generator import Generator
from accomp.window import masks

B, C, T = 3, 4, 32


class Echo(torch.nn.Module):
    """Expects the player's own latents where it hears them, and silence where it does not."""

    def forward(self, x, sigma, condition):
        return condition.context * condition.masks.visible[:, None]


def condition() -> Condition:
    where = [torch.full((B,), i) for i in (0, T, 0, T - 8)]  # all of it is visible, the last 8 frames are to be played
    return Condition(torch.randn(B, C, T), torch.zeros(B, C, T), masks(T, *where), torch.zeros(B).long(), torch.zeros(B, 10, T))


def test_what_follows_the_player_is_relevant_and_what_does_not_is_not():
    told, noise = condition(), torch.randn(B, C, T)
    assert (relevance(Echo(), told.context, noise, told) > 0).all()
    assert (relevance(Echo(), -told.context, noise, told) < 0).all()


def test_every_voice_has_its_own_choice_and_only_what_is_to_be_played_counts():
    told = condition()
    strangers = [torch.randn(B, C, T) for _ in range(3)]
    for voice in range(B):
        strangers[voice][voice, :, -8:] = told.context[voice, :, -8:]  # each take follows in one voice
    chosen = most_relevant(Echo(), strangers, torch.randn(B, C, T), told)
    for voice in range(B):
        assert torch.equal(chosen[voice], strangers[voice][voice])


def test_a_sampler_of_several_candidates_plays_one_of_them(model, monkeypatch):
    name = next(iter(model.config["samplers"]))
    stems, frames, count = ("bass", "drums"), model.frames, 8
    silence, clock = torch.zeros(2, model.codec.channels, frames), torch.zeros(2, 10, frames)

    def play(candidates: int) -> torch.Tensor:
        monkeypatch.setitem(model.config["samplers"][name], "candidates", candidates)
        context = torch.randn(2, model.codec.channels, frames, generator=torch.Generator().manual_seed(3))
        return Generator(model, stems, [0, 0], name)(context, silence, clock, frames, count, 0, frames, frames - count)

    one, four = play(1), play(4)
    assert one.shape == four.shape == (2, model.codec.channels, count)
    assert torch.equal(four, play(4)), "the same seed gives the same choice"
    assert not torch.equal(one, play(16)), "the first take is hardly the best of sixteen in both voices"
