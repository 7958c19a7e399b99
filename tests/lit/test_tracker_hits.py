"""How often a tracker's beat is right, at the live edge and ahead of it, on pointers whose errors are known."""

import numpy as np
import pytest
import torch

from accomp.beat.clock import clock_features
from accomp.lit.tracker import hits, live_hits

FRAMES, FRAME_S, PERIOD_S = 300, 2048 / 44_100, 0.5


def turning(offset_s: float = 0.0, stretch: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Pointers that are late by `offset_s`, or whose tempo is wrong by a factor, and the true clock."""
    times_s = np.arange(FRAMES) * FRAME_S
    beat = times_s / PERIOD_S
    clock = clock_features(beat % 1, (beat / 4) % 1, np.full(FRAMES, PERIOD_S))
    phase = 2 * np.pi * ((times_s * stretch - offset_s) / PERIOD_S)
    pointers = np.stack([np.sin(phase), np.cos(phase), np.zeros(FRAMES), np.zeros(FRAMES)], 1)
    return torch.from_numpy(pointers)[None].float(), torch.from_numpy(clock.T)[None].float()


def edge(pointers):
    """What is heard 1.5 s before the end of the clock."""
    return pointers[:, : FRAMES - 40]


@pytest.mark.parametrize(("offset_s", "share"), [(0.0, 1), (0.06, 1), (-0.06, 1), (0.08, 0), (0.25, 0), (0.5, 1)])
def test_a_constant_error_counts_the_same_at_the_edge_and_ahead(offset_s, share):
    pointers, clock = turning(offset_s)
    found = hits(edge(pointers), clock)
    assert found["hits_edge"] == found["hits_ahead"] == share


def test_a_wrong_tempo_shows_ahead():
    last_s = (FRAMES - 41) * FRAME_S
    pointers, clock = turning(0.1 * last_s, 1.1)  # right in the last frame that was heard
    found = hits(edge(pointers), clock)
    assert found["hits_edge"] == 1 and found["hits_ahead"] == 0


def test_items_without_a_beat_do_not_count():
    pointers, clock = turning(0.2)
    right, _ = turning()
    pointers, clock = torch.cat([pointers, right]), torch.cat([clock, clock])
    clock[0] = 0
    assert hits(edge(pointers), clock)["hits_edge"] == 1
    assert torch.isnan(hits(edge(pointers), torch.zeros_like(clock))["hits_edge"])


class WrongInTheLastFrame(torch.nn.Module):
    """A tracker of latents that are pointers, which is right everywhere but in the last frame that it was given."""

    def forward(self, latents, heard=None):
        pointers = latents.transpose(1, 2).clone()
        pointers[:, -1] *= -1
        return pointers


def test_the_live_edge_is_where_nothing_later_was_heard():
    pointers, clock = turning()
    found = live_hits(WrongInTheLastFrame(), pointers.transpose(1, 2), clock)
    assert found["hits_edge"] == 0 and found["hits_ahead"] > 0.5
