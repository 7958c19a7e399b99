"""How loud the sinusoids and the noise of a decoder ought to be, from notes and the energies of a few bands."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from accomp.codec.sinusoids import COUNT, LOWEST_HZ, PER_OCTAVE
from accomp.codec.spectrum import PITCHES, bands

BANDS, BANDS_LOW_HZ, BANDS_HIGH_HZ = 16, 35.0, 16_000.0
PARTIALS = 32  # of a note
MOST_DB = 30.0  # by which the network corrects the first guess of the noise
NOISE_DB = 49.0  # so that white noise comes back at its level
NOISE_BANDS, NOISE_FFT, NOISE_FRAMES = 28, 512, 509  # the noise repeats after so many Fourier frames


class Envelope(nn.Module):
    """What the latents say about loudness and pitch, as a first guess for sinusoids and noise that the network
    corrects.

    The energy of each band is given to the harmonics of the sounding notes in it, each as strong as the inverse of its
    number.
    """

    def __init__(self, hop: int):
        super().__init__()
        centres = np.geomspace(BANDS_LOW_HZ, BANDS_HIGH_HZ, BANDS + 2)[1:-1]
        comb = np.zeros((PITCHES, COUNT))
        for pitch in range(PITCHES):
            number = np.arange(1, PARTIALS + 1)
            place = np.round(PER_OCTAVE * np.log2(number) + pitch * PER_OCTAVE / 12).astype(int)
            inside = place < COUNT
            comb[pitch, place[inside]] = 1 / number[inside]
        self.register_buffer("comb", torch.from_numpy(comb**2).float(), persistent=False)
        hz = LOWEST_HZ * 2 ** (np.arange(COUNT) / PER_OCTAVE)
        self.register_buffer("tone_bands", _interpolation(hz, centres), persistent=False)  # (BANDS, COUNT)
        noise_hz = np.geomspace(60.0, 20_000.0, NOISE_BANDS + 2)[1:-1]
        self.register_buffer("noise_bands", _interpolation(noise_hz, centres), persistent=False)
        bins = 1 / bands(BANDS, 2 * hop, BANDS_LOW_HZ).max(1).values  # the width of a band in Fourier bins
        self.register_buffer("tone_db", 10 * torch.log10(bins / 1.5), persistent=False)  # the whole band in one sinusoid

    def forward(self, notes: Tensor, db: Tensor) -> tuple[Tensor, Tensor]:
        """Notes (B, T, PITCHES) in [0, 1] and levels in dB (B, T, BANDS) -> amplitudes of the sinusoids (B, T, COUNT)
        and levels of the noise in dB (B, T, NOISE_BANDS).
        """
        power = notes.square() @ self.comb
        inside = power @ self.tone_bands.T  # of the comb in each band
        shared = power / (inside @ self.tone_bands + 1e-3)
        level = (db + self.tone_db) @ self.tone_bands
        return (10 ** (level / 10) * shared + 1e-14).sqrt(), db @ self.noise_bands


def local_mean(power: Tensor, group: Tensor, most: int) -> Tensor:
    """The mean of power (B, T, ...) over up to `most` frames on both sides, weighted by a triangle, of those frames whose
    `group` (B, T) is that of the frame.
    """
    total, weight, frames = torch.zeros_like(power), torch.zeros_like(power), power.shape[1]
    most = min(most, frames - 1)
    for shift in range(-most, most + 1):
        here = slice(max(0, -shift), frames - max(0, shift))
        there = slice(max(0, shift), frames + min(0, shift))
        same = (group[:, here] == group[:, there]).view(*group[:, here].shape, *[1] * (power.dim() - 2))
        share = (1 - abs(shift) / (most + 1)) * same
        total[:, here] += share * power[:, there]
        weight[:, here] += share
    return total / weight


def _interpolation(hz: np.ndarray, centres: np.ndarray) -> Tensor:
    """Weights (len(centres), len(hz)) with which values at `centres` are interpolated at `hz`, evenly in the logarithm."""
    rows = [np.interp(np.log(hz), np.log(centres), row) for row in np.eye(len(centres))]
    return torch.from_numpy(np.stack(rows)).float()


class FilteredNoise(nn.Module):
    """Noise with a level per band, two spectra per Fourier frame.  Features (B, T, D) and levels in dB (B, T,
    NOISE_BANDS) -> samples (B, T, fft), zero before the middle.
    """

    def __init__(self, width: int, fft: int):
        super().__init__()
        self.fft = fft
        weight = bands(NOISE_BANDS, NOISE_FFT, 60.0, 20_000.0)
        self.register_buffer("bands", weight, persistent=False)
        self.register_buffer("spread", weight / weight.sum(0).clamp(min=1e-9), persistent=False)
        noise = torch.randn(NOISE_FRAMES, 2, NOISE_FFT // 2 + 1, 2, generator=torch.Generator().manual_seed(0))
        self.register_buffer("noise", noise, persistent=False)
        self.register_buffer("window", torch.hann_window(NOISE_FFT), persistent=False)
        self.correction = nn.Linear(width, 2 * NOISE_BANDS)
        nn.init.zeros_(self.correction.weight)
        nn.init.constant_(self.correction.bias, -0.6)

    def levels(self, x: Tensor, db: Tensor) -> Tensor:
        """The first guess corrected, in dB: (B, T, D), (B, T, NOISE_BANDS) -> (B, 2 T, NOISE_BANDS)."""
        correction = MOST_DB * torch.tanh(self.correction(x).float())
        return (db.unsqueeze(2) + correction.unflatten(2, (2, -1))).flatten(1, 2)

    def forward(self, x: Tensor, db: Tensor, frame: int) -> Tensor:
        gain = 10 ** ((self.levels(x, db).unflatten(1, (-1, 2)) + NOISE_DB) / 20) @ self.spread
        place = torch.arange(frame, frame + x.shape[1], device=x.device) % NOISE_FRAMES
        pieces = torch.fft.irfft(gain * torch.view_as_complex(self.noise)[place], n=NOISE_FFT) * self.window
        half = NOISE_FFT // 2
        joined = F.pad(pieces[:, :, 0], (0, half)) + F.pad(pieces[:, :, 1], (half, 0))
        return F.pad(joined, (self.fft - joined.shape[2], 0))
