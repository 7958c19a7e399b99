"""The beat tracker: a small causal network on the player's latents, and a clock that carries its beat into the future.

At every frame the network gives the phase of the beat and of the bar as two vectors, here called pointers, whose lengths
are its confidence: trained by squared error, it learns to shorten them where it is in doubt. A steady pulse fitted to the
last seconds of pointers gives the phase of any frame to come.
"""

import numpy as np
import torch
from torch import Tensor, nn

from accomp.beat.clock import CLOCK_FEATURES
from accomp.beat.pulse import Pulse, fit_pulse
from accomp.timeline import SAMPLE_RATE

MEMORY_S = 12.0  # of pointers that a pulse is fitted to


class Tracker(nn.Module):
    """Latents (B, C, T) -> pointers (B, T, 4): (sin, cos) of the beat's phase, (sin, cos) of the bar's. Causal.

    `channels` is the codec's C; `dropout` acts between the two recurrent layers, in training.
    """

    def __init__(self, channels: int = 64, width: int = 192, dropout: float = 0.1):
        super().__init__()
        self.into = nn.Sequential(nn.Linear(channels, width), nn.GELU(), nn.Linear(width, width))
        self.memory = nn.GRU(width, width, num_layers=2, batch_first=True, dropout=dropout)
        self.out = nn.Linear(width, 4)

    def forward(self, latents: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The pointers of these frames and the state to go on from; any split of a stream gives the same pointers."""
        h, state = self.memory(self.into(latents.transpose(1, 2)), state)
        return self.out(h), state


class TrackerClock:
    """A `Clock` that estimates the beat from the latents. Below `least` confidence it says that there is none."""

    def __init__(self, tracker: Tracker, hop: int, least: float = 0.1):
        self.tracker, self.hop, self.least = tracker, hop, least
        self.memory = int(MEMORY_S * SAMPLE_RATE / hop)  # frames
        self.reset()

    def reset(self) -> None:
        self.state = None
        self.stop = 0  # one past the last frame taken
        self.pointers: np.ndarray | None = None  # (B, T, 4) of the frames that end at `stop`, at most `memory`

    @torch.inference_mode()
    def listen(self, latents: Tensor, start: int) -> None:
        if not latents.shape[2]:
            return
        if start != self.stop:
            self._jump(start)
        new, self.state = self.tracker(latents, self.state)
        new = new.float().cpu().numpy()
        both = new if self.pointers is None else np.concatenate([self.pointers, new], 1)
        self.pointers, self.stop = both[:, -self.memory :], start + latents.shape[2]

    def _jump(self, start: int) -> None:
        """Go on at frame `start`: frames left out are evidence for no beat; going back drops all pointers."""
        self.state, gap = None, start - self.stop
        if gap < 0:
            self.pointers = None
        elif self.pointers is not None:
            self.pointers = np.pad(self.pointers, ((0, 0), (0, min(gap, self.memory)), (0, 0)))

    def pulses(self) -> list[Pulse | None]:
        """The pulse of each batch item at the live edge; empty before the first frame."""
        if self.pointers is None:
            return []
        return [fit_pulse(row, self.stop, self.hop) for row in self.pointers]

    def features(self, start: int, stop: int) -> Tensor:
        return torch.from_numpy(np.stack([self._row(pulse, start, stop) for pulse in self.pulses() or [None]]))

    def _row(self, pulse: Pulse | None, start: int, stop: int) -> np.ndarray:
        if pulse is None or pulse.confidence < self.least:
            return np.zeros((CLOCK_FEATURES, stop - start), np.float32)
        return pulse.features(start, stop, self.hop)
