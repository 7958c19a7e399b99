import itertools

import numpy as np
import pytest
import torch
from follower_inputs import HOP, RATE, pointers

from accomp.beat.clock import CLOCK_FEATURES, GridClock, NoClock, clock_features
from accomp.beat.grid import BeatGrid
from accomp.beat.jitter import ClockJitter
from accomp.beat.tracker import WINDOW_S, Tracker, TrackerClock


@torch.inference_mode()
def test_frames_that_were_not_heard_are_as_if_there_were_none():
    torch.manual_seed(0)
    tracker = Tracker(channels=8, width=16).eval()
    latents, heard = torch.randn(2, 8, 60), torch.ones(2, 60, dtype=torch.bool)
    heard[:, :23] = False
    pointers = tracker(latents, heard)
    assert pointers.shape == (2, 60, 4)
    latents[:, :, :23] = 5.0
    torch.testing.assert_close(tracker(latents, heard), pointers)
    assert (tracker(latents) - pointers).abs().max() > 0.01


class Reader(torch.nn.Module):
    """A tracker of latents whose first four channels are the pointers; it keeps what it was given last."""

    def forward(self, latents, heard=None):
        self.latents, self.heard = latents, heard
        return latents[:, :4].transpose(1, 2)


def test_the_tracker_is_given_the_same_window_however_a_stream_is_divided():
    latents = torch.randn(2, 8, 700)
    given = []
    for steps in ([0, 700], [0, 23, 60, 400, 699, 700]):
        reader = Reader()
        clock = TrackerClock(reader, HOP)
        assert not clock.features(0, 10).any()  # no frames, no beat
        for start, stop in itertools.pairwise(steps):
            clock.listen(latents[:, :, start:stop], start)
        assert clock.features(690, 730).shape == (2, CLOCK_FEATURES, 40)
        given.append((reader.latents, reader.heard))
    torch.testing.assert_close(given[0], given[1])
    torch.testing.assert_close(given[0][0], latents[:, :, -int(WINDOW_S * RATE) :])
    clock.reset()
    assert not clock.features(0, 10).any()


@pytest.mark.parametrize(("rest", "first"), [(10, 0), (20, 0), (21, 121), (60, 160)])
def test_after_a_rest_of_a_second_the_tracker_begins_anew(rest, first):
    reader = Reader()
    clock = TrackerClock(reader, HOP)
    heard = np.ones((1, 200), bool)
    heard[:, 100 : 100 + rest] = False
    for start in range(0, 200, 20):
        clock.listen(torch.randn(1, 8, 20), start, heard[:, start : start + 20])
    assert reader.heard[0].nonzero()[0] == first and reader.heard[0, first:].all()


def beat_error(features, bpm, start, phase=0.3):
    """The largest error of features (1, CLOCK_FEATURES, T) from frame `start` on against a steady beat, in beats."""
    frames = np.arange(start, start + features.shape[2])
    estimate = np.arctan2(*features[0, :2].numpy()) / (2 * np.pi)
    return np.abs((estimate - phase - bpm / 60 / RATE * frames + 0.5) % 1 - 0.5).max()


@pytest.mark.parametrize(
    "heard",
    [[(0, 1000)], [(600, 1000)], [(0, 500), (620, 1000)], [(0, 300), (700, 1000)], [(5000, 5300), (800, 1000)]],
    ids=["from the start", "late", "5 s left out", "longer than the memory left out", "another session before"],
)
def test_the_beat_lies_on_the_absolute_timeline_whatever_was_heard(heard):
    z, _ = pointers(120, seconds=300)
    latents = torch.from_numpy(z).float().T[None]
    clock = TrackerClock(Reader(), HOP)
    for start, stop in heard:
        for at in range(start, stop, 50):
            clock.listen(latents[:, :, at : at + 50], at)
    features = clock.features(1000, 1030)
    assert features.abs().sum() > 0
    assert beat_error(features, 120, 1000) < 0.03


def test_a_clock_carries_the_pulse_of_another_through_a_rest():
    """As when an instrument is added while the player has rested for longer than a new streamer hears again."""
    z, _ = pointers(120, seconds=30)
    latents = torch.from_numpy(z).float().T[None]
    old, new = TrackerClock(Reader(), HOP), TrackerClock(Reader(), HOP)
    old.listen(latents[:, :, :300], 0)
    new.carry(old)
    new.listen(torch.zeros(2, 4, 300), 300, np.zeros((2, 300), bool))
    assert beat_error(new.features(600, 630), 120, 600) < 0.03
    assert new.estimate()[0] == pytest.approx(120, rel=0.01) and 0.5 < new.estimate()[1] < old.estimate()[1]


def test_each_item_of_a_batch_rests_by_itself():
    z, _ = pointers(120, seconds=20)
    latents = torch.from_numpy(z).float().T[None].repeat(2, 1, 1)
    latents[1, :, 200:] = torch.randn(4, latents.shape[2] - 200)
    heard = np.ones((2, latents.shape[2]), bool)
    heard[1, 200:] = False
    clock = TrackerClock(Reader(), HOP)
    clock.listen(latents, 0, heard)
    features = clock.features(430, 460)
    assert beat_error(features[:1], 120, 430) < 0.03 and beat_error(features[1:], 120, 430) < 0.03


def test_features_point_where_the_grid_does():
    grid = BeatGrid(np.arange(0, 20.5, 0.5), np.arange(0, 20.5, 2.0))
    features = GridClock([grid], HOP).features(0, 430)[0].numpy()
    t = np.arange(430) / RATE
    np.testing.assert_allclose(features[0], np.sin(2 * np.pi * 2 * t), atol=1e-4)
    np.testing.assert_allclose(features[5], np.cos(2 * np.pi * t / 2), atol=1e-4)
    assert not features[8].any() and (features[9] == 1).all()
    assert not GridClock([grid], HOP).features(500, 600).any()  # after the song
    assert not NoClock().features(0, 10).any()


def test_jitter_shifts_the_phase_and_sometimes_removes_the_clock():
    beat = torch.rand(200).double().numpy()
    clock = torch.from_numpy(clock_features(beat, beat / 4, np.full(200, 0.5)))[None].repeat(500, 1, 1)
    out = ClockJitter(absent=0.3, offset=0.05, wrong_bar=0, no_bar=0)(clock, torch.Generator().manual_seed(0))
    absent = (out == 0).all(2).all(1)
    assert absent.float().mean() == pytest.approx(0.3, abs=0.06)
    here = out[~absent]
    assert here[:, :2].square().sum(1).sub(1).abs().max() < 1e-4  # still on the circle
    turned = torch.atan2(here[:, 0], here[:, 1]) - torch.atan2(clock[~absent][:, 0], clock[~absent][:, 1])
    turned = (turned / (2 * torch.pi) + 0.5) % 1 - 0.5
    assert (turned.std(1) < 1e-4).all() and turned[:, 0].std() == pytest.approx(0.05, abs=0.01)
    exact = ClockJitter(absent=0, offset=0, wrong_bar=0, no_bar=0)(clock)
    torch.testing.assert_close(exact, clock)


def test_jitter_by_an_octave_is_the_clock_of_twice_or_half_the_tempo():
    frames = np.arange(100)
    beat = 0.2 + 0.05 * frames

    def clock(speed):
        return torch.from_numpy(clock_features(speed * beat % 1, speed * beat / 4 % 1, np.full(100, 0.7 / speed)))[None]

    jitter = ClockJitter(absent=0, offset=0, wrong_bar=0, no_bar=0, octave=1)
    generator = torch.Generator().manual_seed(0)
    seen = set()
    for _ in range(20):
        out = jitter(clock(1), generator)
        if out[:, 8].mean() < clock(1)[:, 8].mean():  # a shorter period
            torch.testing.assert_close(out, clock(2), atol=1e-4, rtol=0)
            seen.add("double")
        else:
            torch.testing.assert_close(out[:, [0, 1, 2, 3, 8, 9]], clock(0.5)[:, [0, 1, 2, 3, 8, 9]], atol=1e-4, rtol=0)
            assert not out[:, 4:8].any()
            seen.add("half")
    assert seen == {"double", "half"}
