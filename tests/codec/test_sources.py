import pytest
import torch

from accomp.codec.sources import A0_HZ, OCTAVES, PER_OCTAVE, QUIET, Oscillators, partials

HOP, FFT = 512, 1536
SECONDS = torch.arange(2 * 44_100) / 44_100


def key(hz: float) -> int:
    return round(PER_OCTAVE * torch.log2(torch.tensor(hz / A0_HZ)).item())


def test_partials_are_found_with_their_amplitudes():
    chord = {55.0: 0.3, 110.0: 0.1, 277.2: 0.2, 329.6: 0.05, 4186.0: 0.02}
    audio = sum(loud * torch.sin(2 * torch.pi * hz * SECONDS + hz) for hz, loud in chord.items())
    heard = QUIET * partials(audio[None], HOP)[0, 40:130]
    for hz, loud in chord.items():
        assert heard[:, key(hz)].mean().item() == pytest.approx(loud, rel=0.15), hz
    heard[:, [key(hz) for hz in chord]] = 0
    assert heard.max() < 0.01


def test_a_note_begins_when_it_begins():
    audio = 0.3 * torch.sin(2 * torch.pi * 440 * SECONDS) * (SECONDS >= 1)
    heard = QUIET * partials(audio[None], HOP)[0, :, key(440)]
    begin = 44_100 / HOP
    assert heard[: int(begin) - 1].max() < 0.03 and heard[int(begin) + 4 : 130].min() > 0.25


def test_noise_and_silence_have_hardly_any():
    noise = 0.1 * torch.randn(1, 2 * 44_100, generator=torch.Generator().manual_seed(0))
    heard = QUIET * partials(noise, HOP)[:, 10:-10]
    assert heard.square().sum(2).mean() / 2 < 0.02 * noise.square().mean()
    assert not partials(torch.zeros(1, 44_100), HOP).any()


def test_an_oscillator_that_is_told_a_note_plays_it():
    oscillators = Oscillators(8, FFT, HOP)
    with torch.no_grad():
        oscillators.amplitude.bias.fill_(-30)
        oscillators.amplitude.bias[key(440)] = 3  # softplus(3) ** 2 of QUIET: 0.093
        pieces = oscillators(torch.zeros(1, 170, 8), 0) * torch.hann_window(FFT) ** 2
    audio = torch.nn.functional.fold(pieces.transpose(1, 2), (1, 169 * HOP + FFT), (1, FFT), stride=(1, HOP)).flatten() / 1.125
    steady = audio[FFT : FFT + 44_100]
    angle = 2 * torch.pi * 440 * SECONDS[: len(steady)]
    loud = 2 * torch.hypot((steady * angle.cos()).mean(), (steady * angle.sin()).mean()).item()
    assert loud == pytest.approx(steady.square().mean().sqrt().item() * 2**0.5, rel=1e-3), "a tone, and nothing else"
    assert loud == pytest.approx(0.093, rel=0.02)


def test_the_keys_are_quarter_tones_over_eight_octaves():
    assert Oscillators(8, FFT, HOP).amplitude.out_features == PER_OCTAVE * OCTAVES
