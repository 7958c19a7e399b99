"""Training of the codec: reconstruct, through slightly noisy latents."""

from pathlib import Path

import lightning as L
import torch
from torch import Tensor

from accomp.codec.autoencoder import Autoencoder
from accomp.codec.losses import WINDOWS, reconstruction_loss, sdr
from accomp.lit.optimiser import warmup_cosine
from accomp.training_run import read_run


class AutoencoderModule(L.LightningModule):
    """The causal autoencoder and its loss.

    Args:
        codec: values of `AutoencoderConfig`
        learning_rate, warmup_steps, steps: AdamW with a linear warm-up and a cosine decay over `steps` optimiser steps
        noise: standard deviation of the noise added to latents, drawn anew per excerpt from [0, 2 * noise]: the decoder
            must bear the residue that a diffusion model leaves
        start: a training run with whose weights to begin, as far as it has them
    """

    codec_class, windows = Autoencoder, WINDOWS

    def __init__(
        self,
        codec: dict,
        learning_rate: float = 1e-3,
        warmup_steps: int = 200,
        steps: int = 10_000,
        noise: float = 0.05,
        start: str | None = None,
    ):
        super().__init__()
        self.save_hyperparameters()
        self.codec = self.codec_class(**codec)
        if start is not None:
            read_run(Path(start), "codec.", self.codec, strict=False).train()

    def training_step(self, batch: dict, index: int) -> Tensor:
        audio = pieces(batch, self.codec.hop)
        estimate = self.noisy_round_trip(audio)
        loss = self.distance(estimate, audio, self.window())
        self.log("train/loss", loss, prog_bar=True)
        self.log("train/sdr_db", sdr(estimate.detach(), audio).median(), prog_bar=True)
        return loss

    def noisy_round_trip(self, audio: Tensor) -> Tensor:
        """Audio (B, N) through the codec, with noise on its latents."""
        return self.codec.decode(self.noisy(self.codec.encode(audio))).float()

    def noisy(self, latents: Tensor) -> Tensor:
        # The noise of a step depends on the step alone, so that a resumed run repeats it.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.global_step * self.trainer.world_size + self.global_rank)
            level = 2 * self.hparams.noise * torch.rand(len(latents), 1, 1, device=latents.device)
            return latents + level * torch.randn_like(latents)

    def window(self) -> tuple[int]:
        """One window length a step, by turns: a fraction of the cost of all."""
        return (self.windows[self.global_step % len(self.windows)],)

    def distance(self, estimate: Tensor, audio: Tensor, windows: tuple[int, ...]) -> Tensor:
        return reconstruction_loss(estimate, audio, windows)

    def validation_step(self, batch: dict, index: int) -> None:
        audio = pieces(batch, self.codec.hop)
        estimate = self.codec.decode(self.codec.encode(audio)).float()
        self.log("val/loss", self.distance(estimate, audio, self.windows), prog_bar=True, batch_size=len(audio))
        self.log("val/sdr_db", sdr(estimate, audio).median(), prog_bar=True, batch_size=len(audio))

    def configure_optimizers(self):
        h = self.hparams
        return warmup_cosine(self.codec.parameters(), h.learning_rate, h.warmup_steps, h.steps, betas=(0.8, 0.99))


def pieces(batch: dict, hop: int) -> Tensor:
    """Every context and target of a batch that is not silent, in whole frames: (B', N)."""
    audio = torch.cat([batch["context"], batch["target"]])
    audio = audio[:, : audio.shape[1] // hop * hop]
    heard = audio.abs().amax(1) > 1e-3
    return audio[heard] if heard.any() else audio
