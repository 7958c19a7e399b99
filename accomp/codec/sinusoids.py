"""A bank of sinusoids whose amplitudes and frequencies follow the decoder, synthesised in the frequency domain.

One sinusoid per quarter tone from A0, each free to move a little, so that together they reach every frequency. A
frame's spectrum is the sum of the window's main lobes at the sinusoids' frequencies (Rodet and Depalle 1992, inverse
FFT synthesis); the phase of each accumulates from frame to frame, so that a held tone stays one tone.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from accomp.timeline import SAMPLE_RATE

LOWEST_HZ, PER_OCTAVE, OCTAVES = 27.5, 24, 9
COUNT = PER_OCTAVE * OCTAVES
MOST_CENTS = 30.0  # that a sinusoid moves from its place; half the distance to the next is 25
LOBE = 6  # Fourier bins to each side of a sinusoid that are kept: what is left out is 70 dB below it
MOST_FREE = 4.0  # of recordings, at most 3
UNIT = 0.01  # amplitude of a sinusoid that the notes do not ask for and whose root is 1
MOST_DB = 30.0  # by which a first guess is corrected


class Sinusoids(nn.Module):
    """Features (B, T, D) of Fourier frames -> their spectra (B, T, fft / 2 + 1), complex, of sound under a Hann window,
    and the state.
    """

    def __init__(self, width: int, fft: int, hop: int):
        super().__init__()
        self.fft, self.hop = fft, hop
        hz = LOWEST_HZ * 2 ** (np.arange(COUNT) / PER_OCTAVE)
        self.register_buffer("hz", torch.from_numpy(hz), persistent=False)  # float64: phases of long sessions
        self.correction, self.free, self.detune = (nn.Linear(width, COUNT) for _ in range(3))
        for head in (self.correction, self.free, self.detune):
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)
        nn.init.constant_(self.free.bias, -4.0)

    def amplitudes(self, x: Tensor, guess: Tensor) -> Tensor:
        """Features (B, T, D) and a first guess (B, T, COUNT) -> amplitudes (B, T, COUNT): the guess corrected, and what
        it lacks.
        """
        gain = 10 ** (MOST_DB / 20 * torch.tanh(self.correction(x).float()))
        free = self.free(x).float().clamp(max=MOST_FREE)
        return gain * guess + UNIT * F.softplus(free).square()

    def cents(self, x: Tensor) -> Tensor:
        """How far each sinusoid is from its place: (B, T, D) -> (B, T, COUNT)."""
        return MOST_CENTS * torch.tanh(self.detune(x).float())

    def forward(
        self, x: Tensor, guess: Tensor, state: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        hz = self.hz * 2 ** (self.cents(x).double() / 1200)
        turns = hz * self.hop / SAMPLE_RATE  # per frame
        phase, before = state if state is not None else (torch.zeros_like(turns[:, 0]), torch.zeros_like(turns[:, 0]))
        steps = (torch.cat([before[:, None], turns[:, :-1]], 1) + turns) / 2  # the frequency moves evenly between frames
        phase = (phase[:, None] + torch.cumsum(steps, 1)) % 1.0
        spectrum = self.lobes(self.amplitudes(x, guess), (hz * self.fft / SAMPLE_RATE).float(), phase)
        return spectrum, (phase[:, -1].detach(), turns[:, -1].detach())

    def lobes(self, amplitude: Tensor, place: Tensor, phase: Tensor) -> Tensor:
        """Amplitudes, frequencies in bins and phases in turns at the frame's centre, (B, T, K) -> spectra (B, T, fft /
        2 + 1).
        """
        offsets = torch.arange(-LOBE, LOBE + 1, device=place.device)
        bins = place.detach().round().unsqueeze(-1) + offsets
        away = bins - place.unsqueeze(-1)
        away = torch.where((away.abs() - 1).abs() < 1e-3, away + 2e-3, away)  # the formula's limit is finite, its terms are not
        lobe = self.fft / 4 * torch.sinc(away) / (1 - away * away)  # of the Hann window, halved for the real signal
        lobe = lobe * (1 - 2 * (bins.abs() % 2)) * torch.where(bins == 0, 2.0, 1.0)  # time counts from the centre
        angle = (2 * torch.pi * phase).float()
        real = lobe * (amplitude * angle.cos()).unsqueeze(-1)
        imaginary = lobe * (amplitude * angle.sin()).unsqueeze(-1) * torch.where(bins < 0, -1.0, 1.0)  # a mirrored bin
        index = bins.abs().long().clamp(max=self.fft // 2).flatten(2)
        empty = amplitude.new_zeros(*amplitude.shape[:2], self.fft // 2 + 1)
        return torch.complex(*(empty.scatter_add(2, index, part.flatten(2)) for part in (real, imaginary)))
