import pytest
import torch

from accomp.codec.spectrum import bands


@pytest.mark.parametrize(("count", "fft", "low_hz"), [(96, 4096, 40.0), (12, 1024, 60.0)])
def test_bands_cover_the_spectrum_evenly(count, fft, low_hz):
    weights = bands(count, fft, low_hz)
    assert weights.shape == (count, fft // 2 + 1)
    torch.testing.assert_close(weights.sum(1), torch.ones(count))
    assert (weights.argmax(1).diff() >= 0).all()
