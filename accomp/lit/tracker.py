"""Training of the beat tracker: predict the phase of beat and bar from what the player has played so far."""

import torch

from accomp.beat.tracker import Tracker
from accomp.lit.training import TrainingModule, Values


class TrackerModule(TrainingModule):
    """Squared error of the phases as unit vectors, after the first `settle` frames, wherever the song has a beat.

    Args:
        tracker: arguments of `Tracker`
        settle: frames at the start of an excerpt that do not count (43 is 2 s)
        start: a training run with whose weights to begin
        colour: standard deviation of a constant added to every channel of an excerpt, as another room or instrument adds
        noise: standard deviation of noise added to every frame
    """

    def __init__(
        self, tracker: dict, learning_rate: float = 2e-3, warmup_steps: int = 100, steps: int = 4000, settle: int = 43,
        start: str | None = None, colour: float = 0.3, noise: float = 0.1,
    ):  # fmt: skip
        super().__init__()
        self.save_hyperparameters()
        self.tracker = Tracker(**tracker)
        self.begin_with(start, "tracker")

    def measure(self, batch: dict, generator: torch.Generator) -> tuple[Values, Values]:
        clock = batch["clock"].transpose(1, 2)  # (B, T, CLOCK_FEATURES)
        context = batch["context"]
        if self.training:
            context = context + self.hparams.colour * torch.randn_like(context[..., :1])
            context = context + self.hparams.noise * torch.randn_like(context)
        pointers, _ = self.tracker(context)
        truth, exists = clock[..., [0, 1, 4, 5]], clock[..., 9:]
        error = ((pointers.float() - truth) ** 2 * exists)[:, self.hparams.settle :]
        return {"loss": error.sum() / (4 * exists[:, self.hparams.settle :].sum()).clamp(min=1)}, {}
