"""Sound sources of a decoder without phases: free-running oscillators, and noise.

A network that is given the same latents frame after frame gives the same output frame after frame, and Fourier frames
that repeat every 512 samples are a buzz at 86 Hz, whatever the note. So tones come from a bank of oscillators whose
phases run on, and noise from a table; the network sets how loud each of them is (after Engel et al. 2020, DDSP).
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from accomp.codec.partials import peaks_of
from accomp.timeline import SAMPLE_RATE

A0_HZ, PER_OCTAVE, OCTAVES = 27.5, 24, 8
NOISE_FRAMES = 509  # the noise repeats after so many frames
QUIET = 0.01  # amplitude of an oscillator at loudness 1: two hundred of them sound at once


def bands(count: int, fft: int, low_hz: float = 40.0, high_hz: float = 16_000.0) -> Tensor:
    """Triangular bands, evenly spaced in the logarithm of frequency but never narrower than two bins, (count, fft / 2 +
    1).
    """
    hz = np.arange(fft // 2 + 1) * SAMPLE_RATE / fft
    edges = np.geomspace(low_hz, high_hz, count + 2)
    width = np.maximum(np.diff(edges), SAMPLE_RATE / fft)
    centre = edges[1:-1, None]
    rising, falling = (hz - centre) / width[:-1, None], (hz - centre) / width[1:, None]
    weight = np.clip(np.where(hz < centre, 1 + rising, 1 - falling), 0, None)
    return torch.from_numpy(weight / weight.sum(1, keepdims=True)).float()


class Oscillators(nn.Module):
    """A bank of sinusoids in quarter tones from A0, whose loudness the network sets frame by frame; they keep their
    phases.

    If it could shift their phases too, it could make any spectrum out of any of them, and no note would be a tone.

    Features (B, T, D) of Fourier frames number `frame`, `frame` + 1, ... -> their samples (B, T, fft), not yet
    windowed.
    """

    def __init__(self, width: int, fft: int, hop: int):
        super().__init__()
        hz = A0_HZ * 2 ** (np.arange(PER_OCTAVE * OCTAVES) / PER_OCTAVE)
        self.turns = hz * hop / SAMPLE_RATE  # per hop, in double precision: sessions are long
        angle = 2 * np.pi * hz[:, None] * np.arange(fft) / SAMPLE_RATE
        table = QUIET * torch.from_numpy(np.concatenate([np.cos(angle), -np.sin(angle)])).float()
        self.register_buffer("table", table, persistent=False)  # (2 K, fft)
        self.amplitude = nn.Linear(width, len(hz))
        nn.init.zeros_(self.amplitude.weight)
        nn.init.constant_(self.amplitude.bias, -2.0)

    def roots(self, x: Tensor) -> Tensor:
        """Square roots of the amplitudes, in units of sqrt(QUIET): (B, T, D) -> (B, T, K)."""
        return F.softplus(self.amplitude(x).float())

    def forward(self, x: Tensor, frame: int) -> Tensor:
        amplitude = self.roots(x).square()
        turn = np.outer(np.arange(frame, frame + x.shape[1]), self.turns) % 1 * 2 * np.pi
        cos, sin = (amplitude * torch.from_numpy(f(turn)).to(amplitude) for f in (np.cos, np.sin))
        return torch.cat([cos, sin], -1) @ self.table


def partials(audio: Tensor, hop: int) -> Tensor:
    """What the oscillators ought to say: amplitudes (B, N // hop, K) of the sinusoids in audio (B, N), in units of QUIET."""
    return peaks_of(audio, hop, PER_OCTAVE * OCTAVES).amplitude / QUIET


class Hiss(nn.Module):
    """Noise with one loudness per band.  Features (B, T, D) -> spectra (B, T, fft / 2 + 1), complex."""

    def __init__(self, width: int, fft: int, count: int = 32):
        super().__init__()
        weight = bands(count, fft, 60.0, 20_000.0)
        self.register_buffer("spread", weight / weight.sum(0).clamp(min=1e-9), persistent=False)
        noise = torch.randn(NOISE_FRAMES, fft // 2 + 1, 2, generator=torch.Generator().manual_seed(0))
        self.register_buffer("noise", noise, persistent=False)
        self.loudness = nn.Linear(width, count)
        nn.init.zeros_(self.loudness.weight)
        nn.init.constant_(self.loudness.bias, -6.0)

    def forward(self, x: Tensor, frame: int) -> Tensor:
        gain = F.softplus(self.loudness(x).float()) @ self.spread
        return gain * torch.view_as_complex(self.noise)[self._place(x, frame)]

    def signs(self, x: Tensor, frame: int) -> Tensor:
        """Random signs (T, 1) for the spectra that the network gives: two equal frames then never make a tone."""
        return self.noise[self._place(x, frame), 0, :1].sign()

    def _place(self, x: Tensor, frame: int) -> Tensor:
        return torch.arange(frame, frame + x.shape[1], device=x.device) % NOISE_FRAMES
