"""Training of a codec: reconstruct audio through slightly noisy latents."""

from pathlib import Path

import lightning as L
import torch
from torch import Tensor

from accomp.codec.contract import Codec
from accomp.codec.losses import WINDOWS, reconstruction_loss, sdr
from accomp.lit.optimiser import adamw, warmup_cosine
from accomp.lit.seeds import step_generator
from accomp.training_run import read_run


class AutoencoderModule(L.LightningModule):
    """A codec and its reconstruction loss.

    Args:
        codec: the codec to train, whose `encode` and `decode` carry gradients
        learning_rate, warmup_steps, steps: AdamW with a linear warm-up and a cosine decay over `steps` optimiser steps
        noise: standard deviation of the noise added to latents, drawn per excerpt from [0, 2 * noise]: the decoder must
            cope with the noise that a diffusion model leaves
        start: a training run with whose weights to begin, as far as it has them
    """

    windows = WINDOWS

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
        if start is not None:
            read_run(Path(start), "codec.", codec, strict=False).train()

    def training_step(self, batch: dict, index: int) -> Tensor:
        audio = nonsilent(batch, self.codec.hop)
        estimate = self.noisy_round_trip(audio, step_generator(self, index))
        loss = self.distance(estimate, audio, self.window())
        self.log("train/loss", loss, prog_bar=True)
        self.log("train/sdr_db", sdr(estimate.detach(), audio).median(), prog_bar=True)
        return loss

    def noisy_round_trip(self, audio: Tensor, generator: torch.Generator) -> Tensor:
        """Audio (B, N) through the codec, with noise on its latents."""
        return self.codec.decode(self.noisy(self.codec.encode(audio), generator)).float()

    def noisy(self, latents: Tensor, generator: torch.Generator) -> Tensor:
        """Latents (B, C, T) with Gaussian noise of a random level per item."""
        level = 2 * self.hparams.noise * torch.rand(len(latents), 1, 1, generator=generator)
        return latents + (level * torch.randn(latents.shape, generator=generator)).to(latents)

    def window(self) -> tuple[int]:
        """One window length of the loss per step, in turn, which costs a fraction of all of them."""
        return (self.windows[self.global_step % len(self.windows)],)

    def distance(self, estimate: Tensor, audio: Tensor, windows: tuple[int, ...]) -> Tensor:
        return reconstruction_loss(estimate, audio, windows)

    def validation_step(self, batch: dict, index: int) -> None:
        audio = nonsilent(batch, self.codec.hop)
        estimate = self.codec.decode(self.codec.encode(audio)).float()
        self.log("val/loss", self.distance(estimate, audio, self.windows), prog_bar=True, batch_size=len(audio))
        self.log("val/sdr_db", sdr(estimate, audio).median(), prog_bar=True, batch_size=len(audio))

    def configure_optimizers(self):
        h = self.hparams
        return warmup_cosine(adamw(self.parameters(), h.learning_rate, (0.8, 0.99)), h.warmup_steps, h.steps)


def nonsilent(batch: dict, hop: int) -> Tensor:
    """Every context and target of a batch that is not silent, in whole frames: (B', N); all of them if all are silent."""
    audio = torch.cat([batch["context"], batch["target"]])
    audio = audio[:, : audio.shape[1] // hop * hop]
    loud = audio.abs().amax(1) > 1e-3
    return audio[loud] if loud.any() else audio
