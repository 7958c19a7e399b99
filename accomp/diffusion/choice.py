"""Several answers are sampled and one is chosen: the one that is most relevant to what the player plays."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from accomp.diffusion.condition import Condition

SIGMA = 1.0  # noise level of the comparison: enough to hide an answer's details, too little to hide its rhythm


def relevance(denoiser: nn.Module, answer: Tensor, noise: Tensor, condition: Condition) -> Tensor:
    """How much better an answer is predicted with player and clock than without both: (B,).

    answer and unit noise (B, C, T); only target frames count. The difference of two denoising errors estimates a
    difference of log-likelihoods (diffusion classifier, Li et al. 2023), here of the answer with and without the condition.
    """
    sigma = torch.full((len(answer),), SIGMA, device=answer.device)
    nothing = condition.without_condition(torch.ones_like(condition.stem, dtype=torch.bool))
    target = condition.masks.target[:, None]

    def error(given: Condition) -> Tensor:
        estimate = denoiser(answer + SIGMA * noise, sigma, given)
        return ((estimate - answer) ** 2 * target).sum((1, 2))

    return error(nothing) - error(condition)


def most_relevant(denoiser: nn.Module, answers: Sequence[Tensor], noise: Tensor, condition: Condition) -> Tensor:
    """Of several answers (B, C, T) each batch item's most relevant one: (B, C, T). All get the same noise."""
    scores = torch.stack([relevance(denoiser, answer, noise, condition) for answer in answers])
    return torch.stack(list(answers))[scores.argmax(0), torch.arange(len(noise), device=noise.device)]


def liveliest(candidates: Sequence[Tensor], count: int) -> Tensor:
    """Of each item the candidate (B, C, T) whose last `count` frames differ most from frame to frame."""
    stacked = torch.stack(list(candidates))  # (M, B, C, T)
    change = stacked[..., -count:].diff(dim=-1).abs().mean((2, 3))
    return stacked[change.argmax(0), torch.arange(stacked.shape[1], device=stacked.device)]
