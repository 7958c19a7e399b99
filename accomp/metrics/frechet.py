"""Do the stems, taken together, sound like real ones? The Fréchet distance between two sets of embeddings.

Each set is described by its mean and covariance (Dowson and Landau 1982; for audio: Kilgour et al. 2019, "FAD"). The number
depends on the embedding and on how many points there are, so the embedding is part of the metric's name (see
`accomp.metrics.embeddings`) and only rows with equally many points compare.
It does not measure whether stem and context fit: a random pairing, being real stems, scores about 0.
Failure rule: fewer than two points for each dimension leave the covariance undetermined: NaN. Silence is far from music.
"""

import numpy as np
import torch
from torchaudio.functional import frechet_distance as of_gaussians

from accomp.metrics.contract import Column

COLUMNS = (
    Column("fad", "FAD", "Fréchet distance of all stems together from the recordings, in the embedding named."),
)  # fmt: skip


def least_points(dimensions: int) -> int:
    return 2 * dimensions


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Distance between the Gaussians fitted to the points (M, D) and (K, D); 0 when they coincide."""
    if min(len(a), len(b)) < least_points(a.shape[1]):
        return float("nan")
    (mean_a, cov_a), (mean_b, cov_b) = (
        (torch.from_numpy(x.mean(0)), torch.from_numpy(np.cov(x.T)).reshape(x.shape[1], -1)) for x in (a, b)
    )
    return max(0.0, of_gaussians(mean_a, cov_a, mean_b, cov_b).item())
