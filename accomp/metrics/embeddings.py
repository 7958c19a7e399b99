"""Sound as points in space, for the distances between sets of them: FAD and KAD.

`latent_embedding` is always there: half-second means of a codec's latents, named after its kind and weights, because two
codecs' latents never compare. `vggish_embedding` is the paper's (Hershey et al. 2017; published weights in PyTorch's names,
`vggish-10086976.pth`, no PCA, no last activation): 0.96 s of a 64-band log-mel spectrogram at 16 kHz become 128 numbers.
`clap_embedding` is LAION's CLAP (Wu et al. 2023) as the package `transformers` runs it: 10 s, anew every second, become 512.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from pickle import UnpicklingError

import numpy as np
import torch
from safetensors import SafetensorError
from torch import nn
from torchaudio.compliance.kaldi import get_mel_banks

from accomp.audio import resample
from accomp.codec.contract import Codec
from accomp.errors import UserError
from accomp.timeline import SAMPLE_RATE

PIECE_S = 0.5
VGGISH_RATE, WINDOW, FFT, HOP, PATCH = 16_000, 400, 512, 160, 96  # Hz; samples; frames
VGGISH_BATCH = 64  # patches
VGGISH_URL = "https://github.com/harritaylor/torchvggish/releases/download/v0.1/vggish-10086976.pth"
MELS, LOW_HZ, HIGH_HZ = 64, 125.0, 7500.0
UNWARPED = 100.0, -500.0, 1.0  # Hz, Hz, factor: Kaldi's warping of the vocal tract, switched off
CLAP_RATE, CLAP_PIECE, CLAP_STEP, CLAP_BATCH = 48_000, 480_000, 48_000, 8  # Hz; samples; samples; pieces
Embed = Callable[[np.ndarray], np.ndarray]


def latent_embedding(codec: Codec) -> Embed:
    """Audio (N,) -> points (M, C): the codec's latent frames, averaged over half-second pieces."""
    frames = max(1, round(PIECE_S * SAMPLE_RATE / codec.hop))

    @torch.inference_mode()
    def embed(audio: np.ndarray) -> np.ndarray:
        device = next(codec.parameters()).device
        latents = codec.encode(torch.from_numpy(np.asarray(audio, np.float32))[None].to(device))[0]
        pieces = latents.shape[1] // frames
        points = latents[:, : pieces * frames].reshape(codec.channels, pieces, frames).mean(dim=2)
        return points.T.double().cpu().numpy()

    return embed


class Vggish(nn.Module):
    """The network, (B, 1, 96, 64) -> (B, 128), in the published weights' names."""

    def __init__(self):
        super().__init__()
        layers: list[nn.Module] = []
        for into, out, last in ((1, 64, 1), (64, 128, 1), (128, 256, 0), (256, 256, 1), (256, 512, 0), (512, 512, 1)):
            layers += [nn.Conv2d(into, out, 3, padding=1), nn.ReLU()] + [nn.MaxPool2d(2)] * last
        dense = [nn.Linear(512 * 6 * 4, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, 128)]
        self.features, self.embeddings = nn.Sequential(*layers), nn.Sequential(*dense)

    def forward(self, mel: torch.Tensor) -> torch.Tensor:
        return self.embeddings(self.features(mel).permute(0, 2, 3, 1).flatten(1))


def vggish_embedding(weights: Path | str, device: torch.device | str = "cpu") -> Embed:
    """Audio (N,) -> points (M, 128), one for every whole 0.96 s. Raises UserError when the weights are missing or not these."""
    with torch.device("meta"):
        net = Vggish().eval()
    try:
        net.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True), assign=True)
    except FileNotFoundError as error:
        raise UserError(
            f"{weights}: no such weights of VGGish; fetch {VGGISH_URL}, or leave vggish=null to do without"
        ) from error
    except (OSError, RuntimeError, TypeError, AttributeError, UnpicklingError) as error:
        raise UserError(f"{weights}: not VGGish's weights ({' '.join(str(error).split())[:120]})") from error
    net.to(device)

    @torch.inference_mode()
    def embed(audio: np.ndarray) -> np.ndarray:
        mel = log_mel(audio)
        patches = mel[: len(mel) // PATCH * PATCH].reshape(-1, 1, PATCH, MELS)
        points = [net(some.float().to(device)).double().cpu() for some in torch.from_numpy(patches).split(VGGISH_BATCH)]
        return torch.cat([torch.zeros(0, 128, dtype=torch.float64), *points]).numpy()

    return embed


def log_mel(audio: np.ndarray) -> np.ndarray:
    """VGGish's features of audio (N,) at 44.1 kHz: (frames, 64), log(mel + 0.01) every 10 ms."""
    low = resample(np.asarray(audio, np.float64), SAMPLE_RATE, VGGISH_RATE)
    if len(low) < WINDOW:
        return np.zeros((0, MELS))
    frames = np.lib.stride_tricks.sliding_window_view(low, WINDOW)[::HOP]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
    return np.log(np.abs(np.fft.rfft(frames * window, FFT, axis=1)) @ mel_bands().T + 0.01)


@cache
def mel_bands() -> np.ndarray:
    """Triangles on the mel scale of HTK, (64, 257), peaks of 1; the highest frequency lies in none."""
    bands, _ = get_mel_banks(MELS, FFT, VGGISH_RATE, LOW_HZ, HIGH_HZ, *UNWARPED)
    return np.pad(bands.double().numpy(), ((0, 0), (0, 1)))


def clap_embedding(folder: Path | str) -> Embed:
    """Audio (N,) -> points (M, 512). `folder` is what `ClapModel.save_pretrained` wrote; raises UserError when it is not."""
    try:
        from transformers import ClapAudioModelWithProjection, ClapFeatureExtractor
    except ImportError as error:
        raise UserError("CLAP needs a package: pip install transformers==5.23.0, or leave clap=null") from error
    if not Path(folder, "config.json").is_file():
        raise UserError(f"{folder}: no CLAP model (config.json is missing); leave clap=null to do without")
    try:
        net = ClapAudioModelWithProjection.from_pretrained(folder, local_files_only=True).eval()
        features = ClapFeatureExtractor.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise UserError(f"{folder}: not a CLAP model ({' '.join(str(error).split())[:120]})") from error

    @torch.inference_mode()
    def embed(audio: np.ndarray) -> np.ndarray:
        sound = resample(np.asarray(audio, np.float32), SAMPLE_RATE, CLAP_RATE)
        pieces = [sound[at : at + CLAP_PIECE] for at in range(0, max(len(sound) - CLAP_PIECE, 0) + 1, CLAP_STEP)]
        points = []
        for at in range(0, len(pieces), CLAP_BATCH):
            inputs = features(pieces[at : at + CLAP_BATCH], sampling_rate=CLAP_RATE, return_tensors="pt")
            points.append(net(**inputs).audio_embeds.double().numpy())
        return np.concatenate(points)

    return embed
