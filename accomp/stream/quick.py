"""The paper's models made quick: half the memory, and a cycle in a fraction of the time, on machines that can.

For playing. Scores are made at full precision; a test holds the two together.
"""

import torch
from torch import Tensor, nn

from accomp.checkpoint import Model
from accomp.codec.music2latent import Music2Latent
from accomp.diffusion.unet import PaperUNet

WARM_UP = 3  # calls before a recording, as CUDA wants it


def quick(model: Model) -> Model:
    """The same model, changed: in bfloat16 where the hardware computes in it, without launches one by one on CUDA.

    The live networks are quick as they are, and stay so.
    """
    bfloat16, cuda = computes_bfloat16(model.device), model.device.type == "cuda"
    if isinstance(model.codec, Music2Latent) and bfloat16:
        model.codec.bfloat16().dtype = torch.bfloat16
    for denoiser in model.denoisers.values():
        if isinstance(denoiser.net, PaperUNet):
            if bfloat16:
                denoiser.net.bfloat16()
            if cuda:
                denoiser.net.unet = Recorded(denoiser.net.unet)
    if cuda:
        torch.cuda.empty_cache()  # of the weights at full precision
    return model


def computes_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 is native there, and so faster than float32."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    known = torch.cpu.get_capabilities()
    return device.type == "cpu" and any(known.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))


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
