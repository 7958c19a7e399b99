"""How often a tracker's beat is right, at the live edge and ahead of it, on pointers whose errors are known."""

import numpy as np
import pytest
import torch

from accomp.beat.clock import clock_features
from accomp.lit.tracker import hits

FRAMES, FRAME_S, PERIOD_S = 300, 2048 / 44_100, 0.5


def turning(offset_s: float = 0.0, stretch: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Pointers that are late by `offset_s`, or whose tempo is wrong by a factor, and the true clock."""
    times_s = np.arange(FRAMES) * FRAME_S
    beat = times_s / PERIOD_S
    clock = clock_features(beat % 1, (beat / 4) % 1, np.full(FRAMES, PERIOD_S))
    phase = 2 * np.pi * ((times_s * stretch - offset_s) / PERIOD_S)
    pointers = np.stack([np.sin(phase), np.cos(phase), np.zeros(FRAMES), np.zeros(FRAMES)], 1)
    return torch.from_numpy(pointers)[None].float(), torch.from_numpy(clock.T)[None].float()


@pytest.mark.parametrize(("offset_s", "share"), [(0.0, 1), (0.06, 1), (-0.06, 1), (0.08, 0), (0.25, 0), (0.5, 1)])
def test_a_constant_error_counts_the_same_at_the_edge_and_ahead(offset_s, share):
    found = hits(*turning(offset_s), settle=43)
    assert found["hits_edge"] == found["hits_ahead"] == share


def test_a_wrong_tempo_shows_ahead_first():
    pointers, clock = turning()
    wobble = pointers.clone()
    phase = torch.atan2(pointers[..., 0], pointers[..., 1]) + 0.6 * torch.sin(torch.arange(FRAMES) * FRAME_S * 2 * torch.pi / 8)
    wobble[..., 0], wobble[..., 1] = torch.sin(phase), torch.cos(phase)
    found = hits(wobble, clock, settle=43)
    assert found["hits_edge"] == 1 and found["hits_ahead"] < 1


def test_frames_without_a_beat_do_not_count():
    pointers, clock = turning(0.2)
    clock[:, 150:] = 0
    found = hits(pointers, clock, settle=43)
    assert found["hits_edge"] == 0
    assert torch.isnan(hits(pointers, torch.zeros_like(clock), settle=43)["hits_edge"])
