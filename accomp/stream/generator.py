"""Generates the next latent frames from the player's context and the model's own past: one window, one sampler run."""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from accomp.diffusion.choice import liveliest, most_relevant
from accomp.diffusion.condition import Condition
from accomp.diffusion.inpaint import Inpainting, Kept
from accomp.diffusion.samplers import consistency
from accomp.errors import UserError
from accomp.model import Model
from accomp.plan.weights import key_weights
from accomp.window import Masks, masks

CANDIDATE = 1000  # the first draw of noise of each further candidate: more than any sampler makes for one
LIVELY = 4  # candidates of which the liveliest is taken


class Generator:
    """Fills the end of a window with latents of the stems asked for, one batch item per stem.

    Noise depends on (seed, stem, first frame) alone, so that an item does not depend on the others of its batch.
    """

    def __init__(self, model: Model, stems: Sequence[str], seeds: Sequence[int], sampler: str | None = None):
        self.model, self.seeds = model, list(seeds)
        if unknown := [stem for stem in stems if stem not in model.stems]:
            raise UserError(f"model {model.name} cannot play {', '.join(unknown)}; it plays {', '.join(model.stems)}")
        self.names = list(stems)
        self.stem = torch.tensor([model.stems.index(stem) for stem in stems], device=model.device)
        self.monophonic = model.monophonic(stems)
        self.bass = torch.tensor([stem == "bass" for stem in stems], device=model.device)
        self.denoiser, self.sampler, self.sigmas = model.sampler(sampler)
        jumps = self.sampler is consistency and len(self.sigmas) > 2  # to an answer at each level, not along a flow
        self.decided_at = self.sigmas[-3] if jumps else None  # the last level but one
        self.candidates = model.candidates(sampler)

    def __call__(
        self,
        context: Tensor,
        past: Tensor,
        clock: Tensor,
        stop: int,
        count: int,
        start: int,
        edge: int,
        known: int | np.ndarray,
        plan: Tensor | None = None,
        lively: bool = False,
    ) -> Tensor:
        """Generate frames [stop - count, stop) of the timeline -> (B, C, count).

        `context`, `past` (B, C, T), `clock` (B, K, T) and `plan` (B, plan_rows(C), T) cover the window that ends at `stop`;
        `start` is the session's first frame, `edge` one past the last visible frame, `known`, for all or (B,), the first
        frame of the own past. `lively`: the liveliest of several answers is taken.
        """
        batch, channels, frames = past.shape
        places = (np.broadcast_to(at, batch) - (stop - frames) for at in (start, edge, known, stop - count))
        where = [torch.from_numpy(place).to(past.device) for place in places]
        condition = Condition(context.expand_as(past), past, masks(frames, *where), self.stem, clock, plan)
        fill, sampler = count, self.sampler
        if isinstance(sampler, Inpainting):  # its denoiser is not told what is known: fill all, put the known past back
            nothing = torch.zeros_like(condition.masks.known)
            fill, sampler = frames, partial(sampler, kept=Kept(past, condition.masks.known))
            condition = replace(condition, masks=Masks(condition.masks.visible, nothing, ~nothing))

        def denoise(x: Tensor, sigma: Tensor) -> Tensor:
            answer = self.denoiser(x, sigma.to(x.device).expand(batch), condition)
            return self._decided(answer, plan) if sigma == self.decided_at else answer

        draw = self.noise(stop - fill, fill, channels)

        def noise(index: int) -> Tensor:
            x = torch.zeros(batch, channels, frames, device=past.device)
            x[:, :, frames - fill :] = draw(index)
            return x

        def sample(first_draw: int) -> Tensor:
            return sampler(denoise, noise(first_draw), self.sigmas, lambda i: noise(first_draw + i + 1))

        x = sample(0)
        if lively:
            x = liveliest([x, *(sample(CANDIDATE * i) for i in range(1, LIVELY))], count)
        elif self.candidates > 1:
            candidates = [x, *(sample(CANDIDATE * i) for i in range(1, self.candidates))]
            x = most_relevant(self.model.denoisers["teacher"], candidates, noise(-1), condition)
        return self._weighted(x, plan)[:, :, frames - count :]

    def _decided(self, answer: Tensor, plan: Tensor | None) -> Tensor:
        return self.model.codec.decided(self._weighted(answer, plan), self.monophonic)

    def _weighted(self, latents: Tensor, plan: Tensor | None) -> Tensor:
        """The latents (B, C, T) in which keys that the plan does not expect are less likely to sound."""
        codec = self.model.codec
        if plan is None or codec.lowest_pitch is None or not self.model.uses("weights"):
            return latents
        return codec.weighted(latents, key_weights(plan, self.bass, codec.lowest_pitch))

    def noise(self, frame: int, count: int, channels: int) -> Callable[[int], Tensor]:
        """draw(i) -> the i-th unit noise (B, C, count) for frames that begin at `frame`."""

        def draw(index: int) -> Tensor:
            rows = []
            for seed, stem in zip(self.seeds, self.names, strict=True):
                key = zlib.crc32(f"{seed}/{stem}/{frame}/{index}".encode())
                rows.append(torch.randn(channels, count, generator=torch.Generator().manual_seed(key)))
            return torch.stack(rows).to(self.model.device)

        return draw
