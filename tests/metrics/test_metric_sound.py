"""Level, harmony, separation and distribution metrics on signals whose answer is known."""

import numpy as np
import pytest
import torch
from torch import nn

from accomp.metrics.contract import Excerpt
from accomp.metrics.frechet import frechet_distance, latent_embedding
from accomp.metrics.harmony import chroma, chroma_agreement, harmony
from accomp.metrics.levels import correlation, levels, silence_ratio
from accomp.metrics.separation import CEILING_DB, FLOOR_DB, separation

RATE = 44_100
RNG = np.random.default_rng(0)


def tone(hz: float, seconds: float = 3, level: float = 0.3) -> np.ndarray:
    time_s = np.arange(round(seconds * RATE)) / RATE
    return (level * sum(np.sin(2 * np.pi * hz * k * time_s) / k for k in (1, 2, 3))).astype(np.float32)


def noise(seconds: float = 3) -> np.ndarray:
    return (0.1 * RNG.standard_normal(round(seconds * RATE))).astype(np.float32)


def excerpt(answer, context, truth=None, stem="bass") -> Excerpt:
    return Excerpt(stem, answer, context, answer if truth is None else truth, np.zeros(0))


def test_levels_of_a_sine_and_of_silence():
    sine = np.sin(2 * np.pi * 100 * np.arange(RATE) / RATE).astype(np.float32)
    assert levels(excerpt(sine, noise(1)))["rms_db"] == pytest.approx(-3.01, abs=0.01)
    assert levels(excerpt(0 * sine, noise(1))) == {"rms_db": -120, "silence_ratio": 1, "context_correlation": 0}


def test_half_silent_is_half_silent():
    audio = noise(2)
    audio[RATE:] = 0
    assert silence_ratio(audio) == pytest.approx(0.5, abs=0.03)
    assert silence_ratio(np.zeros(0)) == 1


@pytest.mark.parametrize("lag", [0, 1000, 2 * RATE])
def test_a_late_quiet_inverted_copy_is_found(lag):
    context = noise(8)
    copy = np.zeros_like(context)
    copy[lag:] = -0.1 * context[: len(context) - lag]
    assert correlation(copy, context) == pytest.approx(np.sqrt(1 - lag / len(context)), abs=0.02)
    assert correlation(noise(8), context) < 0.05


def test_chroma_knows_the_note():
    for note, hz in {0: 261.63, 4: 164.81, 9: 110.0, 2: 73.42}.items():
        assert chroma(tone(hz, 1)).argmax() == note


def test_same_chord_agrees_and_a_foreign_one_does_not():
    c_major = tone(261.63) + tone(329.63) + tone(392.0)
    f_sharp = tone(369.99) + tone(466.16) + tone(554.37)
    assert chroma_agreement(tone(130.81), c_major) > 0.5
    assert chroma_agreement(tone(92.5), c_major) < 0.1
    assert chroma_agreement(c_major, c_major) == pytest.approx(1)
    assert chroma_agreement(c_major, f_sharp) < 0
    assert harmony(excerpt(0 * c_major, c_major)) == {"chroma_agreement": 0}
    assert np.isnan(harmony(excerpt(c_major, c_major, stem="drums"))["chroma_agreement"])


def test_sdr_of_added_noise_is_the_noise_ratio():
    truth, context = noise(4), noise(4)
    error = noise(4)
    answer = truth + 0.1 * error
    scores = separation(excerpt(answer, context, truth))
    assert scores["sdr_db"] == pytest.approx(20, abs=0.5)
    assert scores["sar_db"] == pytest.approx(20, abs=1.0)
    louder = separation(excerpt(2 * truth, context, truth))
    assert louder["sdr_db"] == pytest.approx(0, abs=0.1), "twice as loud is an error as large as the truth"
    assert louder["sar_db"] > 40, "but no artefact"
    assert set(separation(excerpt(truth, context, truth)).values()) == {CEILING_DB}


def test_separation_of_silence():
    truth, silence = noise(2), np.zeros(2 * RATE, np.float32)
    assert set(separation(excerpt(silence, noise(2), truth)).values()) == {FLOOR_DB}
    assert all(np.isnan(value) for value in separation(excerpt(truth, noise(2), silence)).values())


def test_frechet_of_known_gaussians():
    points = RNG.standard_normal((20_000, 3))
    assert frechet_distance(points, points) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(points, points + np.array([3, 0, 4])) == pytest.approx(25, abs=1e-6)
    assert frechet_distance(points, 2 * points) == pytest.approx(3, rel=0.03), "D (2 - 1)^2"
    turned = points * [1, 2, 3]
    expected = np.trace(np.cov(turned.T)) + 3 - 2 * (1 + 2 + 3)
    assert frechet_distance(points, turned) == pytest.approx(expected, rel=0.05)
    assert np.isnan(frechet_distance(points[:1], points))


def test_frechet_works_with_fewer_points_than_dimensions():
    a, b = RNG.standard_normal((2, 8, 32))
    assert np.isfinite(frechet_distance(a, b)) and frechet_distance(a, b) > 0


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
