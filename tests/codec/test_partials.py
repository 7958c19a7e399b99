"""The partials and the noise of a recording, as the decoder is to have them."""

import pytest
import torch

from accomp.codec.partials import peaks_of
from accomp.codec.sinusoids import COUNT, LOWEST_HZ, PER_OCTAVE

HOP = 512
SECONDS = torch.arange(2 * 44_100) / 44_100


def key(hz: float) -> int:
    return round(PER_OCTAVE * torch.log2(torch.tensor(hz / LOWEST_HZ)).item())


def test_partials_are_found_with_their_amplitudes():
    chord = {55.0: 0.3, 110.0: 0.1, 277.2: 0.2, 329.6: 0.05, 4186.0: 0.02}
    audio = sum(loud * torch.sin(2 * torch.pi * hz * SECONDS + hz) for hz, loud in chord.items())
    found = peaks_of(audio[None], HOP).amplitude[0, 40:130]
    assert found.shape[1] == COUNT
    for hz, loud in chord.items():
        assert found[:, key(hz)].mean().item() == pytest.approx(loud, rel=0.15), hz
    found[:, [key(hz) for hz in chord]] = 0
    assert found.max() < 0.01


def test_a_note_begins_when_it_begins():
    audio = 0.3 * torch.sin(2 * torch.pi * 440 * SECONDS) * (SECONDS >= 1)
    found = peaks_of(audio[None], HOP).amplitude[0, :, key(440)]
    begin = 44_100 / HOP
    assert found[: int(begin) - 1].max() < 0.03 and found[int(begin) + 4 : 130].min() > 0.25


def test_noise_and_silence_have_hardly_any():
    noise = 0.1 * torch.randn(1, 2 * 44_100, generator=torch.Generator().manual_seed(0))
    found = peaks_of(noise, HOP).amplitude[:, 10:-10]
    assert found.square().sum(2).mean() / 2 < 0.02 * noise.square().mean()
    assert not peaks_of(torch.zeros(1, 44_100), HOP).amplitude.any()
