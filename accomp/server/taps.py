"""Tempo and beat from taps: four in a row are a count of four, and each further one corrects it."""

import numpy as np

from accomp.server.protocol import Clock

SLOWEST_S, FASTEST_S = 1.5, 0.2  # between two taps
LEAST, MOST = 4, 8  # taps that count


class Taps:
    """Collects the times of taps; one after a pause, or much too early or late, begins anew."""

    def __init__(self):
        self._times: list[float] = []
        self.count = 0  # of the taps of this row

    def add(self, t: float) -> Clock | None:
        """A tap at time t in seconds: from the fourth on the clock that it gives, at t."""
        if self._times:
            interval, usual = t - self._times[-1], np.diff(self._times)
            if not FASTEST_S <= interval <= SLOWEST_S or (len(usual) and not 0.7 < interval / usual.mean() < 1.4):
                self._times, self.count = [], 0
        self._times, self.count = [*self._times, t][-MOST:], self.count + 1
        if len(self._times) < LEAST:
            return None
        period, last = np.polyfit(np.arange(1 - len(self._times), 1), self._times, 1)
        late = (t - last) / period  # the last tap, in beats after the line through all of them
        return Clock(float((self.count - 1 + late) % 4), float(60 / period), 4)
