"""Training of the coherence model: a stem must find the context it was played with among all others of the batch."""

import torch
import torch.nn.functional as F
from torch import Tensor

from accomp.lit.training import TrainingModule, Values
from accomp.metrics.coherence import HOP, PIECE, Coherence, audible
from accomp.timeline import to_samples


class CoherenceModule(TrainingModule):
    """Contrastive loss (InfoNCE, van den Oord et al. 2018) both ways, plus each stem's own context shifted in time.

    The shifted context makes it sensitive to the beat: it has the same notes and the same sound, only not at that moment. Only
    stems of one instrument compete for a context, which would else be found by the instrument it lacks. Excerpts are audio and
    longer than 5 s by `longest_shift_s`. Items whose stem or context is silent are left out.

    Args:
        net: arguments of `Coherence`
        shortest_shift_s, longest_shift_s: how far a wrong context is shifted
        start: a training run with whose weights to begin
    """

    def __init__(
        self,
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
        self.net = Coherence(**(net or {}))
        self.begin_with(start, "net")
        self.frames = PIECE // HOP
        self.shifts = [round(to_samples(shift_s) / HOP) for shift_s in (shortest_shift_s, longest_shift_s)]

    def measure(self, batch: dict, generator: torch.Generator) -> tuple[Values, Values]:
        with torch.no_grad(), torch.autocast(batch["target"].device.type, enabled=False):
            levels = {name: self.net.bands(batch[name].float()) for name in ("target", "context")}
        loss, found, unshifted = self.compare(batch | levels, generator)
        return {"loss": loss}, {"found": found, "unshifted": unshifted}

    def compare(self, batch: dict, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """The loss, how often the right context was the nearest, and how often it was nearer than the shifted one.

        The batch holds levels (B, K, T) of the bands of `target` and `context`, and `stem` (B,).
        """
        target, context = batch["target"][..., : self.frames], batch["context"]
        some = audible(target) & audible(context[..., : self.frames])
        target, context, kind = target[some], context[some], batch["stem"][some]
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
