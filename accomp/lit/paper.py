"""Training as in arXiv 2604.07612: its masks, its losses and its optimisers, on 6 s excerpts encoded as they come."""

import copy
from pathlib import Path

import lightning as L
import torch
from torch import Tensor

from accomp.beat.clock import CLOCK_FEATURES
from accomp.codec.music2latent import Music2Latent
from accomp.diffusion.consistency import grid, teacher_steps
from accomp.diffusion.noise import log_normal
from accomp.diffusion.precond import SIGMA_MIN, ConsistencyDenoiser, Denoiser, loss_weight
from accomp.diffusion.transformer import Condition
from accomp.diffusion.unet import PaperUNet
from accomp.lit.diffusion import DiffusionModule, seeded_generator, step_generator
from accomp.training_run import read_run, run_config
from accomp.window import PaperDraw

SIGMA_MAX, RHO = 80.0, 9.0  # of the distillation grid


class PaperDiffusionModule(DiffusionModule):
    """The paper's diffusion model: the whole window is the target, the end of the context may be hidden.

    As published there is no averaging, no schedule, no weight decay and no clipping.

    Args:
        net: values of `UNet`
        codec: Music2Latent's weight file
        hidden: fractions of the window; one is drawn per excerpt. (0,) trains the mask-less model
        start: a run whose weights to begin with
    """

    def __init__(
        self,
        net: dict,
        codec: str,
        hidden: list[float],
        start: str | None = None,
        learning_rate: float = 1e-4,
        noise_mean: float = -1.2,
        noise_std: float = 1.2,
    ):
        super(DiffusionModule, self).__init__()  # not DiffusionModule's own: its network and masks are the live model's
        self.save_hyperparameters()
        self.denoiser = Denoiser(PaperUNet(**net))
        if start is not None:
            read_run(Path(start), "denoiser.", self.denoiser).train()
        self.draw, self.reader = PaperDraw(tuple(hidden)), None
        self.codec = (Music2Latent(codec),)  # in a tuple: neither trained nor saved with the model

    def losses(self, batch: dict, generator: torch.Generator) -> dict[str, Tensor]:
        return super().losses(self.encode(batch), generator)

    @torch.no_grad()
    def encode(self, batch: dict) -> dict:
        """The batch with latents (B, 64, T) for its audio (B, N); as published, the context is encoded future and all."""

        def latents(audio: Tensor) -> Tensor:
            with torch.autocast(audio.device.type, enabled=False):  # the codec chooses its own precision
                return torch.cat([self.codec[0].encode(few.float()) for few in audio.split(8)]).float()

        return batch | {"context": latents(batch["context"]), "target": latents(batch["target"])}

    def condition(self, batch: dict, generator: torch.Generator, player: Denoiser | None = None) -> Condition:
        context = batch["context"]
        masks = self.draw(len(context), context.shape[2], generator).to(context.device)
        nothing = torch.zeros_like(context)  # the network has no past of its own and no clock
        return Condition(context, nothing, masks, batch["stem"], nothing[:, :CLOCK_FEATURES])

    def configure_optimizers(self):
        return torch.optim.Adam(self.denoiser.parameters(), self.hparams.learning_rate, betas=(0.9, 0.99))


class PaperStudentModule(L.LightningModule):
    """The paper's consistency model: `student` learns from `playing`, its teacher, and from `target`, its own slow copy.

    As published the target keeps its dropout on, the teacher does not, and the student is played as it is, unaveraged.

    Args:
        teacher: a run of `PaperDiffusionModule`, from which network, codec and masks are read
        ema_decay: decay of the slow copy per optimiser step
    """

    def __init__(self, teacher: str, learning_rate: float = 1e-5, points: int = 18, ema_decay: float = 0.999):
        super().__init__()
        values = {k: v for k, v in run_config(Path(teacher))["module"].items() if k != "_target_"}
        self.save_hyperparameters()
        self.save_hyperparameters({"hidden": values["hidden"]})  # travels with the weights
        self.playing = PaperDiffusionModule(**values | {"start": teacher}).requires_grad_(False)
        self.student = ConsistencyDenoiser(copy.deepcopy(self.playing.denoiser.net)).requires_grad_(True)
        self.target = copy.deepcopy(self.student).requires_grad_(False)
        self.register_buffer("sigmas", grid(points, SIGMA_MIN, SIGMA_MAX, RHO), persistent=False)

    def training_step(self, batch: dict, index: int) -> Tensor:
        self.playing.eval()
        cd, dsm = self.losses(batch, step_generator(self, index))
        self.log_dict({"train/cd": cd, "train/dsm": dsm}, prog_bar=True)
        return cd + dsm

    def validation_step(self, batch: dict, index: int) -> None:
        cd, dsm = self.losses(batch, seeded_generator(-1 - index))
        self.log_dict({"val/cd": cd, "val/dsm": dsm}, prog_bar=True, batch_size=len(batch["stem"]))

    def losses(self, batch: dict, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Distance to the slow copy's answer after the teacher's walk, and to the truth."""
        batch = self.playing.encode(batch)
        truth, condition = batch["target"], self.playing.condition(batch, generator)
        noise = torch.randn(truth.shape, generator=generator).to(truth)

        longest = len(self.sigmas) - 1
        walked = 1 + int(torch.multinomial(torch.arange(1.0, longest + 1), 1, generator=generator))  # P(k) grows as k
        levels = torch.randint(longest - walked + 1, (len(truth),), generator=generator).to(truth.device)
        x = truth + self.sigmas[levels].view(-1, 1, 1) * noise
        answer = self.student(x, self.sigmas[levels], condition)
        with torch.no_grad():
            x = teacher_steps(self.playing.denoiser, x, levels, walked, self.sigmas, condition)
            goal = self.target(x, self.sigmas[levels + walked], condition)
        cd = ((answer - goal) ** 2).mean()

        sigma = self.draw_sigma(len(truth), generator).to(truth)
        estimate = self.student(truth + sigma.view(-1, 1, 1) * noise, sigma, condition)
        dsm = (loss_weight(sigma) * ((estimate - truth) ** 2).mean((1, 2))).mean()
        return cd, dsm

    def draw_sigma(self, batch: int, generator: torch.Generator) -> Tensor:
        """Noise levels of the denoising term: half log-normal, half along the first 0.7 of the grid's curve; (B,)."""
        h = self.playing.hparams
        low = log_normal(batch // 2, h.noise_mean, h.noise_std, generator)
        u = 0.7 * torch.rand(batch - batch // 2, generator=generator)
        top, bottom = SIGMA_MAX ** (1 / RHO), SIGMA_MIN ** (1 / RHO)
        return torch.cat([low, (top + u * (bottom - top)) ** RHO])

    def on_before_zero_grad(self, optimizer: torch.optim.Optimizer) -> None:
        with torch.no_grad():
            for slow, fast in zip(self.target.parameters(), self.student.parameters(), strict=True):
                slow.lerp_(fast, 1 - self.hparams.ema_decay)

    def configure_optimizers(self):
        return torch.optim.RAdam(self.student.parameters(), self.hparams.learning_rate)
