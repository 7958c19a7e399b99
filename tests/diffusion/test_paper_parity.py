"""Network, both forms and both samplers compute what the published ones compute.

Against numbers made with the published implementation where they lie beside the checkout (shared/parity), and everywhere
against a small file of our own, made when those agreed: `python tests/diffusion/test_paper_parity.py` writes it anew.
"""

from pathlib import Path

import numpy as np
import pytest
import torch

from accomp.beat.clock import CLOCK_FEATURES
from accomp.diffusion.condition import Condition
from accomp.diffusion.inpaint import Kept, adpm2, paper_cm
from accomp.diffusion.noise import karras
from accomp.diffusion.precond import ConsistencyDenoiser, Denoiser
from accomp.diffusion.unet import PaperUNet
from accomp.paper_checkpoint import read_network
from accomp.window import masks

PARITY = Path(__file__).resolve().parents[3] / "shared" / "parity"
OWN = Path(__file__).with_name("paper_reference.npz")
SIGMAS = (80.0, 1.0, 0.05)
needs_parity = pytest.mark.skipif(not PARITY.is_dir(), reason=f"no published numbers: {PARITY} is absent")


def condition(context: torch.Tensor, stem: torch.Tensor) -> Condition:
    """All context visible; (B, C, T)."""
    items, _, frames = context.shape
    where = (torch.full((items,), frame) for frame in (0, frames, 0, 0))
    return Condition(context, context, masks(frames, *where), stem, torch.zeros(items, CLOCK_FEATURES, frames))


@torch.no_grad()
def numbers(net: PaperUNet, x, context, stem, source, kept, adpm2_noise, cm_noise) -> dict[str, torch.Tensor]:
    """All that is compared, by the names of the published reference; latents are (B, C, T), `kept` (B, T)."""
    told = condition(context, stem)
    edm, cm = Denoiser(net), ConsistencyDenoiser(net)

    def bound(denoiser):
        return lambda x, sigma: denoiser(x, sigma.expand(len(x)), told)

    result = {}
    for sigma in SIGMAS:
        level = torch.full((len(x),), sigma)
        result[f"F_{sigma}"] = net(x, level.log() / 4, told)
        result[f"D_edm_{sigma}"], result[f"D_cm_{sigma}"] = edm(x * sigma, level, told), cm(x * sigma, level, told)
    held = Kept(source, kept)
    for name, sampler, denoiser, sigmas, noise in (
        ("adpm2_result", adpm2, edm, karras(5, 1e-4, 50.0, 9), adpm2_noise),
        ("cm_result", paper_cm, cm, karras(3, 1e-4, 80.0, 9), cm_noise),
    ):
        result[name] = sampler(bound(denoiser), noise[0], sigmas, lambda i, noise=noise: noise[i + 1], held)
    return result


def own_numbers() -> dict[str, torch.Tensor]:
    """The same for weights, latents and noise drawn by NumPy, 16 frames."""
    rng = np.random.default_rng(0)

    def draw(*shape):
        return torch.from_numpy(rng.standard_normal(shape, dtype=np.float32))

    net = PaperUNet(width=16, blocks=1).eval()
    for _, weight in sorted(net.named_parameters()):
        weight.data = draw(*weight.shape) / max(weight[0].numel(), 16) ** 0.5
    x, context, source = draw(3, 1, 64, 16)
    kept = torch.arange(16).expand(1, 16) < 12
    return numbers(net, x, context, torch.tensor([2]), source, kept, draw(17, 1, 64, 16), draw(4, 1, 64, 16))


def assert_close(ours: torch.Tensor, theirs: torch.Tensor, name: str) -> None:
    error = float((ours - theirs).abs().max() / theirs.abs().max())
    assert error <= 1e-4, f"{name} differs by {error:.1e} of its largest value"


@needs_parity
def test_equals_the_published_implementation():
    theirs = torch.load(PARITY / "reference.pt", weights_only=True)
    network = read_network(PARITY / "ldm_tiny.ckpt")
    net = PaperUNet(**network.values).eval()
    net.unet.load_state_dict(network.tensors)
    images = ("x", "context", "adpm2_source", "adpm2_noise", "cm_noise")
    x, context, source, adpm2_noise, cm_noise = (theirs[name].squeeze(-3) for name in images)
    kept, stem = theirs["adpm2_known"][:, 0, 0], theirs["labels"].argmax(1)
    ours = numbers(net, x, context, stem, source, kept, adpm2_noise, cm_noise)
    assert len(ours) == 11
    for name, value in ours.items():
        assert_close(value, theirs[name].squeeze(1), name)


def test_equals_our_own_reference():
    stored = np.load(OWN)
    ours = own_numbers()
    assert ours.keys() == set(stored.files)
    for name, value in ours.items():
        assert_close(value, torch.from_numpy(stored[name]), name)


if __name__ == "__main__":
    np.savez_compressed(OWN, **{name: value.numpy() for name, value in own_numbers().items()})
