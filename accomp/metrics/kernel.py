"""Do the stems, taken together, sound like real ones? The kernel distance between two crowds of embeddings.

KAD (Chung et al. 2025, "No More FAD!"): the unbiased squared maximum mean discrepancy (Gretton et al. 2012, eq. 3) under a
Gaussian kernel as wide as the median distance between points of the reference, times 100. Unlike the Fréchet distance it takes
no crowd for a Gaussian, and its expectation does not depend on how many points there are; it can fall below 0 by chance.
The embedding is part of the metric's name: see `accomp.metrics.embeddings`.
Failure rule: fewer than two points on a side is NaN; silence is a crowd like any other, and far away.
"""

import numpy as np
from scipy.spatial.distance import cdist, pdist

SCALE = 100.0


def kernel_distance(reference: np.ndarray, points: np.ndarray) -> float:
    """Distance of the points (K, D) from the reference (M, D)."""
    if min(len(reference), len(points)) < 2:
        return float("nan")
    width = np.median(pdist(reference))
    if not width:
        return float("nan")  # all of the reference is one point: there is no scale to measure on
    within = _mean_kernel(pdist(reference), width) + _mean_kernel(pdist(points), width)
    return float(SCALE * (within - 2 * _mean_kernel(cdist(reference, points), width)))


def _mean_kernel(distances: np.ndarray, width: float) -> float:
    return float(np.exp(-(distances**2) / (2 * width**2)).mean())
