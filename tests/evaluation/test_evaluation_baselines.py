"""A looper repeats the last bar it has heard, to the sample, and knows nothing that came after the live edge."""

import numpy as np
import pytest

from accomp.evaluation.baselines import loop_last_bar
from accomp.timeline import SAMPLE_RATE, Step

BAR_S = 2.0
BARS_S = np.arange(0, 40, BAR_S)
RNG = np.random.default_rng(0)


@pytest.mark.parametrize("regime", [(0.25, 1.0), (0.1, 1.0), (0.25, 0.0)])
def test_music_that_repeats_every_bar_is_foreseen_exactly(regime):
    bar = (0.1 * RNG.standard_normal(int(BAR_S * SAMPLE_RATE))).astype(np.float32)
    music = np.tile(bar, 10)
    step = Step(*regime)
    played = loop_last_bar(music, BARS_S, step, overlap=882)
    # The first whole bar is known at 2 s; the first step that begins after that plays it.
    first = -(-len(bar) // step.samples) * step.samples + step.offset
    np.testing.assert_allclose(played[first:], music[first:], atol=1e-6)
    assert not played[: first - 882].any()


def test_what_is_not_yet_heard_changes_nothing():
    music = (0.1 * RNG.standard_normal(20 * SAMPLE_RATE)).astype(np.float32)
    step = Step(0.25, 1)
    other = music.copy()
    edge = 8 * step.samples
    other[edge:] = 0
    until = edge + step.offset + step.samples - 882
    a, b = (loop_last_bar(x, BARS_S, step, overlap=882) for x in (music, other))
    np.testing.assert_array_equal(a[:until], b[:until])
    assert not np.array_equal(a, b)


def test_without_a_whole_bar_there_is_silence():
    assert not loop_last_bar(np.ones(5 * SAMPLE_RATE, np.float32), np.array([0.0]), Step(0.25, 1), 882).any()
