"""How far a reconstruction is from the music: waveform and spectrum at once.

`reconstruction_loss` adds, over several window lengths, the distance between compressed complex spectra (so that quiet
partials and phases both count) and between their magnitudes, and a logarithmic signal-to-distortion term. On a CPU
budget this learns waveforms where log-magnitude losses alone stay below 0 dB SDR.
"""

import torch
from torch import Tensor

WINDOWS = (256, 768, 2048)  # samples


def si_sdr(estimate: Tensor, reference: Tensor) -> Tensor:
    """Scale-invariant signal-to-distortion ratio in dB (Le Roux et al. 2019), (B, N) x 2 -> (B,)."""
    gain = (estimate * reference).sum(-1, keepdim=True) / (reference.square().sum(-1, keepdim=True) + 1e-8)
    target = gain * reference
    return 10 * torch.log10((target.square().sum(-1) + 1e-8) / ((estimate - target).square().sum(-1) + 1e-8))


def sdr(estimate: Tensor, reference: Tensor) -> Tensor:
    """Plain signal-to-distortion ratio in dB, (B, N) x 2 -> (B,)."""
    noise = (estimate - reference).square().sum(-1)
    return 10 * torch.log10((reference.square().sum(-1) + 1e-8) / (noise + 1e-8))


def compressed_stft(audio: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """Audio (B, N) -> spectrum with magnitudes to the power 0.4, real and imaginary (B, F, T, 2), and magnitude (B, F, T)."""
    window = torch.hann_window(length, device=audio.device)
    spectrum = torch.stft(audio, length, length // 4, window=window, return_complex=True, pad_mode="constant")
    spectrum = torch.view_as_real(spectrum) / length**0.5
    magnitude = (spectrum.square().sum(-1) + 1e-8).sqrt()
    return spectrum * (magnitude**-0.6).unsqueeze(-1), magnitude**0.4


def spectral_loss(estimate: Tensor, reference: Tensor, windows: tuple[int, ...] = WINDOWS) -> Tensor:
    """Mean squared distance of compressed spectra, complex plus magnitude, averaged over window lengths."""
    total = estimate.new_zeros(())
    for length in windows:
        (a, a_mag), (b, b_mag) = compressed_stft(estimate, length), compressed_stft(reference, length)
        total = total + 2 * (a - b).square().sum(-1).mean() + 2 * (a_mag - b_mag).square().mean()
    return total / len(windows)


def reconstruction_loss(estimate: Tensor, reference: Tensor, windows: tuple[int, ...] = WINDOWS) -> Tensor:
    """Spectral distance plus 0.3 log10 of the distortion-to-signal ratio; audio (B, N) x 2 -> scalar."""
    ratio = (estimate - reference).square().sum(-1) / (reference.square().sum(-1) + 1e-4)
    return 2 * spectral_loss(estimate, reference, windows) + 0.3 * torch.log10(ratio + 1e-3).mean()


def magnitude_loss(estimate: Tensor, reference: Tensor, windows: tuple[int, ...]) -> Tensor:
    """Distance of magnitudes alone, averaged over window lengths: compressed (squares), in logarithm (absolute), and as
    they are (spectral convergence, Arik et al. 2019), so that quiet and loud partials all count.
    """
    total = estimate.new_zeros(())
    for length in windows:
        a, b = compressed_stft(estimate, length)[1], compressed_stft(reference, length)[1]
        total = total + 4 * (a - b).square().mean() + 0.3 * (a.clamp(min=0.03).log() - b.clamp(min=0.03).log()).abs().mean()
        plain_a, plain_b = (x.flatten(1) ** 2.5 for x in (a, b))
        total = total + 0.1 * ((plain_a - plain_b).norm(dim=1) / (plain_b.norm(dim=1) + 1e-3)).mean()
    return total / len(windows)
