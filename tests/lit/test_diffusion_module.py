"""How the live model is told of its past: what is kept, what it plays itself, and that chance is a number's."""

from types import SimpleNamespace

import torch
from tiny_model import NET, shaken

from accomp.lit.chroma_probe import planning_layer
from accomp.lit.diffusion import DiffusionModule, own_past, seeded_generator, step_generator

B, C, T = 6, NET["channels"], 32


def module(**values):
    return DiffusionModule(NET, {"longest_step": 8, "longest_hidden": 8}, **values)


def batch(seed=0):
    g = torch.Generator().manual_seed(seed)
    latents = {name: torch.randn(B, C, T, generator=g) for name in ("context", "target")}
    notes = (torch.rand(B, 24, T, generator=g) < 0.3).float()
    return latents | {"stem": torch.arange(B) % 4, "clock": torch.randn(B, 10, T, generator=g), "notes": notes}


def test_own_past_replaces_the_end_of_what_is_known_and_nothing_else():
    playing = module(self_generated_past=1.0).eval()
    condition = playing.condition(batch(), seeded_generator(1), playing.denoiser)  # in eval mode nothing is replaced
    past = own_past(playing.denoiser, condition, seeded_generator(2))
    changed = (past != condition.past).any(1)
    assert changed.any() and not (changed & ~condition.masks.known).any()
    for row, known in zip(changed, condition.masks.known, strict=True):
        if row.any():  # one run of frames that ends where the target begins
            first = int(row.float().argmax())
            assert torch.equal(row[first:], known[first:])


def test_own_past_hears_nothing_beyond_the_live_edge():
    playing = module().eval()
    shaken(playing.denoiser)
    heard, other = batch(), batch()
    condition = playing.condition(heard, seeded_generator(3), playing.denoiser)
    other["context"] = torch.where(condition.masks.visible.unsqueeze(1), heard["context"], torch.randn(B, C, T))
    same = playing.condition(other, seeded_generator(3), playing.denoiser)
    torch.testing.assert_close(
        own_past(playing.denoiser, condition, seeded_generator(4)),
        own_past(playing.denoiser, same, seeded_generator(4)),
    )


def test_an_astray_past_has_nothing_of_the_music_but_its_clock():
    playing = module().eval()
    shaken(playing.denoiser)
    music, other = batch(), batch(seed=1)
    other["clock"] = music["clock"]
    one, two = (playing.condition(b, seeded_generator(3), playing.denoiser) for b in (music, other))
    alike = [
        own_past(playing.denoiser, c, seeded_generator(4), wrong_key_prob=1.0) * c.masks.known.unsqueeze(1)
        for c in (one, two)
    ]
    torch.testing.assert_close(*alike)
    unlike = [own_past(playing.denoiser, c, seeded_generator(4)) * c.masks.known.unsqueeze(1) for c in (one, two)]
    assert not torch.allclose(*unlike)


def test_the_network_learns_about_notes_and_is_not_changed_by_being_overheard():
    torch.manual_seed(0)
    plain, listening = module().eval(), module(notes=0.5).eval()
    shaken(plain.denoiser)
    listening.denoiser.load_state_dict(plain.denoiser.state_dict())
    losses = [m.losses(batch(), seeded_generator(6)) for m in (plain, listening)]
    assert losses[0] == {"loss": losses[1]["loss"]} and losses[1].keys() == {"loss", "notes", "heard", "sounded"}

    net, reader = listening.denoiser.net, listening.reader
    taught = {"notes": [planning_layer(net).down, reader.read], "heard": [net.pitch_head.near], "sounded": [net.out]}
    for name, layers in taught.items():
        listening.zero_grad()
        losses[1][name].backward(retain_graph=True)
        assert all(layer.weight.grad.any() for layer in layers)
    assert not planning_layer(net)._forward_hooks


def test_the_ear_does_not_learn_to_hear_what_it_wishes():
    """What sounded wrong moves what is played, never the ear that heard it so."""
    listening = module(notes=1.0).eval()
    net = shaken(listening.denoiser).net
    estimate, hidden = torch.randn(B, C, T, requires_grad=True), torch.randn(B, T // 2, NET["width"])
    condition = listening.condition(batch(), seeded_generator(7), listening.denoiser)
    listening.reader.losses(net, hidden, estimate, condition, batch()["notes"])["sounded"].backward()
    assert estimate.grad.any() and all(weight.grad is None for weight in net.pitch_head.parameters())


def test_in_training_some_are_deaf_and_in_play_none():
    playing = module(cond_dropout=0.5)
    trained = playing.condition(batch(), seeded_generator(5), playing.denoiser)
    deaf = ~trained.masks.visible.any(1) & ~trained.clock.flatten(1).any(1)
    assert 0 < deaf.sum() < B
    playing.eval()
    played = playing.condition(batch(), seeded_generator(5), playing.denoiser)
    assert (~played.masks.visible.any(1) & ~played.clock.flatten(1).any(1)).sum() < deaf.sum()


def test_no_two_batches_of_a_run_share_their_chance():
    def draws(step, rank, index, world=2, accumulate=3):
        trainer = SimpleNamespace(accumulate_grad_batches=accumulate, world_size=world)
        place = SimpleNamespace(trainer=trainer, global_step=step, global_rank=rank)
        return float(torch.rand((), generator=step_generator(place, index)))

    seen = [draws(step, rank, 3 * step + i) for step in range(4) for rank in range(2) for i in range(3)]
    assert len(set(seen)) == len(seen)
