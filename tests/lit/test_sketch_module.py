import pytest
import torch
from tiny_model import CODEC

from accomp.codec.sketch import SketchCodec
from accomp.codec.sources import A0_HZ, PER_OCTAVE, partials
from accomp.lit.sketch import SketchModule

HZ = 27.5 * 2 ** (96 / 24)  # the 96th oscillator


def tone(seconds: float = 1.0):
    t = torch.arange(int(44_100 * seconds) // 2048 * 2048) / 44_100
    return 0.2 * torch.sin(2 * torch.pi * HZ * t)[None].repeat(2, 1)


def test_the_oscillators_learn_the_note_and_only_it():
    torch.manual_seed(0)
    module, audio = SketchModule(SketchCodec(**CODEC)), tone()
    features = torch.randn(2, audio.shape[1] // module.codec.config.fft_hop, module.codec.config.width)
    head = module.codec.oscillators.amplitude
    optimiser = torch.optim.Adam(head.parameters(), 0.1)
    first = module.tones(features, audio).item()
    for _ in range(200):
        optimiser.zero_grad()
        loss = module.tones(features, audio)
        loss.backward()
        optimiser.step()
    assert loss < 0.05 * first
    said = module.codec.oscillators.roots(features).square().mean((0, 1))
    assert said.argmax() == round(PER_OCTAVE * torch.log2(torch.tensor(HZ / A0_HZ)).item()) == 96
    assert said[96] > 20 * said[said.argsort()[-2]]


@pytest.mark.parametrize("frames", [3, 8])
def test_a_short_excerpt_has_a_loss_too(frames):
    module = SketchModule(SketchCodec(**CODEC))
    audio = tone()[:, : frames * 2048]
    features = torch.randn(2, audio.shape[1] // module.codec.config.fft_hop, module.codec.config.width)
    assert module.tones(features, audio).isfinite() and partials(audio, 512).shape[1] == frames * 4
