"""Do the stems, taken together, sound like real ones? The kernel distance between two sets of embeddings.

KAD (Chung et al. 2025, "No More FAD!"): the unbiased squared maximum mean discrepancy (Gretton et al. 2012, eq. 3) under a
Gaussian kernel as wide as the median distance between points of the reference, times 100. Unlike the Fréchet distance it
assumes no Gaussian, and its expectation does not depend on how many points there are; it can fall below 0 by chance.
The embedding is part of the metric's name: see `accomp.metrics.embeddings`.
Failure rule: fewer than `LEAST_POINTS` points on a side are NaN, as is a reference whose points all coincide.
"""

import numpy as np
from scipy.spatial.distance import cdist, pdist

from accomp.metrics.contract import Column

COLUMNS = (Column("kad", "KAD", "Kernel distance, likewise; below 0 by chance for the recordings against themselves."),)
SCALE = 100.0
LEAST_POINTS = 100  # with fewer the number is mostly chance


def kernel_distance(reference: np.ndarray, points: np.ndarray) -> float:
    """Distance of the points (K, D) from the reference (M, D)."""
    if min(len(reference), len(points)) < LEAST_POINTS:
        return float("nan")
    width = np.median(pdist(reference))
    if not width:
        return float("nan")  # there is no scale to measure on
    within = _mean_kernel(pdist(reference), width) + _mean_kernel(pdist(points), width)
    return float(SCALE * (within - 2 * _mean_kernel(cdist(reference, points), width)))


def _mean_kernel(distances: np.ndarray, width: float) -> float:
    return float(np.exp(-(distances**2) / (2 * width**2)).mean())
