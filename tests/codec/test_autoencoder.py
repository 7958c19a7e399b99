import pytest
import torch
from tiny_model import CODEC, shaken

from accomp.codec.autoencoder import Autoencoder

FRAMES = 24


@pytest.fixture(scope="module")
def codec():
    return shaken(Autoencoder(**CODEC))


@pytest.fixture(scope="module")
def audio(codec):
    return 0.2 * torch.randn(2, FRAMES * codec.hop, generator=torch.Generator().manual_seed(1))


@torch.inference_mode()
def test_decoded_samples_are_final_after_the_stated_delay(codec, audio):
    """An impulse in the latents sounds no earlier than `delay` before its frame, and does reach that far."""
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
    spectrum = torch.view_as_complex((x * power ** (0.35 / 0.3)).contiguous())
    restored, _ = codec.overlap_add(torch.fft.irfft(spectrum, n=codec.config.fft), None)
    assert (restored[:, codec.delay + codec.hop :] - audio[:, codec.hop : -codec.delay]).abs().max() < 1e-4


BAD = {
    "silence": torch.zeros(1, 4096),
    "direct current": torch.ones(1, 4096),
    "loud noise": 1000 * torch.randn(1, 4096),
    "loud square": torch.tensor([1000.0, -1000.0]).repeat_interleave(64).repeat(32)[None],
    "one sample": torch.nn.functional.pad(torch.full((1, 1), 1000.0), (2047, 2048)),
}


@torch.inference_mode()
@pytest.mark.parametrize("block", BAD.values(), ids=BAD)
def test_extreme_input_stays_bounded_and_is_forgotten(codec, block):
    """Latents and audio stay finite and bounded; past the receptive field both are those of a stream without the block."""
    latents, encoder_state = codec.encode_stream(block)
    assert latents.isfinite().all() and latents.abs().max() <= codec.config.bound
    audio, decoder_state = codec.decode_stream(latents)
    assert audio.isfinite().all()
    after = 0.1 * torch.randn(1, 20 * codec.hop)
    again, _ = codec.encode_stream(after, encoder_state)
    clean = codec.encode(after)
    settled = encoder_reach(codec)
    torch.testing.assert_close(again[:, :, settled:], clean[:, :, settled:], atol=1e-4, rtol=0)
    settled = (settled + decoder_reach(codec)) * codec.hop
    recovered, _ = codec.decode_stream(again, decoder_state)
    expected, _ = codec.decode_stream(clean)
    assert recovered.isfinite().all()
    torch.testing.assert_close(recovered[:, settled:], expected[:, settled:], atol=1e-4, rtol=0)


def encoder_reach(codec) -> int:
    """Frames after which a latent no longer depends on what came before: the receptive field, less the frame itself."""
    c = codec.config
    fast = codec.delay + c.encoder_blocks * 6 * c.fft_hop  # samples
    return -(-fast // codec.hop) + 2 * c.latent_blocks


def decoder_reach(codec) -> int:
    """Frames after which decoded audio no longer depends on a latent, the overlap of the last Fourier frame included."""
    c = codec.config
    return -(-(codec.delay + c.decoder_blocks * 6 * c.fft_hop) // codec.hop) + 2 * c.latent_blocks


@torch.inference_mode()
def test_receptive_fields_are_as_computed(codec):
    """One frame less and the past still has an effect: the recovery tested above is as fast as it can be."""
    audio = 0.1 * torch.randn(1, 16 * codec.hop)
    other = audio.clone()
    other[:, codec.hop - 1] += 1  # the last sample of frame 0
    different = (codec.encode(audio) - codec.encode(other)).abs().amax((0, 1)) > 1e-7
    assert int(different.nonzero()[-1]) == encoder_reach(codec)
    latents = codec.encode(audio)
    changed = latents.clone()
    changed[:, :, 0] += 1
    different = (codec.decode_stream(latents)[0] - codec.decode_stream(changed)[0]).abs()[0] > 1e-7
    assert int(different.nonzero()[-1]) // codec.hop == decoder_reach(codec)


def test_training_standardises_latents():
    torch.manual_seed(0)
    codec = Autoencoder(**CODEC).train()
    with torch.no_grad():
        for _ in range(400):
            z = codec.standardise(3 + 5 * torch.randn(4, 10, 8))
    assert z.std() == pytest.approx(1, abs=0.15) and abs(z.mean()) < 0.15
