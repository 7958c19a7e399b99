"""What a decoder of sinusoids and noise ought to say: the partials that are in a recording, and the noise between them.

Partials are the peaks of a long spectrum that stand out of their surroundings (McAulay and Quatieri 1986), with the
frequency of the parabola through three bins. What the long spectrum holds outside their main lobes is noise (Serra and
Smith 1990).
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from accomp.codec.sinusoids import COUNT, LOWEST_HZ, PER_OCTAVE
from accomp.timeline import SAMPLE_RATE

LONG, SHORT = 8192, 2048  # samples of the spectra; the short one says how loud a note is that has just begun
STANDS_OUT = 1.4  # nepers (12 dB) above the mean of what lies around a partial
LOBE = 3  # Fourier bins to each side of a peak that belong to it
LEAST_NOISE = 1e-3  # share of a band's energy that is noise at the least
NOISE_FFT = 512


class Parts(NamedTuple):
    """Of audio (B, N): `amplitude` (B, T, COUNT) of the sinusoids, `cents` (B, T, COUNT) that they are off their
    places, and `noise_db` (B, 2 T, K), the level of the noise in the bands, twice a frame.
    """

    amplitude: Tensor
    cents: Tensor
    noise_db: Tensor


class Peaks(NamedTuple):
    """Partials on the places of the sinusoids, (B, T, K) each, the long spectrum (B, T, bins) and where it has peaks
    (B, T, bins - 2 or fewer).
    """

    amplitude: Tensor
    cents: Tensor
    spectrum: Tensor
    peak: Tensor


@torch.no_grad()
def parts_of(audio: Tensor, hop: int, noise_bands: Tensor) -> Parts:
    """Analyse audio (B, N), N a multiple of `hop`; `noise_bands` (K, NOISE_FFT / 2 + 1). Frame t is centred on sample
    hop (t - 1/2).
    """
    peaks = peaks_of(audio, hop)
    return Parts(peaks.amplitude, peaks.cents, _noise_db(audio, hop, peaks.spectrum, peaks.peak, noise_bands))


def peaks_of(audio: Tensor, hop: int) -> Peaks:
    """The partials of audio (B, N) nearest to the places of the sinusoids; the loudest where several are near one.

    The long window reaches over the beginnings of notes: a short spectrum limits their level, up to half as loud again
    as the long one.
    """
    frames = audio.shape[1] // hop
    bins = int(LOWEST_HZ * 2 ** (COUNT / PER_OCTAVE) * LONG / SAMPLE_RATE)
    long, short = (_magnitudes(audio, hop, length)[:, :frames] for length in (LONG, SHORT))
    logs = long[..., : bins + 2].clamp(min=1e-5).log()
    around = F.avg_pool1d(logs.flatten(0, 1), 25, 1, 12, count_include_pad=False).unflatten(0, logs.shape[:2])
    a, b, c = logs[..., :-2], logs[..., 1:-1], logs[..., 2:]
    peak = (b > a) & (b >= c) & (b > around[..., 1:-1] + STANDS_OUT)
    offset = (0.5 * (a - c) / (a - 2 * b + c).clamp(max=-1e-6)).clamp(-0.5, 0.5)
    place = torch.arange(1, bins + 1, device=audio.device) + offset  # in bins
    loud = (b - 0.25 * (a - c) * offset).exp()
    near = (place * (SHORT / LONG)).long()
    loud = torch.minimum(1.5 * loud, torch.maximum(short.gather(2, near), short.gather(2, near + 1)))
    key = PER_OCTAVE * torch.log2(place * SAMPLE_RATE / LONG / LOWEST_HZ)
    index = key.round().long()
    loud = loud * (peak & (index >= 0) & (index < COUNT))
    index = index.clamp(0, COUNT - 1)
    silence = audio.new_zeros(*index.shape[:2], COUNT)
    amplitude = silence.scatter_reduce(2, index, loud, "amax")
    strongest = (loud > 0) & (loud >= amplitude.gather(2, index))
    cents = silence.scatter_add(2, index, 1200 / PER_OCTAVE * (key - index) * strongest)
    return Peaks(amplitude, cents.clamp(-600 / PER_OCTAVE, 600 / PER_OCTAVE), long, peak)


def _noise_db(audio: Tensor, hop: int, long: Tensor, peak: Tensor, bands: Tensor) -> Tensor:
    """The energy of each band in short frames, times the share that lies outside the lobes of the peaks."""
    tonal = F.max_pool1d(F.pad(peak.float(), (1, long.shape[2] - peak.shape[2] - 1)), 2 * LOBE + 1, 1, LOBE)
    fine = F.interpolate(bands[None], size=long.shape[2], mode="linear", align_corners=True)[0].T
    power = long.square()
    share = ((power * (1 - tonal)) @ fine / (power @ fine).clamp(min=1e-16)).clamp(LEAST_NOISE, 1)
    step = hop // 2
    window = torch.hann_window(NOISE_FFT, device=audio.device) * (4 / NOISE_FFT)
    padded = F.pad(audio, (NOISE_FFT // 2, NOISE_FFT))  # the first of two spectra is centred on the frame's first sample
    energy = torch.fft.rfft(padded.unfold(1, NOISE_FFT, step)[:, : 2 * peak.shape[1]] * window).abs().square() @ bands.T
    return 10 * torch.log10(energy * share.repeat_interleave(2, 1) + 1e-9)


def _magnitudes(audio: Tensor, hop: int, length: int) -> Tensor:
    """Of frames centred on hop (t - 1/2), so that a sinusoid's peak is its amplitude."""
    window = torch.hann_window(length, device=audio.device)
    padded = F.pad(audio, ((length + hop) // 2, length))
    return 2 / window.sum() * torch.fft.rfft(padded.unfold(1, length, hop) * window).abs()
