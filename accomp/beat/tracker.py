"""Hearing the beat: a small causal network on the player's latents, and a fit that carries its beat into the future.

At every frame the network points at the phase of the beat and of the bar, as two vectors whose lengths say how sure it is:
trained by squared error to point right, it learns to shorten what it doubts. A steady pulse is then the frequency that
explains the last seconds of these vectors best, and extrapolating it gives the phase of any frame to come.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn

from accomp.beat.clock import clock_features
from accomp.timeline import SAMPLE_RATE

MEMORY_S = 12.0  # of pointers that a pulse is fitted to


@dataclass(frozen=True)
class TrackerConfig:
    channels: int = 64  # C of the codec
    width: int = 192
    dropout: float = 0.1  # of what the two layers of memory say to each other, in training


class Tracker(nn.Module):
    """Latents (B, C, T) -> pointers (B, T, 4): (sin, cos) of the beat's phase, (sin, cos) of the bar's. Causal."""

    def __init__(self, config: TrackerConfig | None = None, **values):
        super().__init__()
        self.config = c = config or TrackerConfig(**values)
        self.into = nn.Sequential(nn.Linear(c.channels, c.width), nn.GELU(), nn.Linear(c.width, c.width))
        self.memory = nn.GRU(c.width, c.width, num_layers=2, batch_first=True, dropout=c.dropout)
        self.out = nn.Linear(c.width, 4)

    def forward(self, latents: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The pointers of these frames and the state to go on from; any split of a stream gives the same pointers."""
        h, state = self.memory(self.into(latents.transpose(1, 2)), state)
        return self.out(h), state


@dataclass(frozen=True)
class Pulse:
    """A steady beat: phase(t) = phase + frequency * (t - at), in beats, frames and beats per frame; the bar likewise."""

    at: int  # frame
    beat: float  # phase of the beat at that frame, in [0, 1)
    frequency: float  # beats per frame
    bar: float  # phase of the bar at that frame, in [0, 1)
    beats_in_bar: int
    confidence: float  # 0..1


def fit_pulse(pointers: np.ndarray, at: int, hop: int, memory_s: float = 6.0) -> Pulse | None:
    """The pulse that explains the pointers (T, 4) best, T frames that end before frame `at`; None when there is none.

    A matched filter: |sum of w_t z_t exp(-2 pi i f t)| is largest where the pointers turn at frequency f; w forgets with
    the time constant memory_s. Tempi between 40 and 240 beats per minute are tried.
    """
    rate = SAMPLE_RATE / hop  # frames per second
    t = np.arange(-len(pointers), 0)
    weight = np.exp(t / (memory_s * rate))
    z = (pointers[:, 1] + 1j * pointers[:, 0]) * weight
    bar = (pointers[:, 3] + 1j * pointers[:, 2]) * weight
    frequencies, filters = _matched_filters(len(pointers), rate)
    response = np.abs(filters @ z)
    best = int(response.argmax())
    if response[best] < 1e-6:
        return None
    frequency = _refine(frequencies, response, best)
    beat = np.vdot(np.exp(2j * np.pi * frequency * t), z)
    bars = {n: np.vdot(np.exp(2j * np.pi * frequency / n * t), bar) for n in (2, 3, 4)}
    beats_in_bar = max(bars, key=lambda n: abs(bars[n]))
    place = np.angle(bars[beats_in_bar]) / (2 * np.pi)
    phase = np.angle(beat) / (2 * np.pi) % 1
    # A bar begins on a beat: keep the beat's phase and let the bar say which beat it is.
    place = (round(place * beats_in_bar - phase) + phase) / beats_in_bar % 1
    return Pulse(at, phase, frequency, place, beats_in_bar, min(float(abs(beat) / weight.sum()), 1.0))


@lru_cache(4)
def _matched_filters(count: int, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """The tempi tried, in beats per frame, and a filter over the last `count` frames for each."""
    frequencies = np.geomspace(40, 240, 600) / 60 / rate
    return frequencies, np.exp(-2j * np.pi * np.outer(frequencies, np.arange(-count, 0))).astype(np.complex64)


def _refine(x: np.ndarray, y: np.ndarray, i: int) -> float:
    """Where the parabola through a maximum and its neighbours peaks."""
    if not 0 < i < len(x) - 1:
        return float(x[i])
    a, b, c = y[i - 1 : i + 2]
    shift = 0.5 * (a - c) / (a - 2 * b + c) if a - 2 * b + c else 0.0
    return float(np.interp(i + shift, np.arange(len(x)), x))


class TrackerClock:
    """A `Clock` that estimates the beat from the latents. Below `least` confidence it says that there is none."""

    def __init__(self, tracker: Tracker, hop: int, least: float = 0.1):
        self.tracker, self.hop, self.least = tracker, hop, least
        self.memory = int(MEMORY_S * SAMPLE_RATE / hop)  # frames
        self.reset()

    def reset(self) -> None:
        self.state = None
        self.stop = 0  # one past the last frame heard
        self.pointers: np.ndarray | None = None  # (B, T, 4) of the frames that end at `stop`, at most `memory`

    @torch.inference_mode()
    def listen(self, latents: Tensor, start: int) -> None:
        if not latents.shape[2]:
            return
        if start != self.stop:
            self._jump(start)
        new, self.state = self.tracker(latents, self.state)
        new = new.float().cpu().numpy()
        both = new if self.pointers is None else np.concatenate([self.pointers, new], 1)
        self.pointers, self.stop = both[:, -self.memory :], start + latents.shape[2]

    def _jump(self, start: int) -> None:
        """Go on at frame `start`: frames left out are evidence for no beat; going back forgets what was heard."""
        self.state, gap = None, start - self.stop
        if gap < 0:
            self.pointers = None
        elif self.pointers is not None:
            self.pointers = np.pad(self.pointers, ((0, 0), (0, min(gap, self.memory)), (0, 0)))

    def pulses(self) -> list[Pulse | None]:
        """The pulse of each batch item at the live edge; empty before anything was heard."""
        if self.pointers is None:
            return []
        return [fit_pulse(row, self.stop, self.hop) for row in self.pointers]

    def features(self, start: int, stop: int) -> Tensor:
        frames = np.arange(start, stop)
        rows = [self._row(pulse, frames) for pulse in self.pulses()] or [self._row(None, frames)]
        return torch.from_numpy(np.stack(rows))

    def _row(self, pulse: Pulse | None, frames: np.ndarray) -> np.ndarray:
        if pulse is None or pulse.confidence < self.least:
            nothing = np.full(len(frames), np.nan)
            return clock_features(nothing, nothing, nothing)
        turned = pulse.frequency * (frames - pulse.at)
        period_s = np.full(len(frames), self.hop / SAMPLE_RATE / pulse.frequency)
        return clock_features((pulse.beat + turned) % 1, (pulse.bar + turned / pulse.beats_in_bar) % 1, period_s)
