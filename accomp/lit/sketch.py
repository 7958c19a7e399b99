"""Training of the sketch codec's decoder: sound from a spectrogram, phases left to the decoder."""

import lightning as L
import torch
from torch import Tensor

from accomp.codec.losses import WINDOWS, magnitude_loss
from accomp.codec.sketch import SketchCodec
from accomp.lit.autoencoder import pieces
from accomp.lit.optimiser import warmup_cosine


class SketchModule(L.LightningModule):
    """The decoder of `SketchCodec` under magnitude losses; the encoder's projection is fitted on the first batches.

    Args:
        codec: values of `AutoencoderConfig`
        learning_rate, warmup_steps, steps: AdamW with a linear warm-up and a cosine decay over `steps` optimiser steps
        noise: standard deviation of the noise added to latents, drawn anew per excerpt from [0, 2 * noise]: the decoder
            must bear the residue that a diffusion model leaves
        examples: excerpts to fit the projection on, before the first step
    """

    def __init__(
        self,
        codec: dict,
        learning_rate: float = 1e-3,
        warmup_steps: int = 200,
        steps: int = 10_000,
        noise: float = 0.1,
        examples: int = 400,
    ):
        super().__init__()
        self.save_hyperparameters()
        self.codec = SketchCodec(**codec)

    def on_fit_start(self) -> None:
        if self.codec.basis.any():
            return
        excerpts = self.trainer.datamodule.excerpts("train")
        frames = []
        for index in range(self.hparams.examples):
            item = excerpts[-1 - index]  # numbers that training never deals
            for audio in (item["context"], item["target"]):
                audio = torch.from_numpy(audio)[None, : len(audio) // self.codec.hop * self.codec.hop]
                frames.append(self.codec.features(audio, None)[0][0])
        self.codec.fit(torch.cat(frames))

    def training_step(self, batch: dict, index: int) -> Tensor:
        audio = pieces(batch, self.codec.hop)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.global_step * self.trainer.world_size + self.global_rank)
            level = 2 * self.hparams.noise * torch.rand(len(audio), 1, 1, device=audio.device)
            latents = self.codec.encode(audio)
            estimate = self.codec.decode(latents + level * torch.randn_like(latents)).float()
        loss = magnitude_loss(estimate, audio, WINDOWS[self.global_step % len(WINDOWS) :][:1])
        self.log("train/loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch: dict, index: int) -> None:
        audio = pieces(batch, self.codec.hop)
        estimate = self.codec.decode(self.codec.encode(audio)).float()
        self.log("val/loss", magnitude_loss(estimate, audio), prog_bar=True, batch_size=len(audio))

    def configure_optimizers(self):
        h = self.hparams
        return warmup_cosine(self.codec.parameters(), h.learning_rate, h.warmup_steps, h.steps, betas=(0.8, 0.99))
