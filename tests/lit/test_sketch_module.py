from types import SimpleNamespace

import numpy as np
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


def test_the_projection_is_fitted_before_the_first_step_on_excerpts_that_training_never_deals():
    numbers = []

    class Excerpts:
        def __getitem__(self, index):
            numbers.append(index)
            noise = np.random.default_rng((0, index)).standard_normal((2, 8192)).astype(np.float32)  # as data excerpts draw
            return {"context": 0.1 * noise[0], "target": 0.1 * noise[1]}

    module = SketchModule(SketchCodec(**CODEC))
    module._trainer = SimpleNamespace(datamodule=SimpleNamespace(excerpts=lambda split: Excerpts()))
    module.on_fit_start()
    assert module.codec.basis.any() and len(set(numbers)) == len(numbers) and min(numbers) > 10**9
    basis = module.codec.basis.clone()
    numbers.clear()
    module.on_fit_start()
    assert torch.equal(module.codec.basis, basis) and not numbers, "a fitted projection stays"
