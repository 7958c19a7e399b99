"""Training of the beat tracker: the phase of beat and bar from what the player has played so far."""

import torch
from torch import Tensor, nn

from accomp.lit.training import TrainingModule, Values
from accomp.timeline import SAMPLE_RATE

HOP = 2048  # samples per frame of the codecs that trackers listen to
HIT_S, FIT_S, AHEAD_S = 0.07, 4.0, 1.5
LEAST_S = 2.0  # that is heard at the least
NEAR_S, FAR_WEIGHT = 6.0, 0.2  # frames weigh less, the longer ago they are: down to the weight of those far away
EDGES = 8  # of every validation excerpt


class TrackerModule(TrainingModule):
    """Squared error of the phases as unit vectors wherever the song has a beat; most of all near the live edge.

    In training the player began to play anywhere in the excerpt, or before it: what was before is not heard.

    Args:
        tracker: the network, with the contract of `accomp.beat.tracker.Tracker`
        start: a training run with whose weights to begin
        colour: standard deviation of a constant added to every channel of an excerpt, as another room or instrument adds
        noise: standard deviation of noise added to every frame
    """

    def __init__(
        self, tracker: nn.Module, learning_rate: float = 2e-3, warmup_steps: int = 100, steps: int = 4000,
        start: str | None = None, colour: float = 0.3, noise: float = 0.1,
    ):  # fmt: skip
        super().__init__()
        self.save_hyperparameters(ignore=["tracker"])
        self.tracker = tracker
        self.begin_with(start, "tracker")

    def measure(self, batch: dict, generator: torch.Generator) -> tuple[Values, Values]:
        clock = batch["clock"].transpose(1, 2)  # (B, T, CLOCK_FEATURES)
        context = batch["context"]
        frames = torch.arange(context.shape[2], device=context.device)
        heard = torch.ones_like(clock[..., 0], dtype=torch.bool)
        if self.training:
            context = context + self.hparams.colour * torch.randn_like(context[..., :1])
            context = context + self.hparams.noise * torch.randn_like(context)
            latest = max(len(frames) - _frames(LEAST_S), 0)
            first = latest * (1.5 * torch.rand(len(context), 1, generator=generator) - 0.5)
            heard = frames >= first.to(frames.device)
        weight = FAR_WEIGHT + torch.exp((frames - len(frames)) / _frames(NEAR_S))
        weight = weight[:, None] * heard.unsqueeze(2) * clock[..., 9:]
        pointers = self.tracker(context, heard).float()
        error = ((pointers - clock[..., [0, 1, 4, 5]]) ** 2 * weight).sum()
        loss = {"loss": error / (4 * weight.sum()).clamp(min=1)}
        return loss, {} if self.training else live_hits(self.tracker, context, clock)


def live_hits(tracker: nn.Module, latents: Tensor, clock: Tensor) -> dict[str, Tensor]:
    """`hits` at EDGES places of the latents (B, C, T), at each of which the tracker has heard no more than that."""
    latest = latents.shape[2] - _frames(AHEAD_S)
    if latest < 2:
        return {}
    stops = torch.linspace(min(_frames(FIT_S), latest), latest, EDGES).round().int().tolist()
    found = [hits(tracker(latents[:, :, :stop]).float(), clock) for stop in stops]
    return {name: torch.stack([one[name] for one in found]).nanmean() for name in found[0]}


def hits(pointers: Tensor, clock: Tensor) -> dict[str, Tensor]:
    """How often the beat is within 70 ms of the true one: at the live edge, where the pointers (B, T, 4) end, and 1.5 s
    later, carried on by a line through the phases of the last 4 s.

    `clock` (B, T + 1.5 s or more, CLOCK_FEATURES); items without a beat there do not count.
    """
    guess = torch.atan2(pointers[..., 0], pointers[..., 1])[:, -_frames(FIT_S) :].double() / (2 * torch.pi)
    truth = torch.atan2(clock[..., 0], clock[..., 1]).double() / (2 * torch.pi)
    period_s = 0.5 * 2.0 ** clock[..., 8].double()
    turns = (guess.diff(dim=1) + 0.5) % 1 - 0.5
    unrolled = torch.cat([guess[:, :1], guess[:, :1] + turns.cumsum(1)], 1)
    place = torch.arange(guess.shape[1], dtype=torch.double, device=guess.device)
    place = place - place.mean()
    slope = (unrolled * place).sum(1) / place.square().sum()
    edge, ahead = pointers.shape[1] - 1, pointers.shape[1] - 1 + _frames(AHEAD_S)
    carried = unrolled.mean(1) + slope * (place[-1] + ahead - edge)

    def share(phase: Tensor, frame: int) -> Tensor:
        away_s = ((phase - truth[:, frame] + 0.5) % 1 - 0.5).abs() * period_s[:, frame]
        return (away_s <= HIT_S)[(clock[:, [edge, frame], 9] > 0).all(1)].float().mean()

    return {"hits_edge": share(guess[:, -1], edge), "hits_ahead": share(carried, ahead)}


def _frames(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE / HOP)
