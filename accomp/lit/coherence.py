"""Training of the coherence model: a stem must find the context it was played with among all others of the batch."""

import torch
import torch.nn.functional as F
from torch import Tensor

from accomp.codec.fingerprint import fingerprint
from accomp.errors import UserError
from accomp.lit.training import TrainingModule, Values
from accomp.metrics.coherence import PIECE, Coherence, sketch_codec
from accomp.timeline import to_samples


class CoherenceModule(TrainingModule):
    """Contrastive loss (InfoNCE, van den Oord et al. 2018) both ways, plus each stem's own context shifted in time.

    The shifted context makes it sensitive to the beat: it has the same notes and the same sound, only not at that moment. Only
    stems of one instrument compete for a context, which would else be found by the instrument it lacks. Excerpts must be
    longer than 5 s by `longest_shift_s`. Items whose stem or context is silent are left out.

    Args:
        codec: the model folder (or run) whose latents the batches hold
        net: arguments of `Coherence`
        shortest_shift_s, longest_shift_s: how far a wrong context is shifted
        start: a training run with whose weights to begin
    """

    def __init__(
        self,
        codec: str,
        net: dict | None = None,
        learning_rate: float = 1e-3,
        warmup_steps: int = 100,
        steps: int = 3000,
        shortest_shift_s: float = 0.1,
        longest_shift_s: float = 1.5,
        start: str | None = None,
    ):
        super().__init__()
        self.save_hyperparameters()
        sketch = sketch_codec(codec)
        self.net = Coherence(**(net or {}))
        self.net.calibrate(sketch)
        self.begin_with(start, "net")
        self.latents = fingerprint(sketch)
        self.frames = PIECE // sketch.hop
        self.shifts = [round(to_samples(shift_s) / sketch.hop) for shift_s in (shortest_shift_s, longest_shift_s)]

    def on_train_start(self) -> None:
        codec = self.trainer.datamodule.codec
        if codec != self.latents:
            raise UserError(f"module.codec={self.hparams.codec}: data.latents holds those of another codec ({codec})")

    def measure(self, batch: dict, generator: torch.Generator) -> tuple[Values, Values]:
        loss, found, unshifted = self.compare(batch, generator)
        return {"loss": loss}, {"found": found, "unshifted": unshifted}

    def compare(self, batch: dict, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """The loss, how often the right context was the nearest, and how often it was nearer than the shifted one."""
        target, context = batch["target"][..., : self.frames], batch["context"]
        audible = self.net.sounds(target) & self.net.sounds(context[..., : self.frames])
        target, context, kind = target[audible], context[audible], batch["stem"][audible]
        if len(target) < 2:  # nothing to tell apart; a zero with gradients
            zero = 0.0 * sum(parameter.sum() for parameter in self.net.parameters())
            return zero, zero.detach(), zero.detach()
        low, high = self.shifts
        shift = torch.randint(low, high + 1, (len(target),), generator=generator).tolist()
        late = torch.stack([row[:, by : by + self.frames] for row, by in zip(context, shift, strict=True)])
        stems = self.net.stems(target)
        contexts, shifted = self.net.contexts(torch.cat([context[..., : self.frames], late])).chunk(2)
        scale = self.net.scale.exp().clamp(max=100.0)
        pairs = scale * torch.einsum("bst,cst->bc", stems, contexts) / stems.shape[2]
        pairs = pairs.masked_fill(kind[:, None] != kind, -torch.inf)
        wrong = scale * (stems * shifted).sum(1).mean(1, keepdim=True)
        right = torch.arange(len(stems), device=stems.device)
        loss = (F.cross_entropy(torch.cat([pairs, wrong], 1), right) + F.cross_entropy(pairs.T, right)) / 2
        return loss, (pairs.argmax(1) == right).float().mean(), (pairs.diagonal() > wrong[:, 0]).float().mean()
