"""The paper's codec, Music2Latent, behind the contract: whole windows in, 64 numbers per 93 ms out, and back.

A thin wrapper of the package `music2latent` (Pasini, Lattner and Fazekas, ISMIR 2024). LICENCE: its code and weights
are CC BY-NC 4.0, so whatever is made with this codec may not be used commercially.

The package fetches its weights from a model hub when first used; this wrapper never does. It reads a file that the user
already has or, to time the paper's system, runs on random weights.

Its frames depend on what follows them, so a stream of it is made of windows: the encoder takes the last 6 s again for
every block, as the paper's does, with silence after the live edge; the decoder decodes its last frames again and
crossfades.
"""

import pickle
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn import functional as F

from accomp.codec.contract import Codec
from accomp.errors import UserError
from accomp.timeline import WIRE_RATE, check_rate

TAIL = 1536  # samples of the 2048-sample STFT window that reach past the last frame
ANY_LENGTH = 44_100 * 3600  # samples; the package cuts longer audio into pieces, which would leave seams
WINDOW = 64  # frames that the streaming encoder takes at once: the paper's 6 s, over which the codec normalises itself
REACH = 13  # frames of the past that a frame depends on, at most
PIECE = 17  # frames that the streaming decoder decodes at once (1.5 s): on a CPU a frame of 6 s costs 1.6 times as much
AGAIN = 2  # frames that it decodes again, against seams; the paper's server: 1
INSTALL = "the paper's codec needs a package (CC BY-NC 4.0: not for commercial use): pip install music2latent==0.1.8"
FETCH = "fetch music2latent.pt once with `python -c 'import music2latent as m; m.EncoderDecoder()'` (CC BY-NC 4.0)"
WEIGHTS_MISSING = f"needs Music2Latent's weights, which are not in it: {FETCH} and convert again with --codec music2latent.pt"


class Music2Latent(Codec):
    """Latents of the published system: about 10.8 frames a second, 64 channels, standard deviation about 1.

    `weights` is the package's own `music2latent.pt`; None leaves the weights random, to be loaded or for timing only.
    Decoding draws noise from torch's global generator (a one-step consistency decoder).
    """

    hop = 4096
    channels = 64
    delay = 882  # of a stream: the 20 ms over which two decodings are crossfaded
    causal = False
    dtype = torch.float32  # of its convolutions; see accomp.stream.quick

    def __init__(self, weights: str | Path | None = None):
        super().__init__()
        check_rate(WIRE_RATE, "Music2Latent")
        try:
            from music2latent import inference
        except ImportError as error:
            raise UserError(INSTALL) from error
        self._package = inference
        self.gen = inference.UNet()
        if weights is not None:
            self.gen.load_state_dict(_read_weights(Path(weights)))
        self.eval()

    @classmethod
    def untrained(cls) -> Self:
        """A codec with random weights, the same every time. What the package starts at 0 would leave the decoder
        silent.
        """
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)
            codec = cls().requires_grad_(False)
            for parameter in codec.parameters():
                if not parameter.any():
                    torch.nn.init.normal_(parameter, std=0.02)
        return codec

    def encode(self, audio: Tensor) -> Tensor:
        """Audio (B, N) -> latents (B, 64, N // 4096). Each frame also depends on 1.2 s on either side."""
        frames = audio.shape[-1] // self.hop
        if frames == 0:
            return audio.new_zeros(len(audio), self.channels, 0)
        need = frames * self.hop + TAIL
        audio = F.pad(audio, (0, max(0, need - audio.shape[-1])))[:, :need]
        with self._precision(audio.device):
            latents = self._package.encode_audio_inference(
                audio, SimpleNamespace(gen=self.gen), ANY_LENGTH, len(audio), audio.device
            )
        return latents.float()

    def decode(self, latents: Tensor) -> Tensor:
        """Latents (B, 64, T) -> audio (B, T * 4096). The STFT's last 1536 samples, which overhang, are cut off."""
        if latents.shape[-1] == 0:
            return latents.new_zeros(len(latents), 0)
        return self.decode_window(latents)[:, : latents.shape[-1] * self.hop]

    def decode_window(self, latents: Tensor) -> Tensor:
        """Latents (B, 64, T), T at least 1 -> audio (B, T * 4096 + 1536)."""
        with self._precision(latents.device):
            audio = self._package.decode_latent_inference(
                latents, SimpleNamespace(gen=self.gen), ANY_LENGTH, len(latents), device=latents.device
            )
        return audio.to(latents.device)

    def encode_stream(self, audio: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The next block (B, N) -> its latents (B, 64, N // 4096), as if the music ended with it; state is recent
        audio.

        Unlike a causal codec's, they depend on how the stream is cut, since they depend on what follows.
        """
        recent = audio if state is None else torch.cat([state, audio], 1)
        new = audio.shape[1] // self.hop
        recent = recent[:, -max(WINDOW, new + REACH) * self.hop :]
        if new == 0:
            return audio.new_zeros(len(audio), self.channels, 0), recent
        return self.encode(recent)[:, :, -new:], recent

    def decode_stream(self, latents: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """The next latents (B, 64, T) -> audio (B, T * 4096), `delay` samples late.

        State is (recent latents, audio held back for the crossfade, frames so far). The noise of a stream depends on
        its position alone, so that it can be repeated.
        """
        pieces = []
        for piece in latents.split(PIECE, 2):
            audio, state = self._decode_piece(piece, state)
            pieces.append(audio)
        return torch.cat(pieces, 1), state

    def _decode_piece(self, latents: Tensor, state: Any) -> tuple[Tensor, Any]:
        past, held, position = state or (latents[:, :, :0], None, 0)
        window, length = torch.cat([past, latents], 2), latents.shape[2] * self.hop
        with torch.random.fork_rng(devices=[]):  # the package draws its noise on the CPU
            torch.default_generator.manual_seed(position)
            audio = self.decode(window)[:, -(length + self.delay) :]
        audio = F.pad(audio, (length + self.delay - audio.shape[1], 0))
        if held is not None:
            fade = torch.linspace(0, 1, self.delay, device=audio.device)
            audio[:, : self.delay] = torch.lerp(held, audio[:, : self.delay], fade)
        return audio[:, :length], (window[:, :, -AGAIN:], audio[:, length:], position + latents.shape[2])

    @contextmanager
    def _precision(self, device: torch.device) -> Iterator[None]:
        """Convolutions in `self.dtype`. The package asks for CUDA's half precision too: on a CPU, a warning at every
        call.
        """
        with (
            warnings.catch_warnings(action="ignore", category=UserWarning),
            torch.autocast(device.type, self.dtype, enabled=self.dtype != torch.float32),
        ):
            yield


def package_weights() -> Path | None:
    """Music2Latent's weights where its package keeps them, if they were ever fetched."""
    package = find_spec("music2latent")
    path = Path(package.origin).parent / "models" / "music2latent.pt" if package and package.origin else None
    return path if path and path.is_file() else None


def pretrained(weights: str | Path | None = None) -> Music2Latent:
    """The published codec, from its weight file; None: from the place where its package keeps it."""
    path = weights or package_weights()
    if path is None:
        raise UserError(f"no Music2Latent weights: {FETCH}, which puts it into the package's folder models/")
    return Music2Latent(path)


def _read_weights(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise UserError(f"no Music2Latent weights at {path}: {FETCH}, which puts it into the package's folder models/")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)["gen_state_dict"]
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError) as error:
        raise UserError(f"{path} is not Music2Latent's weight file ({error}): fetch music2latent.pt again") from error
