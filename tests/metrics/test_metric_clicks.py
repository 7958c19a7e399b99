"""Roughness at the borders of signals with and without a click."""

import numpy as np
import pytest
from signals import RATE, noise

from accomp.metrics.clicks import border_excess, click_db


def test_borders_in_plain_music_are_not_rough():
    assert click_db(border_excess(noise(60), range(1000, 60 * RATE, 2000))) == pytest.approx(0, abs=0.5)


def test_a_faint_click_stands_out_at_its_border_and_nowhere_else():
    sine = 0.3 * np.sin(2 * np.pi * 220 * np.arange(2 * RATE) / RATE)
    clicked, border = sine.copy(), RATE + 25  # an eighth of a period past zero
    clicked[border:] += 0.01  # a step of -40 dBFS
    assert abs(click_db(border_excess(sine, [border]))) < 6
    assert click_db(border_excess(clicked, [border])) > 30
    assert click_db(border_excess(clicked, [border + 1000])) < 6


def test_borders_in_silence_and_at_the_ends_are_left_out():
    audio = np.zeros(RATE)
    assert np.isnan(click_db(border_excess(audio, [1000, 2000])))
    assert len(border_excess(noise(1), [0, 1, 20_000, RATE])) == 1
