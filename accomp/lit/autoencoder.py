"""Training of a codec: reconstruct audio through slightly noisy latents."""

from functools import partial

import torch
from torch import Tensor

from accomp.codec.contract import Codec
from accomp.codec.losses import WINDOWS, reconstruction_loss, sdr
from accomp.lit.training import TrainingModule, Values, adamw


class AutoencoderModule(TrainingModule):
    """A codec and its reconstruction loss.

    Args:
        codec: the codec to train, whose `encode` and `decode` carry gradients
        learning_rate, warmup_steps, steps: AdamW with a linear warm-up and a cosine decay over `steps` optimiser steps
        noise: standard deviation of the noise added to latents, drawn per excerpt from [0, 2 * noise]: the decoder must
            cope with the noise that a diffusion model leaves
        start: a training run with whose weights to begin, as far as it has them
    """

    windows = WINDOWS
    optimiser = staticmethod(partial(adamw, betas=(0.8, 0.99)))

    def __init__(
        self,
        codec: Codec,
        learning_rate: float = 1e-3,
        warmup_steps: int = 200,
        steps: int = 10_000,
        noise: float = 0.05,
        start: str | None = None,
    ):
        super().__init__()
        self.save_hyperparameters(ignore=["codec", "discriminator"])
        self.codec = codec
        self.begin_with(start, "codec", strict=False)

    def measure(self, batch: dict, generator: torch.Generator) -> tuple[Values, Values]:
        audio = nonsilent(batch, self.codec.hop)
        latents = self.codec.encode(audio)
        estimate = self.codec.decode(self.noisy(latents, generator)).float()
        return {"loss": self.distance(estimate, audio)}, {"sdr_db": sdr(estimate.detach(), audio).median()}

    def noisy(self, latents: Tensor, generator: torch.Generator) -> Tensor:
        """Latents (B, C, T), in training with Gaussian noise of a random level per item."""
        if not self.training:
            return latents
        level = 2 * self.hparams.noise * torch.rand(len(latents), 1, 1, generator=generator)
        return latents + (level * torch.randn(latents.shape, generator=generator)).to(latents)

    def window_lengths(self) -> tuple[int, ...]:
        """Window lengths of the loss in samples: in training one per step, in turn, which costs a fraction of all of them."""
        return (self.windows[self.global_step % len(self.windows)],) if self.training else self.windows

    def distance(self, estimate: Tensor, audio: Tensor) -> Tensor:
        return reconstruction_loss(estimate, audio, self.window_lengths())


def nonsilent(batch: dict, hop: int) -> Tensor:
    """Every context and target of a batch that is not silent, in whole frames: (B', N); all of them if all are silent."""
    audio = torch.cat([batch["context"], batch["target"]])
    audio = audio[:, : audio.shape[1] // hop * hop]
    loud = audio.abs().amax(1) > 1e-3
    return audio[loud] if loud.any() else audio
