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


def test_nothing_in_nothing_out(codec):
    assert codec.encode(torch.zeros(1, 4095)).shape == (1, 64, 0)
    assert codec.decode(torch.zeros(1, 64, 0)).shape == (1, 0)


def test_paper_window_needs_no_padding(codec):
    """264 600 samples hold 64 frames and their overhang, so the published 920 dropped samples change nothing."""
    audio = torch.randn(1, 5 * 4096 + 1536 + 920)
    with torch.no_grad():
        torch.testing.assert_close(codec.encode(audio), codec.encode(audio[:, : 5 * 4096 + 1536]))
    assert (264_600 - 1536) // 4096 == 264_600 // 4096 == 64


def test_refuses_to_stream_and_says_so(codec):
    with pytest.raises(UserError, match="whole windows"):
        codec.encode_stream(torch.zeros(1, 4096))


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
