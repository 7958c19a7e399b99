"""Measures the round-trip latency of the client's audio: a sweep is sent as an answer, and located in the next context.

With a cable (or a microphone) from output to input, the sweep written at sample s of the client's buffer is recorded at
s + latency, which includes both converters and every buffer between.
"""

from typing import TYPE_CHECKING

import numpy as np

from accomp.timeline import SAMPLE_RATE

if TYPE_CHECKING:
    from accomp.server.worker import StepRequest

LONGEST = SAMPLE_RATE  # samples; no longer latency is searched for
LEAST = 0.5  # correlation below which nothing was found
LENGTH = 2048


def sweep() -> np.ndarray:
    """A sine sweep of 46 ms from 300 Hz to 6 kHz, faded at both ends, peak 0.5, (LENGTH,)."""
    t = np.arange(LENGTH) / LENGTH
    phase = 2 * np.pi * LENGTH / SAMPLE_RATE * (300 * t + (6000 - 300) / 2 * t**2)
    return (0.5 * np.sin(phase) * np.hanning(LENGTH)).astype(np.float32)


class Calibrator:
    """Measures with the next answer, if `asked` to."""

    def __init__(self, asked: bool = False):
        self._asked = asked
        self._start: int | None = None  # the absolute sample at which the sweep lies, while a measurement runs
        self._recorded = np.zeros(LONGEST + LENGTH, np.float32)  # from there on

    def take(self, request: "StepRequest", run: tuple[int, np.ndarray]) -> tuple[bool, int | None]:
        """Take the player's samples of a request; whether a measurement has ended, and the latency, None if none was found."""
        if self._asked:
            self._asked, self._start = False, request.edge + request.settings.step.offset
        if self._start is None:
            return False, None
        start, samples = run[0] - self._start, run[1]  # counted from the sweep
        first, stop = max(start, 0), min(start + len(samples), len(self._recorded))
        if first < stop:
            self._recorded[first:stop] = samples[first - start : stop - start]
        if start + len(samples) < len(self._recorded):
            return False, None
        self._start = None
        return True, self._latency()

    def _latency(self) -> int | None:
        """Samples from the sweep's place to where it was recorded; None when it was not."""
        click, size = sweep().astype(np.float64), 1 << 16
        spectrum = np.fft.rfft(self._recorded, size) * np.fft.rfft(click, size).conj()
        match = np.abs(np.fft.irfft(spectrum, size)[: LONGEST + 1])
        running = np.concatenate([[0.0], np.cumsum(np.square(self._recorded, dtype=np.float64))])
        energy = running[LENGTH:] - running[:-LENGTH]
        score = match / np.sqrt(np.maximum(energy, 1e-9) * np.square(click).sum())
        best = int(score.argmax())
        return best if score[best] > LEAST else None

    def instead(self, request: "StepRequest") -> np.ndarray | None:
        """What is to be played in place of the model, while a measurement runs: the sweep where it lies, and silence."""
        if self._start is None:
            return None
        settings = request.settings
        audio = np.zeros(settings.overlap + settings.step.samples, np.float32)
        start = request.edge + settings.step.offset - settings.overlap - self._start  # counted from the sweep
        first, stop = max(start, 0), min(start + len(audio), LENGTH)
        if first < stop:
            audio[first - start : stop - start] = sweep()[first:stop]
        return audio
