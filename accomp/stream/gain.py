"""Gains that change slowly: a line in decibels from each step to the next, so that nothing jumps."""

import numpy as np

from accomp.timeline import SAMPLE_RATE

STEEPEST_DB_S = 30.0  # change per second
KEPT = 4  # points of the line; an answer begins in the one before


class Gain:
    """The gains of a batch of B signals along the timeline; the first is that of all time before."""

    def __init__(self, batch: int):
        self._at: list[int] = []
        self._db = np.zeros((0, batch))

    def turn(self, at: int, db: np.ndarray) -> None:
        """Have the gains come to `db` (B,) at sample `at`, or as near as they can. What was to come after `at` no longer holds:
        the answers of shorter steps begin before the end of the last longer one.
        """
        earlier = int(np.searchsorted(self._at, at))
        if earlier:
            most = STEEPEST_DB_S * (at - self._at[earlier - 1]) / SAMPLE_RATE
            db = np.clip(db, self._db[earlier - 1] - most, self._db[earlier - 1] + most)
        elif self._at:
            db = self._db[0]
        self._at = [*self._at[:earlier], at][-KEPT:]
        self._db = np.concatenate([self._db[:earlier], db[None]])[-KEPT:]

    def __call__(self, start: int, stop: int) -> np.ndarray:
        """The factors of samples [start, stop), (B, N) float32."""
        if not self._db.any():
            return np.ones((self._db.shape[1], stop - start), np.float32)
        samples = np.arange(start, stop)
        db = np.stack([np.interp(samples, self._at, row) for row in self._db.T])
        return (10 ** (db / 20)).astype(np.float32)
