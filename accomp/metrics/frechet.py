"""Do the stems, taken together, sound like real ones? The Fréchet distance between two crowds of embeddings.

Each crowd is described by its mean and covariance (Dowson and Landau 1982; for audio: Kilgour et al. 2019, "FAD"). The
number depends on the embedding and on how many points there are, so the embedding is part of the metric's name (see
`accomp.metrics.embeddings`) and only rows with equally many points compare.
It does not hear whether stem and context fit: a random pairing, being real stems, scores about 0.
Failure rule: too few points for a covariance is NaN; silence is a crowd like any other, and far away.
"""

import numpy as np


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Distance between the Gaussians fitted to the points (M, D) and (K, D); 0 when they coincide."""
    if min(len(a), len(b)) < 2:
        return float("nan")
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = _root(np.atleast_2d(cov_a))
    mixed = np.linalg.eigvalsh(root @ np.atleast_2d(cov_b) @ root)
    distance = np.sum((a.mean(0) - b.mean(0)) ** 2) + np.trace(np.atleast_2d(cov_a + cov_b))
    return float(max(0.0, distance - 2 * np.sqrt(mixed.clip(0)).sum()))


def _root(covariance: np.ndarray) -> np.ndarray:
    """The symmetric square root; eigenvalues that rounding made negative count as zero."""
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(values.clip(0))) @ vectors.T
