"""Training of the note codec on a chord whose score is known."""

import torch

from accomp.codec.note_codec import NoteCodec
from accomp.codec.transcriber import LOWEST_PITCH
from accomp.lit.note_codec import NoteCodecModule, mixed, pieces
from accomp.lit.seeds import seeded_generator
from accomp.timeline import SAMPLE_RATE

FRAMES, HOP = 24, 2048


def batch() -> dict:
    """Two excerpts: the target plays A3, the context E4, both from frame 4 on."""
    t = torch.arange(FRAMES * HOP) / SAMPLE_RATE
    sounds = (t >= 4 * HOP / SAMPLE_RATE).float()
    target, context = (0.1 * sounds * torch.sin(2 * torch.pi * hz * t) for hz in (220.0, 329.63))
    rolls = torch.zeros(2, 2, 96, FRAMES)
    for row, pitch in ((0, 64), (1, 57)):
        rolls[:, row, pitch - LOWEST_PITCH, 4:] = 1
        rolls[:, row, pitch - LOWEST_PITCH, 4] = 2
    audio = {"context": context.repeat(2, 1), "target": target.repeat(2, 1)}
    return audio | {"rolls": rolls, "stem": torch.zeros(2, dtype=torch.long)}


def module() -> NoteCodecModule:
    torch.manual_seed(0)
    codec = NoteCodec(width=32, latent_width=32, decoder_blocks=1, transcriber_width=4, transcriber_memory=16)
    codec.fit(torch.randn(400, codec.basis.shape[1]))
    return NoteCodecModule(codec, piece=20)


def test_both_halves_learn_and_neither_from_the_other():
    trained, data = module(), batch()
    transcriber = list(trained.codec.transcriber.parameters())
    decoder = [p for name, p in trained.codec.named_parameters() if not name.startswith("transcriber")]
    trained.transcription(data, seeded_generator(0))["transcription"].backward()
    assert any(p.grad is not None and p.grad.any() for p in transcriber) and all(p.grad is None for p in decoder)
    trained.zero_grad()
    torch.stack(list(trained.decoding(data, seeded_generator(0)).values())).sum().backward()
    assert all(p.grad is None for p in transcriber)
    heads = (trained.codec.sinusoids.correction, trained.codec.sinusoids.detune, trained.codec.noise.correction)
    assert all(head.weight.grad.any() for head in heads), "layers before the heads follow when these have left zero"


def test_the_losses_fall():
    trained, data = module(), batch()
    optimiser = torch.optim.Adam(trained.parameters(), 3e-3)
    seen = []
    for step in range(25):
        losses = trained.transcription(data, seeded_generator(step)) | trained.decoding(data, seeded_generator(0))
        optimiser.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        optimiser.step()
        seen.append({name: float(loss.detach()) for name, loss in losses.items()})
    assert seen[-1]["transcription"] < 0.7 * seen[0]["transcription"]
    assert seen[-1]["noise"] < seen[0]["noise"]


def test_a_mix_has_the_notes_of_its_parts_and_unknown_notes_stay_unknown():
    data = batch()
    choices = {float(roll.sum()) for key in range(8) for roll in mixed(data, HOP, seeded_generator(key))[1]}
    assert choices == {21.0, 42.0}
    data["rolls"][0, 0] = float("nan")
    loss = module().transcription(data, seeded_generator(1))["transcription"]
    assert loss.isfinite()


def test_the_decoder_gets_the_loudest_of_some_pieces():
    data = batch()
    data["target"][:, : 16 * HOP] = 0
    audio, roll = pieces(data, 8, HOP, seeded_generator(0))
    assert audio.shape == (2, 8 * HOP) and roll.shape == (2, 96, 8)
    assert (audio.abs().amax(1) > 0).all()
