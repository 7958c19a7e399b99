"""Training of the live diffusion model: predict what the stem plays, given what may be heard of the others."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import lightning as L
import torch
from torch import Tensor

from accomp.beat.jitter import ClockJitter
from accomp.diffusion.noise import log_normal
from accomp.diffusion.precond import Denoiser, loss_weight, masked_mse
from accomp.diffusion.transformer import Condition, Transformer
from accomp.lit.chroma_probe import ChromaProbe, capture_output, planning_layer
from accomp.lit.optimiser import warmup_cosine
from accomp.training_run import read_run
from accomp.window import PaperDraw, PlayingDraw


def seeded_generator(key: int) -> torch.Generator:
    """Chance that comes from a number alone."""
    return torch.Generator().manual_seed(2**40 + key)


def step_generator(module: L.LightningModule, index: int) -> torch.Generator:
    """All chance of batch `index` comes from the number of the optimiser step, the rank and the place in the accumulated
    batch, so that a resumed run repeats it and no two batches share it."""
    trainer = module.trainer
    place = index % trainer.accumulate_grad_batches
    step = module.global_step * trainer.world_size + module.global_rank
    return seeded_generator(step * trainer.accumulate_grad_batches + place)


@torch.no_grad()
def own_past(player: Denoiser, condition: Condition, generator: torch.Generator, wrong_key_prob: float = 0.0) -> Tensor:
    """The past (B, C, T) as `player` would have played it from a random known frame on, in two calls.

    While it plays, the live edge lies anywhere between that frame and the true edge: sometimes it hears little. With
    probability `wrong_key_prob` it plays all of the past and hears nothing but the clock: in time, and in a key of its own.
    """
    m, past = condition.masks, condition.past
    frame = torch.arange(1, past.shape[2] + 1, device=past.device)
    edge, stop = (m.visible * frame).amax(1), (~m.target).sum(1)
    share, heard = torch.rand(2, len(past), generator=generator).to(past)
    lost = torch.rand(len(past), generator=generator).to(past) < wrong_key_prob
    cut = (stop - share.where(~lost, 1.0) * m.known.sum(1)).long()
    until = (cut + heard * (edge - cut)).long().minimum(edge).where(~lost, 0)
    within = replace(condition, masks=m.before(cut, until))
    played = torch.zeros_like(past)
    for sigma in (20.0, 1.0):
        noise = torch.randn(past.shape, generator=generator).to(past)
        played = player(played + sigma * noise, past.new_full((len(past),), sigma), within)
    return torch.where((m.known & within.masks.target).unsqueeze(1), played, past)


class DiffusionModule(L.LightningModule):
    """Denoising score matching on target frames, under the masks of playing.

    Args:
        net: values of `TransformerConfig`
        draw: values of `PlayingDraw`: how much is heard, known and to be played
        jitter: values of `ClockJitter`: how wrong the clock may be
        noise_mean, noise_std: of ln(sigma) in training
        past_noise: the own past carries noise of a level drawn from [0, past_noise], as self-made latents do
        self_generated_past: probability per batch that part of the own past was played by the model itself, not by the musician
        wrong_key_prob: probability per item of such a batch that it played in a key of its own, see `own_past`
        cond_dropout: probability per item that player and clock are left out, which `ClassifierFreeGuidance` needs
        change: weight of errors in how the latents move, see `masked_mse`
        notes: weight of errors in the notes that are heard, foreseen, planned and played, see `ChromaProbe`
        start: a training run with whose weights to begin
    """

    draw_class: type[PlayingDraw] | type[PaperDraw] = PlayingDraw
    change = 0.0

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
        self_generated_past: float = 0.0,
        wrong_key_prob: float = 0.0,
        cond_dropout: float = 0.0,
        change: float = 0.0,
        notes: float = 0.0,
        start: str | None = None,
    ):
        super().__init__()
        self.save_hyperparameters()
        self.change = change
        self.denoiser = Denoiser(Transformer(**net))
        self.reader = ChromaProbe(self.denoiser.net.config, notes) if notes else None
        if start is not None:
            read_run(Path(start), "denoiser.", self.denoiser).train()
        self.draw, self.jitter = self.draw_class(**(draw or {})), ClockJitter(**(jitter or {}))

    def training_step(self, batch: dict, index: int) -> Tensor:
        losses = self.losses(batch, step_generator(self, index))
        self.log_dict({f"train/{name}": loss for name, loss in losses.items()}, prog_bar=True)
        return torch.stack(list(losses.values())).sum()

    def validation_step(self, batch: dict, index: int) -> None:
        losses = self.losses(batch, seeded_generator(-1 - index))
        self.log_dict(
            {f"val/{name}": loss for name, loss in losses.items()}, prog_bar=True, batch_size=len(batch["stem"])
        )

    def losses(self, batch: dict, generator: torch.Generator) -> dict[str, Tensor]:
        """What is wrong with the denoised target, and with its notes and those that were heard (`ChromaProbe.losses`)."""
        target = batch["target"]
        condition = self.condition(batch, generator, self.denoiser)
        sigma = log_normal(len(target), self.hparams.noise_mean, self.hparams.noise_std, generator).to(target)
        noise = torch.randn(target.shape, generator=generator).to(target)
        with capture_output(planning_layer(self.denoiser.net)) if self.reader else nullcontext() as said:
            estimate = self.denoiser(target + sigma.view(-1, 1, 1) * noise, sigma, condition)
        error = masked_mse(estimate, target, condition.masks.target, self.change)
        losses = {"loss": (loss_weight(sigma) * error).mean()}
        if self.reader:
            losses |= self.reader.losses(self.denoiser.net, said[0], estimate, condition, batch["notes"])
        return losses

    def condition(self, batch: dict, generator: torch.Generator, player: Denoiser) -> Condition:
        """What the model is told of a batch: masks as in play, a past that is not quite right, a clock that may err.

        In training part of the past may be what `player` would have played.
        """
        target = batch["target"]
        masks = self.draw(len(target), target.shape[2], generator).to(target.device)
        past = self.noisy_past(target, generator)
        clock = self.jitter(batch["clock"], generator)
        condition = Condition(batch["context"], past, masks, batch["stem"], clock)
        if not player.training:
            return condition
        if torch.rand((), generator=generator) < self.hparams.self_generated_past:
            condition = replace(condition, past=own_past(player, condition, generator, self.hparams.wrong_key_prob))
        return condition.without_condition(
            (torch.rand(len(target), generator=generator) < self.hparams.cond_dropout).to(target.device)
        )

    def noisy_past(self, target: Tensor, generator: torch.Generator) -> Tensor:
        """The true stem as a past that is not quite right."""
        level = self.hparams.past_noise * torch.rand(len(target), 1, 1, generator=generator)
        return target + (level * torch.randn(target.shape, generator=generator)).to(target)

    def configure_optimizers(self):
        h = self.hparams
        return warmup_cosine(self.parameters(), h.learning_rate, h.warmup_steps, h.steps, betas=(0.9, 0.99))


class PaperRecipeModule(DiffusionModule):
    """The recipe of arXiv 2604.07612 on the live model's latents and network, for comparison at equal data and compute.

    The whole window is noise and target; of the context the last 0, 1/4 or 1/2 are hidden; what was played before is put back
    while sampling (`accomp.diffusion.inpaint`), the network is not told.
    """

    draw_class = PaperDraw
