"""The player's transport decides where the beat is; without it the model's own tracker does."""

import numpy as np
import pytest
import torch

from accomp.beat.clock import GridClock, NoClock
from accomp.beat.external import ExternalClock
from accomp.beat.grid import BeatGrid
from accomp.beat.transport import Transport
from accomp.timeline import SAMPLE_RATE

HOP = 2048


def test_a_transport_has_the_features_of_the_grid_that_it_describes():
    """120 beats a minute, 3 to the bar, a bar line at 0.3 s: given at any of its samples."""
    beats = 0.3 + 0.5 * np.arange(60)
    grid = GridClock([BeatGrid(beats, beats[::3])], HOP).features(20, 300)
    for beat in (0.0, 1.25, 2.9):
        clock = ExternalClock(NoClock(), HOP)
        clock.transport = Transport(round((0.3 + 6 + beat * 0.5) * SAMPLE_RATE), beat, 120.0, 3)
        assert torch.allclose(clock.features(20, 300), grid, atol=2e-3)
        assert clock.estimate() == pytest.approx((120.0, 1.0))


def test_a_new_tempo_keeps_the_beat_of_its_moment():
    old = Transport(1000, 0.5, 120.0, 4)
    new = old.at(1000 + 3 * SAMPLE_RATE, 90.0)
    assert (new.beat, new.bpm) == (pytest.approx(2.5), 90.0)  # 6 beats later
    assert new.at(new.sample + 2 * SAMPLE_RATE, 60.0).beat == pytest.approx(1.5)  # 3 more


def test_without_a_transport_its_own_clock_counts():
    class OwnClock(NoClock):
        stop = 0

        def listen(self, latents, start, heard=None):
            self.stop = start + latents.shape[2]

        def features(self, start, stop):
            return torch.full((2, 10, stop - start), 0.5)

        def estimate(self):
            return 60.0, 0.5

    clock = ExternalClock(OwnClock(), HOP)
    clock.listen(torch.zeros(2, 64, 7), 5)
    assert clock.own.stop == 12 and torch.equal(clock.features(0, 5), clock.own.features(0, 5))
    assert clock.estimate() == (60.0, 0.5)
    clock.transport = Transport(0, 0.0, 100.0, 4)
    assert clock.estimate() == (100.0, 1.0)
    clock.transport = None
    assert torch.equal(ExternalClock(NoClock(), HOP).features(3, 9), torch.zeros(1, 10, 6))
