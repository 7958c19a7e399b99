"""The paper's models made quick: half the memory, and a cycle in a fraction of the time, on machines that can.

For playing. Scores are made at full precision; a test holds the two together.
"""

from pathlib import Path

import torch
from torch import Tensor, nn

from accomp.codec.music2latent import Music2Latent
from accomp.diffusion.unet import PaperUNet
from accomp.model import Model, load_model, usable

WARM_UP = 3  # calls before a recording, as CUDA wants it


def load_quick(folder: Path, device: str) -> Model:
    """Load a model folder for playing, its weights never held at more than the precision that they are played in."""
    return quick(load_model(folder, device, precision(usable(device))))


def quick(model: Model) -> Model:
    """The same model, changed: in bfloat16 where the hardware computes in it, without launches one by one on CUDA.

    The live networks are quick as they are, and stay so.
    """
    dtype, cuda = precision(model.device), model.device.type == "cuda"
    order = torch.preserve_format if cuda else torch.channels_last  # a fifth less time for convolutions of a CPU
    if isinstance(model.codec, Music2Latent):
        model.codec.to(dtype=dtype, memory_format=order).dtype = dtype
    for denoiser in model.denoisers.values():
        if isinstance(denoiser.net, PaperUNet):
            denoiser.net.to(dtype=dtype, memory_format=order)
            if cuda:
                denoiser.net.unet = Recorded(denoiser.net.unet)
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


class Recorded(nn.Module):
    """A network whose hundreds of kernels are started as one: a CUDA graph for each batch size, recorded at its first call."""

    def __init__(self, net: nn.Module):
        super().__init__()
        self.net = net
        self.recordings: dict[torch.Size, tuple[torch.cuda.CUDAGraph, list[Tensor], Tensor]] = {}

    def forward(self, *inputs: Tensor) -> Tensor:
        shape = inputs[0].shape
        if shape not in self.recordings:
            self.recordings[shape] = self._record(inputs)
        graph, held, answer = self.recordings[shape]
        for place, value in zip(held, inputs, strict=True):
            place.copy_(value)
        graph.replay()
        return answer.clone()

    def _record(self, inputs: tuple[Tensor, ...]) -> tuple[torch.cuda.CUDAGraph, list[Tensor], Tensor]:
        held = [value.clone() for value in inputs]
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM_UP):
                self.net(*held)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            answer = self.net(*held)
        return graph, held, answer
