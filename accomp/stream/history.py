"""Memory addressed by absolute position: the recent samples of a stream, and which of them never came."""

import numpy as np


class AudioHistory:
    """The last `capacity` samples of one or several voices, addressed by absolute sample index.

    Writes may come in any order and overwrite; what was never written reads as silence and counts as missing. What has
    fallen behind the newest sample by more than the capacity is forgotten.
    """

    def __init__(self, voices: int, capacity: int):
        self.audio = np.zeros((voices, capacity), np.float32)
        self.filled = np.zeros(capacity, bool)
        self.capacity = capacity
        self.stop = 0  # one past the newest sample written or skipped

    def write(self, start: int, samples: np.ndarray) -> None:
        """Place samples (N,) for all voices, or (voices, N), at absolute index `start`. Non-finite samples become 0."""
        samples = np.nan_to_num(np.atleast_2d(samples), nan=0.0, posinf=0.0, neginf=0.0)
        first = max(start, start + samples.shape[1] - self.capacity, self.stop - self.capacity, 0)
        samples = samples[:, max(first - start, 0) :]
        if samples.shape[1] == 0:
            return
        self.advance(first + samples.shape[1])
        index = np.arange(first, first + samples.shape[1]) % self.capacity
        self.audio[:, index] = samples
        self.filled[index] = True

    def advance(self, stop: int) -> None:
        """Declare that time has reached `stop`: what lies between is missing until it is written."""
        new = min(stop - self.stop, self.capacity)
        if new > 0:
            index = np.arange(stop - new, stop) % self.capacity
            self.audio[:, index] = 0
            self.filled[index] = False
            self.stop = stop

    def read(self, start: int, stop: int) -> tuple[np.ndarray, int]:
        """Samples [start, stop) as (voices, N), and how many of them are missing."""
        audio = np.zeros((self.audio.shape[0], stop - start), np.float32)
        low, high = max(start, self.stop - self.capacity, 0), min(stop, self.stop)
        if low >= high:
            return audio, stop - start
        index = np.arange(low, high) % self.capacity
        audio[:, low - start : high - start] = self.audio[:, index]
        return audio, stop - start - int(self.filled[index].sum())
