"""Windows laid end to end over all songs, as the paper draws them: every part of the music equally often."""

from collections.abc import Sequence

import numpy as np


class Tiles:
    """Windows of `size` samples that tile songs of these lengths, joined into one timeline.

    In every round each tile comes once, in an order of its own and moved by up to half a window to either side. A window that
    would cross the border of its song, in which its middle lies, is moved by half a window, and never beyond the border.
    """

    def __init__(self, lengths: Sequence[int], size: int):
        self.ends, self.size = np.cumsum(lengths), size
        self.count = max(int(self.ends[-1]) // size, 1)

    def place(self, index: int, seed: int) -> tuple[int, int]:
        """The song and the first sample in it of window `index`, which may be any number from 0 on."""
        tour, at = divmod(index, self.count)
        order = np.random.default_rng((seed, tour)).permutation(self.count)
        half = self.size // 2
        begin = int(order[at]) * self.size + int(np.random.default_rng((seed, index, 2)).integers(-half, half))
        song = min(int(np.searchsorted(self.ends, begin + half, side="right")), len(self.ends) - 1)
        first = int(self.ends[song - 1]) if song else 0
        last = int(self.ends[song]) - self.size
        if begin > last:
            begin = begin - half
        elif begin < first:
            begin = begin + half
        return song, min(max(begin, first), last) - first
