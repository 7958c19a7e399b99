"""Fréchet and kernel distance of sets of points whose distance is known."""

import numpy as np
import pytest

from accomp.metrics.frechet import frechet_distance
from accomp.metrics.kernel import LEAST_POINTS, SCALE, kernel_distance

RNG = np.random.default_rng(0)


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
