"""The paper's models for playing: in bfloat16 where the hardware computes in it, and as CUDA graphs on a GPU.

Scores are made at full precision; a test holds the two together. Graphs come from `torch.cuda.make_graphed_callables` and not
from `torch.compile(mode="reduce-overhead")`: that needs Triton and a C compiler on the player's machine, compiles anew in the
session when an instrument is added, and ties the graphs to the thread that made them.
"""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from accomp.codec.music2latent import Music2Latent
from accomp.diffusion.unet import PaperUNet
from accomp.model import Model, load_model, usable


def load_quick(folder: Path, device: str) -> Model:
    """Load a model folder for playing, its weights never held at more than the precision that they are played in."""
    return quick(load_model(folder, device, precision(usable(device))))


def quick(model: Model) -> Model:
    """Change the model in place and return it; models of the live family stay as they are."""
    dtype, cuda = precision(model.device), model.device.type == "cuda"
    order = torch.preserve_format if cuda else torch.channels_last  # a fifth less time for convolutions of a CPU
    if isinstance(model.codec, Music2Latent):
        model.codec.to(dtype=dtype, memory_format=order).dtype = dtype
    for denoiser in model.denoisers.values():
        if isinstance(denoiser.net, PaperUNet):
            denoiser.net.to(dtype=dtype, memory_format=order)
            if cuda:
                denoiser.net.unet = Graphed(denoiser.net.unet)
    if cuda:
        torch.cuda.empty_cache()  # of the weights at full precision
    return model


def precision(device: torch.device) -> torch.dtype:
    """bfloat16 where the hardware computes in it, and so faster than in float32."""
    if device.type == "cuda":
        native = torch.cuda.get_device_capability(device) >= (8, 0)
    else:
        known = torch.cpu.get_capabilities()
        native = device.type == "cpu" and any(known.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    return torch.bfloat16 if native else torch.float32


class Graphed(nn.Module):
    """A network whose hundreds of kernels are started as one: a CUDA graph for each batch size, recorded at its first call."""

    def __init__(self, net: nn.Module):
        super().__init__()
        self.net = net
        self.graphs: dict[torch.Size, Callable[..., Tensor]] = {}

    def forward(self, *inputs: Tensor) -> Tensor:
        shape = inputs[0].shape
        if shape not in self.graphs:
            samples = tuple(value.clone() for value in inputs)  # the graph reads its inputs from here
            self.graphs[shape] = torch.cuda.make_graphed_callables(self.net.forward, samples)
        return self.graphs[shape](*inputs).clone()  # the next call writes over the graph's own output
