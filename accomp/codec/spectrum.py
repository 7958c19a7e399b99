"""The level of every third of a semitone from A0 to C8, frame by frame and causally: a constant-Q spectrum; and the weights
of broader bands.

Each bin is the magnitude of a windowed complex exponential (Brown 1991) over the samples that end where the frame ends.
Low bins are computed on decimated audio, so that a frame costs under a million multiplications.
"""

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from scipy.signal import firwin
from torch import Tensor, nn

from accomp.timeline import SAMPLE_RATE

LOWEST_HZ, PITCHES, PER_SEMITONE = 27.5, 88, 3  # A0; the keys of a piano
BINS = PITCHES * PER_SEMITONE
PER_OCTAVE = 12 * PER_SEMITONE
HISTORY = 16_384  # samples before a block that its first frame reaches back to, filters included
LONGEST, SHORTEST = 14_336, 2_048  # samples of a bin's window
RESOLUTIONS = (34.0, 17.0)  # periods in a window: a Hann window of 34 tells neighbouring semitones apart
TAPS = 47  # of the filter before each halving of the sample rate
FLOOR = 1e-5


class Octaves(NamedTuple):
    """Bins [first, last) computed at the sample rate divided by `decimation`."""

    decimation: int
    first: int
    last: int


GROUPS = (Octaves(16, 0, 72), Octaves(8, 72, 144), Octaves(4, 144, 216), Octaves(2, 216, BINS))


def bin_hz() -> np.ndarray:
    """Centre frequencies of the bins; bin 3 k + 1 is the pitch of key k."""
    return LOWEST_HZ * 2 ** ((np.arange(BINS) - 1) / PER_OCTAVE)


class PitchSpectrum(nn.Module):
    """Audio (B, HISTORY + T hop) -> levels (B, len(RESOLUTIONS), T, BINS), about -2 (silence) to 3; hop is a multiple
    of 16.
    """

    def __init__(self, hop: int):
        super().__init__()
        self.hop = hop
        filter_ = firwin(TAPS, 0.46)
        self.register_buffer("filter", torch.from_numpy(filter_).float()[None, None], persistent=False)
        for group in GROUPS:
            kernel = torch.from_numpy(_kernels(group)).float()  # (samples, resolutions * 2 * bins)
            self.register_buffer(f"kernel_{group.decimation}", kernel, persistent=False)

    def forward(self, audio: Tensor) -> Tensor:
        frames = (audio.shape[1] - HISTORY) // self.hop
        rate, x, levels = 1, audio.unsqueeze(1), {}
        for group in reversed(GROUPS):
            while rate < group.decimation:
                x, rate = F.conv1d(F.pad(x, (TAPS - 1, 0)), self.filter, stride=2), 2 * rate
            kernel = getattr(self, f"kernel_{rate}")
            start = (HISTORY + self.hop) // rate - len(kernel)
            pieces = x[:, 0, start:].unfold(1, len(kernel), self.hop // rate)[:, :frames]
            parts = (pieces @ kernel).unflatten(2, (len(RESOLUTIONS), 2, -1))
            levels[rate] = parts.square().sum(3)
        power = torch.cat([levels[group.decimation] for group in GROUPS], 3)
        return (10 * torch.log10(power + FLOOR**2) / 20 + 3).transpose(1, 2)


def _kernels(group: Octaves) -> np.ndarray:
    """Windowed cosines and sines that end at the last sample, scaled so that a sinusoid gives its amplitude."""
    hz = bin_hz()[group.first : group.last]
    longest = 0
    columns = []
    for periods in RESOLUTIONS:
        lengths = np.clip(periods * SAMPLE_RATE / hz, SHORTEST, LONGEST) / group.decimation
        longest = max(longest, int(np.ceil(lengths.max())))
        columns.append(lengths)
    t = np.arange(longest)[:, None] - longest + 1  # the last sample is 0
    rows = []
    for lengths in columns:
        place = (t + lengths) / lengths
        window = np.where((place > 0) & (place < 1), np.sin(np.pi * np.clip(place, 0, 1)) ** 2, 0.0)
        window *= 2 / window.sum(0)
        angle = 2 * np.pi * hz * group.decimation / SAMPLE_RATE * t
        rows += [window * np.cos(angle), window * np.sin(angle)]
    return np.concatenate(rows, 1)


def bands(count: int, fft: int, low_hz: float = 40.0, high_hz: float = 16_000.0) -> Tensor:
    """Triangular bands that weigh the power of Fourier bins, (count, fft / 2 + 1): evenly spaced in the logarithm of
    frequency but never narrower than two bins.
    """
    hz = np.arange(fft // 2 + 1) * SAMPLE_RATE / fft
    edges = np.geomspace(low_hz, high_hz, count + 2)
    width = np.maximum(np.diff(edges), SAMPLE_RATE / fft)
    centre = edges[1:-1, None]
    rising, falling = (hz - centre) / width[:-1, None], (hz - centre) / width[1:, None]
    weight = np.clip(np.where(hz < centre, 1 + rising, 1 - falling), 0, None)
    return torch.from_numpy(weight / weight.sum(1, keepdims=True)).float()
