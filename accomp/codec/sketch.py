"""A codec whose latents hold what sounds and when, but no phases: a coarse sketch of the audio, which can be predicted.

The encoder is a spectrogram: 96 bands, eight or more to the octave, over the last 4096 samples, and 12 broad bands in
each quarter of the frame for what is sudden, in decibels, projected onto their 64 principal components. The decoder is
the autoencoder's, with oscillators and noise that supply the phases. The latents of a waveform codec mostly carry
phase, which cannot be predicted a second ahead: a denoiser trained on them learns to predict silence. These it can
predict.
"""

import torch
from torch import Tensor, nn

from accomp.codec.autoencoder import Autoencoder
from accomp.codec.sources import Hiss, Oscillators, bands

FINE, COARSE = 96, 12  # bands per frame, and per quarter of a frame
LONG = 4096  # samples of the long window
FLOOR_DB = -70.0


class SketchCodec(Autoencoder):
    """Spectrogram in, decoder out; the contract, delay and streaming are the autoencoder's.

    `basis` (C, K) and `centre` (K,) project the K features of a frame; `fit` finds them from examples.
    """

    def __init__(self, **values):
        super().__init__(**values)
        del self.into, self.encoder, self.fold, self.encoder_latent, self.to_latent, self.mean, self.std
        c = self.config
        self.oscillators, self.hiss = Oscillators(c.width, c.fft, c.fft_hop), Hiss(c.width, c.fft)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)
        features = FINE + self.config.stride * COARSE
        self.register_buffer("basis", torch.zeros(self.channels, features))
        self.register_buffer("centre", torch.zeros(features))
        self.register_buffer("fine", bands(FINE, LONG), persistent=False)
        self.register_buffer("coarse", bands(COARSE, 2 * self.config.fft_hop, 60.0), persistent=False)
        self.register_buffer("long_window", torch.hann_window(LONG), persistent=False)
        self.register_buffer("short_window", torch.hann_window(2 * self.config.fft_hop), persistent=False)

    def latent_weights(self) -> dict[str, Tensor]:
        return {"basis": self.basis, "centre": self.centre}  # a better decoder leaves the latents as they are

    def features(self, audio: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        """Audio (B, N) -> decibels of the bands (B, N // hop, K), scaled to about +-1, and the audio to keep."""
        c, past = self.config, LONG - self.hop
        if state is None:
            state = audio.new_zeros(audio.shape[0], past)
        audio = torch.cat([state, audio], 1)
        long = torch.fft.rfft(audio.unfold(1, LONG, self.hop) * self.long_window).abs().square() @ self.fine.T
        recent = audio[:, past - c.fft_hop :]
        short = torch.fft.rfft(recent.unfold(1, 2 * c.fft_hop, c.fft_hop) * self.short_window).abs().square()
        short = (short @ self.coarse.T).unflatten(1, (-1, c.stride)).flatten(2)
        db = torch.cat([10 * torch.log10(long / LONG + 1e-12), 10 * torch.log10(short / c.fft_hop + 1e-12)], 2)
        return (db.clamp(min=FLOOR_DB) + 40) / 30, audio[:, audio.shape[1] - past :]

    def encode_frames(self, audio: Tensor, state: dict) -> tuple[Tensor, dict]:
        features, past = self.features(audio.float(), state.get("past"))
        return (features - self.centre) @ self.basis.T, {"past": past}

    def synthesise(self, x: Tensor, state: dict) -> tuple[Tensor, dict]:
        """Features (B, T, D) -> audio: tones and noise that depend on the frame's number, and transients given as
        spectra.
        """
        frame = state.get("frame", 0)
        spectrum = self.hiss(x, frame) + self.hiss.signs(x, frame) * self.spectrum(x)
        pieces = torch.fft.irfft(spectrum, n=self.config.fft, dim=-1) + self.oscillators(x, frame) * self.window
        audio, overlap = self.overlap_add(pieces, state.get("overlap"))
        return audio, {"overlap": overlap, "frame": frame + x.shape[1]}

    @torch.no_grad()
    def fit(self, examples: Tensor) -> None:
        """Set the projection from features (M, K): principal components, each scaled by the fourth root of its
        variance.

        Half whitened: what varies most still has the largest latents; their variance is 1 on average.
        """
        self.centre.copy_(examples.mean(0))
        variance, vectors = torch.linalg.eigh(torch.cov((examples - self.centre).T.double()))
        variance, vectors = variance.flip(0)[: self.channels], vectors.flip(1)[:, : self.channels]
        scale = variance.clamp(min=1e-9) ** -0.25
        scale = scale / (scale**2 * variance).mean().sqrt()
        self.basis.copy_((vectors * scale).T)
