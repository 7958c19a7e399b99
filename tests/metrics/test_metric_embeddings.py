"""Sound becomes the right number of points, and VGGish's view of it is the published one."""

import numpy as np
import pytest
import torch
from torch import nn

from accomp.errors import UserError
from accomp.metrics.embeddings import (
    MELS,
    PATCH,
    Vggish,
    clap_embedding,
    latent_embedding,
    log_mel,
    mel_bands,
    vggish_embedding,
)

RATE = 44_100


class Average(nn.Module):
    """A codec of one channel: the mean of each frame."""

    hop, channels = 2205, 1

    def __init__(self):
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))

    def encode(self, audio):
        return audio.unfold(1, self.hop, self.hop).mean(-1)[:, None]


def test_latent_embedding_averages_half_seconds():
    audio = np.repeat(np.float32([0.1, 0.2, 0.3]), RATE // 2)
    np.testing.assert_allclose(latent_embedding(Average())(audio)[:, 0], [0.1, 0.2, 0.3], atol=1e-6)


def test_a_tone_lies_in_its_mel_band():
    """1000 Hz is 1000 mel on this scale: band 22 of 64 between 125 and 7500 Hz."""
    sine = np.sin(2 * np.pi * 1000 * np.arange(2 * RATE) / RATE)
    mel = log_mel(sine)
    assert mel.shape == (1 + (32_000 - 400) // 160, MELS)
    centres = np.linspace(*(1127 * np.log1p(np.array([125.0, 7500.0]) / 700)), MELS + 2)[1:-1]
    assert mel.mean(0).argmax() == np.abs(centres - 1127 * np.log1p(1000 / 700)).argmin()
    assert mel.min() >= np.log(0.01) and len(log_mel(np.zeros(100))) == 0
    assert mel_bands().max() <= 1 and (mel_bands().sum(1) > 0).all()


def test_the_network_has_the_published_shapes():
    with torch.device("meta"):
        shapes = {name: tuple(value.shape) for name, value in Vggish().state_dict().items()}
    assert sum(np.prod(shape) for shape in shapes.values()) == 72_141_184, "as published"
    assert shapes["features.13.weight"] == (512, 512, 3, 3) and shapes["embeddings.0.weight"] == (4096, 12_288)
    with torch.device("meta"):
        assert Vggish()(torch.empty(2, 1, PATCH, MELS)).shape == (2, 128)


def test_weights_that_are_missing_or_strange_are_one_line(tmp_path):
    with pytest.raises(UserError, match="vggish=null"):
        vggish_embedding(tmp_path / "none.pth")
    torch.save({"features.0.weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(UserError, match="not VGGish's weights"):
        vggish_embedding(tmp_path / "other.pth")


def test_clap_of_a_folder_makes_a_point_a_second(tmp_path):
    transformers = pytest.importorskip("transformers", reason="pip install transformers==5.23.0")
    shape = {"depths": [1] * 4, "num_attention_heads": [1] * 4, "patch_embeds_hidden_size": 8, "hidden_size": 64}
    text = {
        "vocab_size": 10,
        "hidden_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 1,
        "intermediate_size": 8,
    }
    torch.manual_seed(0)
    transformers.ClapModel(transformers.ClapConfig(audio_config=shape, text_config=text)).save_pretrained(tmp_path)
    transformers.ClapFeatureExtractor(truncation="rand_trunc", padding="repeatpad").save_pretrained(tmp_path)
    embed = clap_embedding(tmp_path)
    audio = (0.1 * np.random.default_rng(0).standard_normal(13 * RATE)).astype(np.float32)
    points = embed(audio)
    assert points.shape == (4, 512) and np.isfinite(points).all()
    np.testing.assert_allclose(points, embed(audio), atol=1e-6, err_msg="nothing is drawn")
    assert np.abs(points - embed(0.5 * audio[::-1])).max() > 1e-6
    assert embed(audio[:RATE]).shape == (1, 512)


def test_clap_that_is_missing_or_strange_is_one_line(tmp_path):
    pytest.importorskip("transformers", reason="pip install transformers==5.23.0")
    with pytest.raises(UserError, match="clap=null"):
        clap_embedding(tmp_path / "none")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UserError, match="not a CLAP model"):
        clap_embedding(tmp_path)
