"""Training of the beat tracker: predict the phase of beat and bar from what the player has played so far."""

import torch
from torch import Tensor, nn

from accomp.lit.training import TrainingModule, Values
from accomp.timeline import SAMPLE_RATE

HOP = 2048  # samples per frame of the codecs that trackers listen to
HIT_S, FIT_S, AHEAD_S = 0.07, 4.0, 1.5


class TrackerModule(TrainingModule):
    """Squared error of the phases as unit vectors, after the first `settle` frames, wherever the song has a beat.

    Args:
        tracker: the network, with the contract of `accomp.beat.tracker.Tracker`
        settle: frames at the start of an excerpt that do not count (43 is 2 s)
        start: a training run with whose weights to begin
        colour: standard deviation of a constant added to every channel of an excerpt, as another room or instrument adds
        noise: standard deviation of noise added to every frame
    """

    def __init__(
        self, tracker: nn.Module, learning_rate: float = 2e-3, warmup_steps: int = 100, steps: int = 4000, settle: int = 43,
        start: str | None = None, colour: float = 0.3, noise: float = 0.1,
    ):  # fmt: skip
        super().__init__()
        self.save_hyperparameters(ignore=["tracker"])
        self.tracker = tracker
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
        loss = {"loss": error.sum() / (4 * exists[:, self.hparams.settle :].sum()).clamp(min=1)}
        return loss, {} if self.training else hits(pointers.float(), clock, self.hparams.settle)


def hits(pointers: Tensor, clock: Tensor, settle: int) -> dict[str, Tensor]:
    """How often the beat is within 70 ms of the true one: at the live edge, and 1.5 s ahead, carried on by a line through the
    phases of the last 4 s.

    `pointers` (B, T, 4) and `clock` (B, T, CLOCK_FEATURES); frames before `settle` and without a beat do not count.
    """
    known = clock[..., 9] > 0
    turns = {
        "guess": torch.atan2(pointers[..., 0], pointers[..., 1]),
        "truth": torch.atan2(clock[..., 0], clock[..., 1]),
    }
    guess, truth = (turn.double() / (2 * torch.pi) for turn in turns.values())
    period_s = 0.5 * 2.0 ** clock[..., 8].double()

    def share(phase: Tensor, wanted: Tensor, period: Tensor, counts: Tensor) -> Tensor:
        away_s = ((phase - wanted + 0.5) % 1 - 0.5).abs() * period
        return (away_s <= HIT_S)[counts].float().mean() if counts.any() else torch.tensor(float("nan"))

    found = {"hits_edge": share(guess[:, settle:], truth[:, settle:], period_s[:, settle:], known[:, settle:])}
    memory, ahead = (round(s * SAMPLE_RATE / HOP) for s in (FIT_S, AHEAD_S))
    if guess.shape[1] <= memory + ahead:
        return found
    steps = (guess.diff(dim=1) + 0.5) % 1 - 0.5
    unrolled = torch.cat([guess[:, :1], guess[:, :1] + steps.cumsum(1)], 1)
    windows = unrolled.unfold(1, memory, 1)[:, :-ahead]  # (B, W, memory), each followed by `ahead` frames
    place = torch.arange(memory, dtype=torch.double, device=guess.device)
    place = place - place.mean()
    slope = (windows * place).sum(-1) / place.square().sum()
    carried = windows.mean(-1) + slope * (place[-1] + ahead)
    later = slice(memory - 1 + ahead, None)
    counts = known[:, later] & known[:, memory - 1 : -ahead]
    return found | {"hits_ahead": share(carried, truth[:, later], period_s[:, later], counts)}
