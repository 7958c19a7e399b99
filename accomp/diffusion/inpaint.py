"""Inpainting by replacement: around every step of a sampler the frames to be kept are put back.

For denoisers that are not told which frames are known, as the paper's (Lugmayr et al. 2022, RePaint; the order of the
draws follows arXiv 2604.07612, so that recorded noise can be played back).
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from accomp.diffusion.samplers import Denoise, Draw, Renoise, adpm2_step, consistency_step


@dataclass(frozen=True)
class Kept:
    """Frames that must not change: latents (B, C, T) and which of them count, a boolean mask (B, T)."""

    latents: Tensor
    mask: Tensor

    def put_back(self, x: Tensor, noise: Tensor | float = 0.0) -> Tensor:
        """x with the kept frames in place of its own, under this noise."""
        return torch.where(self.mask.unsqueeze(1), self.latents + noise, x)


@dataclass(frozen=True)
class Inpainting:
    """A sampler (see `accomp.diffusion.samplers`) that fills a whole window around what is kept.

    `step(denoise, x, sigma, sigma_next, draw)` goes from one noise level to the next; each is made `resamples` times, with
    noise added in between, so that new frames can adapt to the kept ones. Unlike other samplers it ends at the last noise
    level above 0, as published: n levels are n - 1 steps.
    """

    step: Callable[[Denoise, Tensor, Tensor, Tensor, Draw], Tensor]
    resamples: int = 1

    def __call__(self, denoise: Denoise, noise: Tensor, sigmas: Tensor, renoise: Renoise, kept: Kept | None = None) -> Tensor:
        """Unit noise (B, C, T) -> latents (B, C, T). Per step one draw for the kept frames, then what its passes need."""
        if kept is None:
            kept = Kept(torch.zeros_like(noise), torch.zeros_like(noise[:, 0], dtype=torch.bool))
        count = itertools.count()

        def draw() -> Tensor:
            return renoise(next(count))

        x = noise * sigmas[0]
        for sigma, sigma_next in itertools.pairwise(sigmas[:-1]):
            over_kept = sigma * draw()
            for left in reversed(range(self.resamples)):
                x = self.step(denoise, kept.put_back(x, over_kept), sigma, sigma_next, draw)
                if left:
                    x = x + (sigma**2 - sigma_next**2).sqrt() * draw()
        return kept.put_back(x)


adpm2 = Inpainting(adpm2_step, resamples=2)
paper_cm = Inpainting(consistency_step)
