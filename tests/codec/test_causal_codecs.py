"""The contract of causal codecs, held by each of them: streams equal one pass, and nothing depends on the future."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_model import CODEC, shaken

from accomp.codec.autoencoder import Autoencoder
from accomp.codec.note_codec import NoteCodec

FRAMES = 24


def fitted_notes() -> NoteCodec:
    codec = shaken(NoteCodec(width=32, latent_width=32, transcriber_width=4, transcriber_memory=16))
    codec.fit(torch.randn(400, codec.basis.shape[1], generator=torch.Generator().manual_seed(0)))
    return codec


@pytest.fixture(scope="module", params=["autoencoder", "notes"])
def codec(request):
    makers = {"autoencoder": lambda: shaken(Autoencoder(**CODEC)), "notes": fitted_notes}
    return makers[request.param]()


@pytest.fixture(scope="module")
def audio(codec):
    return 0.2 * torch.randn(2, FRAMES * codec.hop, generator=torch.Generator().manual_seed(1))


def in_blocks(function, data, lengths, unit=1):
    """The results of a streaming function for consecutive blocks of the last axis, joined."""
    state, parts, start = None, [], 0
    for length in [*lengths, data.shape[-1] // unit]:  # the last block is what is left
        stop = min(start + length * unit, data.shape[-1])
        part, state = function(data[..., start:stop], state)
        parts.append(part)
        start = stop
    return torch.cat(parts, -1)


@torch.inference_mode()
@given(st.lists(st.integers(0, 8), min_size=1, max_size=12))
@settings(max_examples=15, deadline=None)
def test_any_split_of_the_stream_equals_one_pass(codec, audio, lengths):
    latents = codec.encode(audio)
    assert (in_blocks(codec.encode_stream, audio, lengths, codec.hop) - latents).abs().max() < 1e-5
    live = in_blocks(codec.decode_stream, latents, lengths)[:, codec.delay :]
    decoded = codec.decode(latents)[:, : live.shape[1]]
    assert (live - decoded).abs().max() < 1e-5 * max(1, decoded.abs().max())


@torch.inference_mode()
def test_nothing_after_a_frame_changes_it(codec, audio):
    changed = audio.clone()
    changed[:, 10 * codec.hop :] *= -0.5
    a, b = codec.encode(audio), codec.encode(changed)
    assert torch.equal(a[:, :, :10], b[:, :, :10]) and not torch.allclose(a[:, :, 10], b[:, :, 10])


@torch.inference_mode()
def test_empty_blocks_give_nothing(codec, audio):
    assert codec.encode_stream(audio[:, :0])[0].shape == (2, codec.channels, 0)
    assert codec.decode_stream(audio.new_zeros(2, codec.channels, 0))[0].shape == (2, 0)


def test_part_of_a_frame_is_refused_in_a_stream_and_left_out_offline(codec):
    with pytest.raises(ValueError, match="in frames of"):
        codec.encode_stream(torch.zeros(1, 1000))
    assert codec.encode(torch.zeros(1, 2 * codec.hop + 5)).shape[2] == 2
    assert codec.encode(torch.zeros(1, 0)).shape[2] == 0
