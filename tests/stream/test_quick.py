"""Quick models play what the others play, to the precision of bfloat16."""

import copy

import pytest
import torch
from leaky_codec import LeakyCodec
from tiny_model import shaken

from accomp.codec.music2latent import Music2Latent
from accomp.diffusion.unet import PaperUNet
from accomp.evaluation.latency import paper_model
from accomp.stream import quick as module
from accomp.stream.generator import Generator
from accomp.stream.quick import Graphed, quick


def paper(codec, device="cpu"):
    return paper_model(codec, shaken(PaperUNet(width=16, blocks=1)), "cm_2", torch.device(device))


@pytest.fixture
def native(monkeypatch):
    """A machine that computes in bfloat16; every CPU can, most of them slowly."""
    monkeypatch.setattr(module, "precision", lambda device: torch.bfloat16)


@torch.inference_mode()
def window(model, batch: int = 1):
    """A window generated from noise, context and past that are the same for every model."""
    context, past = torch.randn(2, batch, 64, 64, generator=torch.Generator().manual_seed(0)).to(model.device)
    generator = Generator(model, ["bass"] * batch, range(batch))
    clock = torch.zeros(batch, 10, 64, device=model.device)
    return generator(context, past, clock, stop=64, count=32, start=0, edge=32, known=0)


def relative(one, other) -> float:
    return float((one - other).square().mean().sqrt() / other.square().mean().sqrt())


def test_the_network_gives_the_same_answers_with_half_the_bytes(native):
    model = paper(LeakyCodec())
    exact, size = window(model), sum(p.nbytes for p in model.denoisers["student"].parameters())
    half = window(quick(model))
    assert half.dtype == torch.float32 and 0 < relative(half, exact) < 0.05
    assert sum(p.nbytes for p in model.denoisers["student"].parameters()) == size / 2


def test_so_does_the_codec(native):
    pytest.importorskip("music2latent")
    torch.manual_seed(0)
    codec = Music2Latent()
    torch.nn.init.normal_(codec.gen.conv_out.weight, std=0.1)  # it is 0 at first, and the decoder is silent
    audio, latents = 0.1 * torch.randn(1, 2 * 4096), torch.randn(1, 64, 1)
    exact = codec.encode(audio), codec.decode_stream(latents)[0]
    quick(paper(codec))
    half = codec.encode(audio), codec.decode_stream(latents)[0]
    for one, other in zip(half, exact, strict=True):
        assert one.dtype == torch.float32 and 0 < relative(one, other) < 0.05


def test_a_machine_without_bfloat16_keeps_what_it_has(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    model = paper(LeakyCodec())
    before = copy.deepcopy(model.denoisers["student"].state_dict())
    after = quick(model).denoisers["student"].state_dict()
    assert all(torch.equal(after[name], value) and after[name].dtype == value.dtype for name, value in before.items())


def test_live_models_stay_as_they_are(native, model):
    quick(model)
    assert {p.dtype for denoiser in model.denoisers.values() for p in denoiser.parameters()} == {torch.float32}


def test_each_batch_size_has_a_graph_whose_answers_outlive_the_next_call(monkeypatch):
    """With a stand-in for CUDA, which has one place for the inputs and one for the output of each graph."""
    recorded = []

    def record(function, held):
        recorded.append(held[0].shape)
        place = torch.zeros_like(held[0])

        def replay(*inputs):
            for mine, given in zip(held, inputs, strict=True):
                mine.copy_(given)
            return place.copy_(function(*held))

        return replay

    monkeypatch.setattr(torch.cuda, "make_graphed_callables", record)
    net = Graphed(torch.nn.Bilinear(4, 4, 4).requires_grad_(False))
    calls = [torch.randn(2, batch, 4) for batch in (1, 3, 1, 3)]
    given = [call.clone() for call in calls]
    answers = [net(*call) for call in calls]
    assert recorded == [(1, 4), (3, 4)]
    for answer, call, before in zip(answers, calls, given, strict=True):
        assert torch.equal(answer, net.net(*before)) and torch.equal(call, before)


@pytest.mark.gpu
def test_a_graph_gives_the_answers_of_the_network():
    model = paper(LeakyCodec(), "cuda")
    exact = [window(model, batch) for batch in (1, 3)]
    quick(model)
    assert isinstance(model.denoisers["student"].net.unet, Graphed)
    for batch, expected in zip((1, 3), exact, strict=True):
        for _ in range(2):
            assert relative(window(model, batch), expected) < 0.05
