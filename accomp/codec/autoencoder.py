"""A causal, streamable autoencoder: each new frame of audio is encoded once, each new latent is decoded once.

Audio is cut into short Fourier frames (1536 samples every 512), a stack of causal ConvNeXt blocks turns four of them
into one latent frame (hop 2048, 46 ms), and the mirror image turns latents back into Fourier frames, which are
overlapped and added. No layer looks ahead, so a live stream and an offline pass give the same numbers. Frames enter and
leave as real and imaginary parts: with a magnitude and phase head the same network does not learn waveforms (tried on a
CPU).

Blocks follow ConvNeXt (Liu et al. 2022) as Vocos (Siuzdak 2023) uses them; magnitudes are compressed by the power 0.3.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from accomp.codec.contract import Codec


@dataclass(frozen=True)
class AutoencoderConfig:
    channels: int = 64  # C, numbers per latent frame
    fft: int = 1536  # samples per Fourier frame
    fft_hop: int = 512  # samples between Fourier frames
    stride: int = 4  # Fourier frames per latent frame
    width: int = 192  # features at the Fourier rate
    latent_width: int = 320  # features at the latent rate
    encoder_blocks: int = 4
    decoder_blocks: int = 6
    latent_blocks: int = 2
    bound: float = 4.0  # latents lie in (-bound, bound), in standard deviations


class CausalConv(nn.Module):
    """A depthwise convolution over the past: output t sees inputs t - kernel + 1 .. t.  (B, T, D) -> (B, T, D)."""

    def __init__(self, width: int, kernel: int):
        super().__init__()
        self.past = kernel - 1
        self.conv = nn.Conv1d(width, width, kernel, groups=width)

    def forward(self, x: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        if state is None:
            state = x.new_zeros(x.shape[0], self.past, x.shape[2])
        x = torch.cat([state.to(x.dtype), x], 1)
        return self.conv(x.transpose(1, 2)).transpose(1, 2), x[:, x.shape[1] - self.past :]


class Block(nn.Module):
    """Causal ConvNeXt block.  (B, T, D) -> (B, T, D)."""

    def __init__(self, width: int, kernel: int):
        super().__init__()
        self.conv = CausalConv(width, kernel)
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, 3 * width)
        self.down = nn.Linear(3 * width, width)
        nn.init.zeros_(self.down.weight)

    def forward(self, x: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        y, state = self.conv(x, state)
        return x + self.down(F.gelu(self.up(self.norm(y)))), state


class Stack(nn.Module):
    """Blocks in a row, with their states in a list."""

    def __init__(self, width: int, blocks: int, kernel: int):
        super().__init__()
        self.blocks = nn.ModuleList(Block(width, kernel) for _ in range(blocks))

    def forward(self, x: Tensor, states: list | None) -> tuple[Tensor, list]:
        states = states or [None] * len(self.blocks)
        new = []
        for block, state in zip(self.blocks, states, strict=True):
            x, state = block(x, state)
            new.append(state)
        return x, new


class Autoencoder(Codec):
    """Causal autoencoder behind the `Codec` contract, from the values of `AutoencoderConfig`.

    Latents have zero mean and unit variance per channel over the training set (running statistics, as in batch
    normalisation, frozen after training) and are softly bounded at `bound` standard deviations.
    """

    causal = True

    def __init__(self, **values):
        super().__init__()
        self.config = c = AutoencoderConfig(**values)
        self.hop = c.fft_hop * c.stride
        self.channels = c.channels
        self.delay = c.fft - c.fft_hop
        bins = c.fft // 2 + 1
        self.into = nn.Linear(2 * bins, c.width)
        self.encoder = Stack(c.width, c.encoder_blocks, 7)
        self.fold = nn.Linear(c.stride * c.width, c.latent_width)
        self.encoder_latent = Stack(c.latent_width, c.latent_blocks, 3)
        self.to_latent = nn.Linear(c.latent_width, c.channels)
        self.from_latent = nn.Linear(c.channels, c.latent_width)
        self.decoder_latent = Stack(c.latent_width, c.latent_blocks, 3)
        self.unfold = nn.Linear(c.latent_width, c.stride * c.width)
        self.decoder = Stack(c.width, c.decoder_blocks, 7)
        self.out = nn.Linear(c.width, 2 * bins)
        self.register_buffer("window", torch.hann_window(c.fft), persistent=False)
        self.register_buffer("mean", torch.zeros(c.channels))
        self.register_buffer("std", torch.ones(c.channels))

    def analyse(self, audio: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        """Audio (B, N) -> compressed Fourier frames (B, N // fft_hop, 2 bins), each ending where its hop ends."""
        c = self.config
        if state is None:
            state = audio.new_zeros(audio.shape[0], self.delay)
        audio = torch.cat([state, audio], 1)
        spectrum = torch.fft.rfft(audio.unfold(1, c.fft, c.fft_hop) * self.window, dim=-1)
        spectrum = torch.view_as_real(spectrum)
        power = spectrum.square().sum(-1, keepdim=True)
        spectrum = spectrum * (power + 1e-10) ** -0.35  # |X| ** 0.3 with the phase kept
        return spectrum.flatten(2), audio[:, audio.shape[1] - self.delay :]

    def standardise(self, z: Tensor) -> Tensor:
        """Raw latents (B, T, C) -> unit variance and a soft bound; in training the running statistics follow slowly."""
        if self.training:
            flat = z.detach().flatten(0, 1)
            self.mean.lerp_(flat.mean(0), 0.01)
            self.std.lerp_(flat.std(0), 0.01)
        z = (z - self.mean) / (self.std + 1e-3)
        return self.config.bound * torch.tanh(z / self.config.bound)

    def synthesise(self, x: Tensor, state: dict) -> tuple[Tensor, dict]:
        """Features (B, T, D) of Fourier frames -> audio (B, T * fft_hop), `delay` samples late."""
        spectrum = torch.view_as_complex(self.out(x).float().unflatten(2, (-1, 2)).contiguous())
        audio, overlap = self.overlap_add(torch.fft.irfft(spectrum, n=self.config.fft), state.get("overlap"))
        return audio, {"overlap": overlap}

    def overlap_add(self, pieces: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        """Samples of Fourier frames (B, T, fft) -> audio (B, T * fft_hop) and the overlap still to come."""
        c = self.config
        pieces = pieces * self.window
        batch, count, _ = pieces.shape
        length = (count - 1) * c.fft_hop + c.fft
        audio = F.fold(pieces.transpose(1, 2), (1, length), (1, c.fft), stride=(1, c.fft_hop)).view(batch, length)
        # Squared Hann windows at a third of their length apart add up to 9/8.
        audio = audio / (0.375 * c.fft / c.fft_hop)
        if state is not None:
            audio = torch.cat([audio[:, : self.delay] + state, audio[:, self.delay :]], 1)
        return audio[:, : count * c.fft_hop], audio[:, count * c.fft_hop :]

    def encode_stream(self, audio: Tensor, state: dict | None = None) -> tuple[Tensor, dict]:
        state = state or {}
        batch, samples = audio.shape
        if samples % self.hop:
            raise ValueError(f"a stream is encoded in frames of {self.hop} samples, got {samples}")
        if samples == 0:
            return audio.new_zeros(batch, self.channels, 0), state
        x, fourier = self.analyse(audio, state.get("fourier"))
        x, fast = self.encoder(self.into(x), state.get("fast"))
        x = self.fold(x.reshape(batch, samples // self.hop, -1))
        x, slow = self.encoder_latent(x, state.get("slow"))
        latents = self.standardise(self.to_latent(x).float())
        return latents.transpose(1, 2), {"fourier": fourier, "fast": fast, "slow": slow}

    def hidden(self, latents: Tensor, state: dict) -> tuple[Tensor, dict]:
        """Latents (B, C, T) -> features (B, T * stride, D) of Fourier frames."""
        x, slow = self.decoder_latent(self.from_latent(latents.transpose(1, 2)), state.get("slow"))
        x = self.unfold(x).reshape(len(x), x.shape[1] * self.config.stride, -1)
        x, fast = self.decoder(x, state.get("fast"))
        return x, {"slow": slow, "fast": fast}

    def decode_stream(self, latents: Tensor, state: dict | None = None) -> tuple[Tensor, dict]:
        state = state or {}
        if not latents.shape[2]:
            return latents.new_zeros(len(latents), 0), state
        x, memory = self.hidden(latents, state)
        audio, rest = self.synthesise(x, state)
        return audio, memory | rest

    def encode(self, audio: Tensor) -> Tensor:
        return self.encode_stream(audio[:, : audio.shape[1] // self.hop * self.hop])[0]

    def decode(self, latents: Tensor) -> Tensor:
        audio, state = self.decode_stream(latents)
        return torch.cat([audio[:, self.delay :], state["overlap"]], 1) if latents.shape[2] else audio
