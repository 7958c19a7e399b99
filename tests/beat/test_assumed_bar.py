"""Bars that are assumed where only the beat is known."""

import numpy as np
import torch

from accomp.beat.assumed_bar import AssumedBar
from accomp.beat.clock import clock_features

RATE = 44_100 / 2048
WINDOW = 192


def told(start: int, period_s: float = 0.5, shift: float = 0.0, bar: bool = False, confidence: float = 1.0) -> torch.Tensor:
    beats = np.arange(start, start + WINDOW) / RATE / period_s + shift
    bars = beats / 4 % 1 if bar else np.full(WINDOW, np.nan)
    return torch.from_numpy(clock_features(beats % 1, bars, np.full(WINDOW, period_s), confidence))[None]


def bar_phase(features: torch.Tensor) -> np.ndarray:
    return np.arctan2(features[0, 4], features[0, 5]).numpy() / (2 * np.pi) % 1


def test_a_bar_of_four_beats_begins_on_a_beat_and_goes_on_from_window_to_window():
    assumed, lines = AssumedBar(), []
    for start in range(0, 2000, 32):
        features = assumed(told(start), start)
        beats = np.arange(start, start + WINDOW) / RATE / 0.5
        away = (4 * bar_phase(features) - beats + 2) % 4 - 2  # of the bar from one that begins at beat 0
        assert np.ptp(away) < 1e-3 and abs(away[0] - round(away[0])) < 1e-3
        lines.append(round(away[0]) % 4)
    assert len(set(lines)) == 1


def test_corrections_of_the_beat_leave_the_count():
    assumed = AssumedBar()
    first = assumed(told(0), 0)
    later = assumed(told(32, shift=0.3), 32)
    away = (bar_phase(later)[:-32] - bar_phase(first)[32:] + 0.5) % 1 - 0.5
    assert np.abs(away - 0.3 / 4).max() < 1e-3


def test_a_beat_that_stands_still_or_turns_back_is_no_error():
    for turn in (0.0, -0.3):
        assumed, features = AssumedBar(), torch.zeros(1, 10, WINDOW)
        for frame, phase in ((190, 0.4), (191, 0.4 + turn)):
            features[0, 0, frame], features[0, 1, frame] = np.sin(2 * np.pi * phase), np.cos(2 * np.pi * phase)
        for start in (0, 32, 64):
            assert assumed(features, start).isfinite().all()
        assert assumed(told(96), 96).isfinite().all()


def test_what_is_known_stays_and_without_a_beat_nothing_is_assumed():
    assumed, known = AssumedBar(), told(0, bar=True)
    assert torch.equal(assumed(known, 0), known)
    nothing = torch.zeros_like(known)
    assert torch.equal(assumed(nothing, 0), nothing)
    half = told(0, confidence=0.5)
    added = assumed(half, 0)
    assert torch.equal(added[:, :4], half[:, :4]) and torch.equal(added[:, 8:], half[:, 8:])
    assert np.allclose(added[0, 4:6].norm(dim=0), 0.5, atol=1e-5), "as sure as the beat"
    assert np.allclose(added[0, 6:8].norm(dim=0), 0.5, atol=1e-5)
