"""From the raw network F to a denoiser D: two ways of mixing the input back in.

Both scale the input to unit variance and let the network predict what is missing (Karras et al. 2022, Table 1). The
consistency form is the identity at sigma_min (Song et al. 2023, Eq. 5 and appendix C), as a consistency model must be.
"""

import torch
from torch import Tensor, nn

from accomp.diffusion.condition import Condition

SIGMA_MIN = 1e-4  # of the consistency form: below any noise that a schedule here asks for


class Denoiser(nn.Module):
    """D(x, sigma, condition) -> x0: the EDM form.  x (B, C, T), sigma (B,) -> (B, C, T)."""

    def __init__(self, net: nn.Module, sigma_data: float = 1.0):
        super().__init__()
        self.net, self.sigma_data = net, sigma_data

    def forward(self, x: Tensor, sigma: Tensor, condition: Condition) -> Tensor:
        s = sigma.view(-1, 1, 1)
        total = (s**2 + self.sigma_data**2).sqrt()
        c_skip, c_out = self.mix(s, total)
        return c_skip * x + c_out * self.net(x / total, sigma.log() / 4, condition).to(x.dtype)

    def mix(self, s: Tensor, total: Tensor) -> tuple[Tensor, Tensor]:
        """c_skip and c_out at noise level s; total is sqrt(s^2 + sigma_data^2)."""
        return (self.sigma_data / total) ** 2, s * self.sigma_data / total


class ConsistencyDenoiser(Denoiser):
    """The same, with the boundary condition D(x, sigma_min) = x."""

    def mix(self, s: Tensor, total: Tensor) -> tuple[Tensor, Tensor]:
        rest = s - SIGMA_MIN
        return self.sigma_data**2 / (rest**2 + self.sigma_data**2), rest * self.sigma_data / total


class ClassifierFreeGuidance(nn.Module):
    """A denoiser with classifier-free guidance (Ho and Salimans 2022): unconditional + scale * (conditional - unconditional).

    At scale 1 nothing changes; above 1, what player and clock add to the model's own past is exaggerated. Two calls of the
    network instead of one.
    """

    def __init__(self, denoiser: Denoiser, scale: float):
        super().__init__()
        self.denoiser, self.scale = denoiser, scale

    def forward(self, x: Tensor, sigma: Tensor, condition: Condition) -> Tensor:
        nothing = condition.without_condition(torch.ones_like(condition.stem, dtype=torch.bool))
        unconditional = self.denoiser(x, sigma, nothing)
        return unconditional + self.scale * (self.denoiser(x, sigma, condition) - unconditional)


def loss_weight(sigma: Tensor, sigma_data: float = 1.0) -> Tensor:
    """Weight that gives every noise level the same expected gradient (Karras et al. 2022, Eq. 8); (B,) -> (B,)."""
    return (sigma**2 + sigma_data**2) / (sigma * sigma_data) ** 2


def masked_mse(estimate: Tensor, truth: Tensor, mask: Tensor, change: float = 0.0) -> Tensor:
    """Mean squared error over the frames in mask, plus `change` times that of their steps from frame to frame.

    (B, C, T) x 2, (B, T) -> (B,). The second term has the same optimum, the conditional mean; it gives more weight to
    what changes in time, which carries the rhythm.
    """
    weight = mask.unsqueeze(1).to(estimate.dtype)
    error = (estimate - truth) * weight
    squares = error.square().sum((1, 2))
    if change:
        squares = squares + change * (error.diff(dim=2) * weight[:, :, 1:] * weight[:, :, :-1]).square().sum((1, 2))
    return squares / (weight.sum((1, 2)) * estimate.shape[1]).clamp(min=1)
