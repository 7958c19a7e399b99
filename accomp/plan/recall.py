"""Where in the past of a session the music was most like now, so that what followed then is expected to follow again.

Beats are compared by their pitch class profiles, each less the mean of all, by the cosine of the angle between sixteen
of them in a row. `accomp.benchmarks.plan` scores what this expects.
"""

from typing import NamedTuple

import numpy as np

QUERY = 16  # beats that are compared
SHORTEST = 8  # beats compared at the least, in a young session
BAR_BONUS = 0.02  # of the similarity, for places that are complete bars away
MOST, SHARPNESS = 4, 0.02  # places that are averaged; a place this much less similar counts 1 / e of the best


class Match(NamedTuple):
    """What stands at beat n is expected to be what stood at beat n - `lag`; `similarity` of the places is in [-1, 1]."""

    lag: int
    similarity: float


def best_matches(
    profiles: np.ndarray, now: int, ahead: int, bar: int = 4, after: int | None = None, most: int = MOST
) -> list[Match]:
    """The places most like the beats before `now`, best first, with `ahead` beats known behind them; none when there is
    none.

    Args:
        profiles: pitch class profiles of beats (N, 12); without `after`, beats from `now` on are not looked at
        bar: beats per bar, as far as known
        after: in training, beats from here on count as past too: repetition looks the same in both directions
    """
    length = min(QUERY, now // 2)
    known = len(profiles) if after is not None else now
    if length < SHORTEST or now > len(profiles):
        return []
    ends = np.arange(length, known - max(ahead, 1) + 1)  # one past the beats that are compared with the query
    allowed = ends + max(ahead, 1) <= now
    if after is not None:
        allowed |= ends >= after
    ends = ends[allowed]
    if not len(ends):
        return []
    centred = profiles[:known] - profiles[:now].mean(0)
    windows = np.lib.stride_tricks.sliding_window_view(centred, length, axis=0)[ends - length].reshape(len(ends), -1)
    query = centred[now - length : now].T.ravel()
    norms = np.linalg.norm(windows, axis=1) * np.linalg.norm(query)
    if norms.max() < 1e-6:
        return []  # nothing with a pitch
    similarity = windows @ query / np.maximum(norms, 1e-6)
    best = np.argsort(-(similarity + BAR_BONUS * ((now - ends) % max(bar, 1) == 0)), kind="stable")[:most]
    return [Match(now - int(ends[i]), float(np.clip(similarity[i], -1, 1))) for i in best]


def recalled(rows: np.ndarray, beats: np.ndarray, matches: list[Match]) -> np.ndarray:
    """What the matches expect at `beats` (M,), in whole beats, of rows (N, K) that hold one a beat: (M, K).

    The mean over the matches, weighted by how near each comes to the best; beats that are not in `rows` are left out.
    """
    total, weights = np.zeros((len(beats), rows.shape[1])), np.full((len(beats), 1), 1e-9)
    for match in matches:
        place = beats - match.lag
        inside = (place >= 0) & (place < len(rows))
        weight = np.exp((match.similarity - matches[0].similarity) / SHARPNESS)
        total[inside] += weight * rows[place[inside]]
        weights[inside] += weight
    return total / weights
