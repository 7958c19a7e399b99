"""Both ways of running the paper's network are asked for the same work, and told side by side."""

import json

import pytest
import torch
from torch import nn

from accomp.codec.contract import Codec
from accomp.diffusion.unet import PaperUNet
from accomp.errors import UserError
from accomp.evaluation.latency import describe, filler, paper_model, run, time_live, time_paper
from accomp.evaluation.settings import Latency, Settings
from accomp.stream.quick import quick
from accomp.timeline import Step

STEP = Step(0.25, 1)


class Paper(nn.Module):
    """A codec of the paper's shape that remembers what it was asked."""

    hop, channels, delay, causal = 4096, 64, 882, False
    lowest_pitch = None
    settled = Codec.settled
    smoothed = Codec.smoothed

    def __init__(self):
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))
        self.asked = []

    def encode(self, heard):
        self.asked.append(("encode", heard.shape[1]))
        return torch.ones(1, 64, heard.shape[1] // 4096)

    def decode(self, latents):
        self.asked.append(("decode", latents.shape[2]))
        return torch.zeros(1, latents.shape[2] * 4096)

    def decode_stream(self, latents, state=None):
        return self.decode(latents), state


@pytest.fixture
def settings(tmp_path, model_folder) -> Settings:
    shape = Latency(steps=2, paper_cycles=1)
    return Settings("latency", tmp_path, "latency", models=[str(model_folder)], stems=["bass"], latency=shape)


@pytest.mark.parametrize(("sampler", "calls"), [("cm_2", 2), ("adpm2_5", 16)])
def test_the_same_network_is_called_as_often_in_either_way(settings, sampler, calls):
    codec, net = Paper(), PaperUNet(width=16, blocks=1)
    made = []
    net.register_forward_hook(lambda *_: made.append(1))
    model = paper_model(codec, net, sampler, torch.device("cpu"))
    theirs = time_paper(codec, filler(model), settings, STEP)
    assert codec.asked == [("encode", 264_600), ("decode", 17)] * 2, "one warm-up, one timed"
    assert len(theirs) == 1 and len(made) == 2 * calls
    made.clear()
    ours = time_live(quick(model), settings, STEP, cycles=2, warm_up=1)
    assert len(ours) == 2 and len(made) == 4 * calls
    for timing in theirs + ours:
        parts = timing["encode_ms"] + timing["sample_ms"] + timing["decode_ms"]
        assert timing["cycle_ms"] == pytest.approx(parts) and min(timing.values()) > 0


def test_all_three_are_told_side_by_side(settings, monkeypatch):
    monkeypatch.setattr("accomp.evaluation.latency.Music2Latent", Paper)
    monkeypatch.setattr("accomp.evaluation.latency.PaperUNet", lambda: PaperUNet(width=16, blocks=1))
    result = json.loads(run(settings).read_text())
    times = {name: result[name]["cycle_ms"]["p50"] for name in ("live", "paper", "quick")}
    assert result["ratio"] == times["paper"] / times["live"]
    assert result["quick_ratio"] == times["paper"] / times["quick"]
    assert result["paper"]["sampler"] == result["quick"]["sampler"] == "cm_2"
    assert result["quick"]["weights_gb"] <= result["paper"]["weights_gb"]
    assert describe(result).count("\n") == 5 and "paper, our way" in describe(result)


def test_a_sampler_the_paper_has_not_is_refused(settings):
    settings.latency.paper_sampler = "euler"
    with pytest.raises(UserError, match="choose among adpm2_5, cm_2"):
        run(settings)
