"""What a session remembers: recent audio and recent latents, addressed by absolute position."""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad


class AudioHistory:
    """The last `capacity` samples of a batch of B signals, addressed by absolute sample index.

    Writes may come in any order and overwrite; what was never written reads as silence and counts as missing. What lies
    more than the capacity before the newest sample is dropped.
    """

    def __init__(self, batch: int, capacity: int):
        self.audio = np.zeros((batch, capacity), np.float32)
        self.filled = np.zeros(capacity, bool)
        self.capacity = capacity
        self.stop = 0  # one past the newest sample written or skipped

    def write(self, start: int, samples: np.ndarray) -> None:
        """Place samples (N,) for all signals, or (B, N), at absolute index `start`. Non-finite samples become 0."""
        samples = np.nan_to_num(np.atleast_2d(samples), nan=0.0, posinf=0.0, neginf=0.0)
        first = max(start, start + samples.shape[1] - self.capacity, self.stop - self.capacity, 0)
        samples = samples[:, max(first - start, 0) :]
        if samples.shape[1] == 0:
            return
        self.advance(first + samples.shape[1])
        index = np.arange(first, first + samples.shape[1]) % self.capacity
        self.audio[:, index] = samples
        self.filled[index] = True

    def scale(self, start: int, factors: np.ndarray) -> None:
        """Multiply the samples from `start` on by factors (B, N), which end at the newest sample at the latest."""
        index = np.arange(start, start + factors.shape[1]) % self.capacity
        self.audio[:, index] *= factors

    def advance(self, stop: int) -> None:
        """Declare that time has reached `stop`: what lies between is missing until it is written."""
        new = min(stop - self.stop, self.capacity)
        if new > 0:
            index = np.arange(stop - new, stop) % self.capacity
            self.audio[:, index] = 0
            self.filled[index] = False
            self.stop = stop

    def read(self, start: int, stop: int) -> tuple[np.ndarray, int]:
        """Samples [start, stop) as (B, N), and how many of them are missing."""
        audio = np.zeros((self.audio.shape[0], stop - start), np.float32)
        low, high = max(start, self.stop - self.capacity, 0), min(stop, self.stop)
        if low >= high:
            return audio, stop - start
        index = np.arange(low, high) % self.capacity
        audio[:, low - start : high - start] = self.audio[:, index]
        return audio, stop - start - int(self.filled[index].sum())


class LatentHistory:
    """The last frames of a latent stream (B, C, T), addressed by absolute frame index."""

    def __init__(self, batch: int, channels: int, frames: int, device: torch.device):
        self.latents = torch.zeros(batch, channels, frames, device=device)
        self.stop = 0  # one past the newest frame

    def append(self, new: Tensor) -> None:
        self.latents = torch.cat([self.latents, new], 2)[:, :, -self.latents.shape[2] :]
        self.stop += new.shape[2]

    def until(self, stop: int) -> Tensor:
        """The window that ends at frame `stop`, zeros where nothing is stored, (B, C, T)."""
        ahead, frames = stop - self.stop, self.latents.shape[2]
        if ahead >= frames:
            return torch.zeros_like(self.latents)
        kept = self.latents[:, :, max(ahead, 0) : frames + min(ahead, 0)]
        return pad(kept, (max(-ahead, 0), max(ahead, 0)))
