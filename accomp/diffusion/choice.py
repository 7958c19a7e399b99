"""Several answers, one chosen: the one that has most to do with what the player plays."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from accomp.diffusion.transformer import Condition

SIGMA = 1.0  # noise through which an answer is looked at: enough to hide its details, too little to hide its rhythm


def relevance(denoiser: nn.Module, answer: Tensor, noise: Tensor, condition: Condition) -> Tensor:
    """How much better an answer is foreseen by who hears player and clock than by who is deaf to both: (B,).

    answer and unit noise (B, C, T); only target frames count. The difference of two denoising errors estimates a
    difference of log-likelihoods (diffusion classifier, Li et al. 2023), here that of the answer with and without hearing.
    """
    sigma = torch.full((len(answer),), SIGMA, device=answer.device)
    deaf = condition.deaf(torch.ones_like(condition.stem, dtype=torch.bool))
    target = condition.masks.target[:, None]

    def error(heard: Condition) -> Tensor:
        estimate = denoiser(answer + SIGMA * noise, sigma, heard)
        return ((estimate - answer) ** 2 * target).sum((1, 2))

    return error(deaf) - error(condition)


def most_relevant(denoiser: nn.Module, answers: Sequence[Tensor], noise: Tensor, condition: Condition) -> Tensor:
    """Of several answers (B, C, T) each voice's most relevant one: (B, C, T). All are looked at through the same noise."""
    scores = torch.stack([relevance(denoiser, answer, noise, condition) for answer in answers])
    return torch.stack(list(answers))[scores.argmax(0), torch.arange(len(noise), device=noise.device)]
