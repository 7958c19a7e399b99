"""The paper's codec keeps the contract's shapes and geometry, whatever its weights."""

import sys

import pytest
import torch

from accomp.codec.music2latent import Music2Latent
from accomp.errors import UserError


@pytest.fixture(scope="module")
def codec() -> Music2Latent:
    pytest.importorskip("music2latent")
    torch.manual_seed(0)
    return Music2Latent()


def test_a_frame_is_4096_samples(codec):
    with torch.no_grad():
        latents = codec.encode(torch.randn(2, 3 * 4096 + 100))
        assert latents.shape == (2, 64, 3)
        audio = codec.decode(latents[:, :, :2])
    assert audio.shape == (2, 2 * 4096)
    assert audio.isfinite().all() and audio.abs().max() <= 1


def test_an_untrained_codec_makes_noise_and_always_the_same():
    pytest.importorskip("music2latent")
    latents = torch.randn(1, 64, 2)
    with torch.no_grad():
        one, two = (Music2Latent.untrained().decode_stream(latents)[0] for _ in range(2))
    assert torch.equal(one, two) and 1e-3 < one.abs().max() < 1


def test_a_long_answer_is_said_in_pieces(codec, monkeypatch):
    monkeypatch.setattr("accomp.codec.music2latent.PIECE", 2)
    latents = torch.randn(1, 64, 5)
    with torch.no_grad():
        whole, _ = codec.decode_stream(latents)
        state, parts = None, []
        for part in latents.split(2, 2):
            audio, state = codec.decode_stream(part, state)
            parts.append(audio)
    assert whole.shape == (1, 5 * 4096) and torch.equal(whole, torch.cat(parts, 1))


def test_nothing_in_nothing_out(codec):
    assert codec.encode(torch.zeros(1, 4095)).shape == (1, 64, 0)
    assert codec.decode(torch.zeros(1, 64, 0)).shape == (1, 0)


def test_paper_window_needs_no_padding(codec):
    """264 600 samples hold 64 frames and their overhang, so the published 920 dropped samples change nothing."""
    audio = torch.randn(1, 5 * 4096 + 1536 + 920)
    with torch.no_grad():
        torch.testing.assert_close(codec.encode(audio), codec.encode(audio[:, : 5 * 4096 + 1536]))
    assert (264_600 - 1536) // 4096 == 264_600 // 4096 == 64


def test_a_young_stream_hears_what_one_call_hears(codec):
    """Until the window is full, every block's latents are those of all audio so far."""
    audio = torch.randn(1, 4 * 4096)
    with torch.no_grad():
        first, state = codec.encode_stream(audio[:, :4096])
        nothing, state = codec.encode_stream(audio[:, :0], state)
        rest, state = codec.encode_stream(audio[:, 4096:], state)
        assert nothing.shape == (1, 64, 0)
        torch.testing.assert_close(first, codec.encode(audio[:, :4096]))
        torch.testing.assert_close(rest, codec.encode(audio)[:, :, 1:])


def test_a_stream_forgets_what_lies_behind_its_window(codec, monkeypatch):
    monkeypatch.setattr("accomp.codec.music2latent.WINDOW", 3)
    monkeypatch.setattr("accomp.codec.music2latent.REACH", 1)
    audio, state, heard = torch.randn(1, 6 * 4096), None, []
    monkeypatch.setattr(codec, "encode", lambda audio: heard.append(audio) or torch.zeros(1, 64, audio.shape[1] // 4096))
    for k in range(6):
        latents, state = codec.encode_stream(audio[:, k * 4096 : (k + 1) * 4096], state)
        assert latents.shape == (1, 64, 1)
    assert [x.shape[1] // 4096 for x in heard] == [1, 2, 3, 3, 3, 3]
    assert torch.equal(heard[-1], audio[:, -3 * 4096 :])


def test_a_decoded_stream_is_late_by_its_delay_and_has_no_seams(codec, monkeypatch):
    """A decoder that is exact but for a constant: the blocks join by a ramp of `delay` samples, at the stated lateness."""
    levels = iter((0.0, 0.5, 0.2))

    def decode(latents):
        return latents[:, 0].repeat_interleave(4096, 1) + next(levels)

    monkeypatch.setattr(codec, "decode", decode)
    latents, state, out = torch.arange(7.0).expand(1, 64, 7), None, []
    for start, stop in ((0, 2), (2, 3), (3, 7)):
        audio, state = codec.decode_stream(latents[:, :, start:stop], state)
        assert audio.shape == (1, (stop - start) * 4096)
        out.append(audio)
    heard = torch.cat(out, 1)[0]
    assert (heard[: codec.delay] == 0).all()
    music, frames = heard[codec.delay :], torch.arange(7.0).repeat_interleave(4096)[: -codec.delay]
    offset = music - frames
    assert offset.min() >= 0 and offset.max() <= 0.5 + 1e-6
    assert offset.diff().abs().max() < 1e-3, "a step in the offset is a seam"


def test_a_decoded_stream_can_be_repeated(codec):
    latents = torch.randn(1, 64, 2)
    with torch.no_grad():
        before = torch.random.get_rng_state()
        one, two = (codec.decode_stream(latents)[0] for _ in range(2))
    assert torch.equal(one, two) and torch.equal(before, torch.random.get_rng_state())


def test_names_the_package_and_its_licence_when_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "music2latent", None)
    with pytest.raises(UserError, match=r"CC BY-NC 4.0.*pip install music2latent"):
        Music2Latent()


def test_refuses_absent_and_foreign_weights(codec, tmp_path):
    with pytest.raises(UserError, match="no Music2Latent weights"):
        Music2Latent(tmp_path / "none.pt")
    (tmp_path / "odd.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(UserError, match="not Music2Latent's weight file"):
        Music2Latent(tmp_path / "odd.pt")


def test_reads_its_own_weights(codec, tmp_path):
    torch.save({"gen_state_dict": codec.gen.state_dict()}, tmp_path / "music2latent.pt")
    again = Music2Latent(tmp_path / "music2latent.pt")
    audio = torch.randn(1, 2 * 4096)
    with torch.no_grad():
        torch.testing.assert_close(again.encode(audio), codec.encode(audio))
