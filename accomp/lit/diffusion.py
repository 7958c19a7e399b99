"""Training of the live diffusion model: predict what the stem plays, given what may be heard of the others."""

import lightning as L
import torch
from torch import Tensor

from accomp.beat.jitter import ClockJitter
from accomp.diffusion.noise import log_normal
from accomp.diffusion.precond import Denoiser, loss_weight, masked_mse
from accomp.diffusion.transformer import Condition, Transformer
from accomp.lit.optimiser import warmup_cosine
from accomp.window import PlayingDraw


class DiffusionModule(L.LightningModule):
    """Denoising score matching on target frames, under the masks of playing.

    Args:
        net: values of `TransformerConfig`
        draw: values of `PlayingDraw`: how much is heard, known and to be played
        jitter: values of `ClockJitter`: how wrong the clock may be
        noise_mean, noise_std: of ln(sigma) in training
        past_noise: the own past carries noise of a level drawn from [0, past_noise], as self-made latents do
    """

    def __init__(
        self,
        net: dict,
        draw: dict | None = None,
        jitter: dict | None = None,
        learning_rate: float = 5e-4,
        warmup_steps: int = 300,
        steps: int = 10_000,
        noise_mean: float = -0.2,
        noise_std: float = 1.4,
        past_noise: float = 0.3,
    ):
        super().__init__()
        self.save_hyperparameters()
        self.denoiser = Denoiser(Transformer(**net))
        self.draw, self.jitter = PlayingDraw(**(draw or {})), ClockJitter(**(jitter or {}))

    def training_step(self, batch: dict, index: int) -> Tensor:
        loss = self.loss(batch, self.generator(self.global_step * self.trainer.world_size + self.global_rank))
        self.log("train/loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch: dict, index: int) -> None:
        self.log("val/loss", self.loss(batch, self.generator(-1 - index)), prog_bar=True, batch_size=len(batch["stem"]))

    def generator(self, key: int) -> torch.Generator:
        """All chance of a step comes from its number, so that a resumed run repeats it."""
        return torch.Generator().manual_seed(2**40 + key)

    def loss(self, batch: dict, generator: torch.Generator) -> Tensor:
        target = batch["target"]
        condition = self.condition(batch, generator)
        sigma = log_normal(len(target), self.hparams.noise_mean, self.hparams.noise_std, generator).to(target)
        noise = torch.randn(target.shape, generator=generator).to(target)
        estimate = self.denoiser(target + sigma.view(-1, 1, 1) * noise, sigma, condition)
        return (loss_weight(sigma) * masked_mse(estimate, target, condition.masks.target)).mean()

    def condition(self, batch: dict, generator: torch.Generator) -> Condition:
        """What the model is told of a batch: masks as in play, a past that is not quite right, a clock that may err."""
        target = batch["target"]
        masks = self.draw(len(target), target.shape[2], generator).to(target.device)
        level = self.hparams.past_noise * torch.rand(len(target), 1, 1, generator=generator)
        past = target + (level * torch.randn(target.shape, generator=generator)).to(target)
        clock = self.jitter(batch["clock"], generator)
        return Condition(batch["context"], past, masks, batch["stem"], clock)

    def configure_optimizers(self):
        h = self.hparams
        return warmup_cosine(self.denoiser.parameters(), h.learning_rate, h.warmup_steps, h.steps, betas=(0.9, 0.99))
