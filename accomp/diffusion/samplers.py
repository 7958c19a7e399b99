"""From noise to latents: samplers as functions (denoise, noise, sigmas, renoise) -> x.

`denoise(x, sigma) -> x0` has its condition bound; `noise` is unit Gaussian; `sigmas` descend and end in 0; `renoise(i)`
gives the i-th further draw of unit noise, for samplers that are stochastic. `nfe` says how often each calls `denoise`.
"""

import itertools
from collections.abc import Callable

from torch import Tensor

from accomp.diffusion.precond import SIGMA_MIN

Denoise = Callable[[Tensor, Tensor], Tensor]
Renoise = Callable[[int], Tensor]
Draw = Callable[[], Tensor]


def euler(denoise: Denoise, noise: Tensor, sigmas: Tensor, renoise: Renoise | None = None) -> Tensor:
    """One call per step along the probability flow (Song et al. 2021); first order."""
    x = noise * sigmas[0]
    for sigma, sigma_next in itertools.pairwise(sigmas):
        x0 = denoise(x, sigma)
        x = x0 + (x - x0) * (sigma_next / sigma)
    return x


def heun(denoise: Denoise, noise: Tensor, sigmas: Tensor, renoise: Renoise | None = None) -> Tensor:
    """Two calls per step, one for the last (Karras et al. 2022, Algorithm 1 without churn); second order."""
    x = noise * sigmas[0]
    for sigma, sigma_next in itertools.pairwise(sigmas):
        x, slope, start = _euler_step(denoise, x, sigma, sigma_next)
        if sigma_next > 0:
            slope_there = (x - denoise(x, sigma_next)) / sigma_next
            x = start + (sigma_next - sigma) * (slope + slope_there) / 2
    return x


def _euler_step(denoise: Denoise, x: Tensor, sigma: Tensor, sigma_next: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    slope = (x - denoise(x, sigma)) / sigma
    return x + (sigma_next - sigma) * slope, slope, x


def dpm_solver(denoise: Denoise, noise: Tensor, sigmas: Tensor, renoise: Renoise | None = None) -> Tensor:
    """One call per step, each corrected by the one before (DPM-Solver++ 2M, Lu et al. 2022); second order."""
    x, before, last = noise * sigmas[0], None, None
    for sigma, sigma_next in itertools.pairwise(sigmas):
        x0 = denoise(x, sigma)
        corrected, step = x0, (sigma / sigma_next).log()
        if before is not None and sigma_next > 0:
            corrected = x0 + (x0 - before) * step / (2 * last)
        x = corrected + (x - corrected) * (sigma_next / sigma)
        before, last = x0, step
    return x


def consistency(denoise: Denoise, noise: Tensor, sigmas: Tensor, renoise: Renoise | None = None) -> Tensor:
    """Jump to the data, add less noise, jump again (Song et al. 2023, Algorithm 1); one call per noise level."""
    x0 = denoise(noise * sigmas[0], sigmas[0])
    for i, sigma in enumerate(sigmas[1:-1]):
        if renoise is None:
            raise ValueError("multistep consistency sampling needs fresh noise: pass renoise")
        x0 = denoise(x0 + sigma * renoise(i), sigma)
    return x0


def adpm2_step(denoise: Denoise, x: Tensor, sigma: Tensor, sigma_next: Tensor, draw: Draw) -> Tensor:
    """From one noise level to the next in two calls: below it by a midpoint step, then up to it with fresh noise.

    ADPM2 with rho 1 (the arithmetic midpoint), as served by arXiv 2604.07612. For `accomp.diffusion.inpaint`.
    """
    up = sigma_next * (1 - (sigma_next / sigma) ** 2).sqrt()
    down = sigma_next**2 / sigma
    middle = (sigma + down) / 2
    slope = (x - denoise(x, sigma)) / sigma
    halfway = x + slope * (middle - sigma)
    slope = (halfway - denoise(halfway, middle)) / middle
    return x + slope * (down - sigma) + up * draw()


def consistency_step(denoise: Denoise, x: Tensor, sigma: Tensor, sigma_next: Tensor, draw: Draw) -> Tensor:
    """Jump to the data, then back up with fresh noise; the data themselves where the schedule ends, at SIGMA_MIN.

    For `accomp.diffusion.inpaint`.
    """
    x = denoise(x, sigma)
    spread = sigma_next**2 - SIGMA_MIN**2
    return x + spread.sqrt() * draw() if spread > 1e-3 * SIGMA_MIN**2 else x


def nfe(sampler: Callable, sigmas: Tensor) -> int:
    """How many network calls a sampler makes on a schedule."""
    steps = len(sigmas) - 1
    return 2 * steps - 1 if sampler is heun else steps
