import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_model import CODEC, shaken

from accomp.codec.autoencoder import Autoencoder

FRAMES = 24


@pytest.fixture(scope="module")
def codec():
    return shaken(Autoencoder(**CODEC))


@pytest.fixture(scope="module")
def audio(codec):
    return 0.2 * torch.randn(2, FRAMES * codec.hop, generator=torch.Generator().manual_seed(1))


splits = st.lists(st.integers(1, 8), min_size=1, max_size=12)


def blocks(lengths):
    """Lengths cut off so that they add up to FRAMES."""
    at = 0
    for n in [*lengths, FRAMES]:
        n = min(n, FRAMES - at)
        if n:
            yield at, at + n
        at += n


@torch.inference_mode()
@given(splits)
@settings(max_examples=15, deadline=None)
def test_any_split_of_the_stream_equals_one_pass(codec, audio, lengths):
    whole = codec.encode(audio)
    state, parts = None, []
    for start, stop in blocks(lengths):
        part, state = codec.encode_stream(audio[:, start * codec.hop : stop * codec.hop], state)
        parts.append(part)
    assert (torch.cat(parts, 2) - whole).abs().max() < 1e-5

    offline = codec.decode(whole)
    state, parts = None, []
    for start, stop in blocks(lengths):
        part, state = codec.decode_stream(whole[:, :, start:stop], state)
        parts.append(part)
    live = torch.cat(parts, 1)[:, codec.delay :]
    assert (live - offline[:, : live.shape[1]]).abs().max() < 1e-5


@torch.inference_mode()
def test_nothing_after_a_frame_changes_it(codec, audio):
    changed = audio.clone()
    changed[:, 10 * codec.hop :] = torch.randn(changed[:, 10 * codec.hop :].shape)
    a, b = codec.encode(audio), codec.encode(changed)
    assert torch.equal(a[:, :, :10], b[:, :, :10])
    assert not torch.allclose(a[:, :, 10], b[:, :, 10])


@torch.inference_mode()
def test_decoded_samples_are_final_after_the_stated_delay(codec, audio):
    """An impulse in the latents is heard no earlier than `delay` before its frame, and does reach that far."""
    latents = codec.encode(audio)
    changed = latents.clone()
    changed[:, :, 10] += 1
    difference = (codec.decode(latents) - codec.decode(changed)).abs().amax(0)
    first = int(difference.nonzero()[0])
    assert 10 * codec.hop - codec.delay <= first <= 10 * codec.hop - codec.delay + 8


def test_synthesis_inverts_analysis():
    """Short Fourier frames, uncompressed again, give back the audio `delay` samples later: nothing lost, nothing moved."""
    codec = Autoencoder(**CODEC)
    audio = 0.3 * torch.randn(1, 20 * codec.hop)
    frames, _ = codec.analyse(audio, None)
    x = frames.unflatten(2, (-1, 2))
    power = x.square().sum(-1, keepdim=True)
    restored, _ = codec.synthesise((x * power ** (0.35 / 0.3)).flatten(2), None)
    assert (restored[:, codec.delay + codec.hop :] - audio[:, codec.hop : -codec.delay]).abs().max() < 1e-4


@torch.inference_mode()
@pytest.mark.parametrize("block", [torch.zeros(1, 4096), torch.ones(1, 4096), 1000 * torch.randn(1, 4096)])
def test_extreme_input_stays_bounded_and_is_forgotten(codec, block):
    latents, state = codec.encode_stream(block)
    assert latents.isfinite().all() and latents.abs().max() <= codec.config.bound
    audio, _ = codec.decode_stream(latents)
    assert audio.isfinite().all()
    after = 0.1 * torch.randn(1, 20 * codec.hop)
    again, _ = codec.encode_stream(after, state)
    clean = codec.encode(after)
    assert (again[:, :, -5:] - clean[:, :, -5:]).abs().max() < 1e-4


def test_part_of_a_frame_is_refused_in_a_stream_and_left_out_offline(codec):
    with pytest.raises(ValueError, match="whole frames"):
        codec.encode_stream(torch.zeros(1, 1000))
    assert codec.encode(torch.zeros(1, 2 * codec.hop + 5)).shape[2] == 2
    assert codec.encode(torch.zeros(1, 0)).shape[2] == 0


def test_training_standardises_latents():
    torch.manual_seed(0)
    codec = Autoencoder(**CODEC).train()
    with torch.no_grad():
        for _ in range(400):
            z = codec.standardise(3 + 5 * torch.randn(4, 10, 8))
    assert z.std() == pytest.approx(1, abs=0.15) and abs(z.mean()) < 0.15
