"""How late the player is heard: a sweep is sent as an answer, and found again in what comes back.

With a cable (or a microphone) from output to input, the sweep that was laid at sample s of the client's buffer is recorded
at s + latency. That is the way through both converters and every buffer between, to the sample.
"""

import numpy as np

from accomp.timeline import SAMPLE_RATE

LONGEST = SAMPLE_RATE  # samples; a longer way back is not searched
LEAST = 0.5  # correlation below which nothing was found
LENGTH = 2048


def sweep() -> np.ndarray:
    """46 ms from 300 Hz to 6 kHz, faded at both ends, peak 0.5: short, harmless, and like nothing in music."""
    t = np.arange(LENGTH) / LENGTH
    phase = 2 * np.pi * LENGTH / SAMPLE_RATE * (300 * t + (6000 - 300) / 2 * t**2)
    return (0.5 * np.sin(phase) * np.hanning(LENGTH)).astype(np.float32)


class Calibration:
    """One measurement: the sweep lies at absolute sample `start`."""

    def __init__(self, start: int):
        self.start = start
        self._heard = np.zeros(LONGEST + LENGTH, np.float32)

    def answer(self, start: int, stop: int) -> np.ndarray:
        """What is to be played in [start, stop): the sweep where it lies, and silence."""
        audio, click = np.zeros(stop - start, np.float32), sweep()
        first, last = max(start, self.start), min(stop, self.start + LENGTH)
        if first < last:
            audio[first - start : last - start] = click[first - self.start : last - self.start]
        return audio

    def hear(self, start: int, samples: np.ndarray) -> bool:
        """Listen to the player's samples; whether enough has been heard."""
        first, last = max(start, self.start), min(start + len(samples), self.start + len(self._heard))
        if first < last:
            self._heard[first - self.start : last - self.start] = samples[first - start : last - start]
        return start + len(samples) >= self.start + len(self._heard)

    def latency(self) -> int | None:
        """Samples from the sweep's place to where it was heard; None when it was not."""
        click, size = sweep().astype(np.float64), 1 << 16
        spectrum = np.fft.rfft(self._heard, size) * np.fft.rfft(click, size).conj()
        match = np.abs(np.fft.irfft(spectrum, size)[: LONGEST + 1])
        running = np.concatenate([[0.0], np.cumsum(np.square(self._heard, dtype=np.float64))])
        energy = running[LENGTH:] - running[:-LENGTH]
        score = match / np.sqrt(np.maximum(energy, 1e-9) * np.square(click).sum())
        best = int(score.argmax())
        return best if score[best] > LEAST else None
