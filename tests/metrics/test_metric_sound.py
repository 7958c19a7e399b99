"""Level, harmony, separation and distribution metrics on signals whose answer is known."""

import numpy as np
import pytest

from accomp.metrics.contract import Excerpt
from accomp.metrics.frechet import frechet_distance
from accomp.metrics.harmony import chord_agreement, chroma, chroma_agreement, harmony
from accomp.metrics.kernel import LEAST_POINTS, SCALE, kernel_distance
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
    assert harmony(excerpt(0 * c_major, c_major)) == {"chroma_agreement": 0, "chord_agreement": 0}
    assert all(np.isnan(value) for value in harmony(excerpt(c_major, c_major, stem="drums")).values())


def test_a_stem_agrees_with_the_chord_it_plays_and_not_with_another():
    c_major = tone(261.63) + tone(329.63) + tone(392.0)
    assert chord_agreement(tone(130.81), c_major) > 0.8, "the root"
    assert chord_agreement(tone(185.0), c_major) < 0.2, "F sharp, a tritone away"
    assert chord_agreement(noise(), c_major) == pytest.approx(0.25, abs=0.03), "chance: three of twelve"
    silent_half = np.concatenate([tone(130.81, 1), np.zeros(2 * RATE, np.float32)])
    assert chord_agreement(silent_half, c_major) > 0.8, "a rest is no wrong note"


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


@pytest.mark.parametrize(("distance", "enough"), [(frechet_distance, 2 * 32), (kernel_distance, LEAST_POINTS)])
def test_a_distance_of_too_few_points_is_not_told(distance, enough):
    a, b = RNG.standard_normal((2, enough, 32))
    assert np.isfinite(distance(a, b))
    assert np.isnan(distance(a[1:], b)) and np.isnan(distance(a, b[1:]))


def test_kernel_distance_of_known_gaussians():
    """Two Gaussians of unit variance under a Gaussian kernel of width w have a discrepancy that can be written down."""
    apart, size = 2.0, 3
    a, b = RNG.standard_normal((2, 1500, size))
    b[:, 0] += apart
    width2 = np.median(np.sqrt(((a[:400, None] - a[None, :400]) ** 2).sum(-1)[np.triu_indices(400, 1)])) ** 2
    same = (width2 / (width2 + 2)) ** (size / 2)
    expected = SCALE * 2 * same * (1 - np.exp(-(apart**2) / (2 * (width2 + 2))))
    assert kernel_distance(a, b) == pytest.approx(expected, rel=0.1)


def test_kernel_distance_is_unbiased_and_needs_a_scale():
    same = [kernel_distance(*RNG.standard_normal((2, LEAST_POINTS, 4))) for _ in range(100)]
    assert abs(np.mean(same)) < 4 * np.std(same) / 10, "about 0 on average, and so sometimes below"
    assert min(same) < 0
    assert np.isnan(kernel_distance(np.zeros((LEAST_POINTS, 2)), np.ones((LEAST_POINTS, 2))))
