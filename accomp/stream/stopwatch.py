"""How long the phases of one step take."""

import time


class Stopwatch:
    """Milliseconds of each phase, by name; give `record` to `Streamer.step`."""

    def __init__(self):
        self.started = self.last = time.perf_counter()
        self.phases_ms: dict[str, float] = {}

    def record(self, name: str) -> None:
        """The phase of this name ends now; it began when the one before it ended."""
        now = time.perf_counter()
        self.phases_ms[f"{name}_ms"] = 1e3 * (now - self.last)
        self.last = now

    def timings(self) -> dict[str, float]:
        """encode_ms, sample_ms, decode_ms and their sum, cycle_ms."""
        return self.phases_ms | {"cycle_ms": 1e3 * (self.last - self.started)}
