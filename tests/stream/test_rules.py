"""What is played of an answer: nothing while nobody plays, and as loud as the player."""

import numpy as np
import pytest

from accomp.beat.clock import clock_features
from accomp.stream.gain import Gain
from accomp.stream.presence import Heard
from accomp.stream.rules import REFERENCE_DB, PlayingRules, bar_seconds
from accomp.timeline import SAMPLE_RATE

STEP, OVERLAP = 66_150, 882
BAR_S = np.array([2.4])


def played(last_s, level_db=REFERENCE_DB, count=12, **settings):
    """What comes of answers of ones, laid one after the other, when the player was heard until `last_s(edge_s)`."""
    rules, track = PlayingRules(), np.zeros((count + 2) * STEP)
    for k in range(1, count + 1):
        edge = k * STEP
        last = last_s(edge / SAMPLE_RATE)
        heard = Heard(np.array([level_db if np.isscalar(level_db) else level_db(edge / SAMPLE_RATE)]), np.array([last]))
        heard.last[:] *= SAMPLE_RATE
        start = edge + STEP - OVERLAP
        track[start : start + STEP + OVERLAP] = rules(np.full((2, STEP + OVERLAP), 0.1), start, heard, BAR_S, **settings)[1]
    return track[2 * STEP :] / 0.1, 2 * STEP / SAMPLE_RATE  # and when it begins


def test_nothing_is_played_before_somebody_plays_and_all_when_it_never_rests():
    assert not played(lambda edge_s: -np.inf)[0].any()
    assert np.allclose(played(lambda edge_s: -np.inf, rest_after=0)[0], 1)


def test_it_goes_on_for_some_bars_fades_over_one_and_comes_back():
    track, begins_s = played(lambda edge_s: min(edge_s, 4.0) if edge_s < 14 else edge_s, rest_after=2)

    def at(seconds):
        return track[round((seconds - begins_s) * SAMPLE_RATE)]

    assert at(4 + 2 * 2.4 - 0.01) == pytest.approx(1)
    assert at(4 + 2.5 * 2.4) == pytest.approx(0.5, abs=0.01)
    assert at(4 + 3 * 2.4 + 0.01) == 0
    back_s = 15 + 1.5  # the first answer to a live edge after the return
    assert at(back_s - 0.1) == 0 and at(back_s + 0.05) == pytest.approx(1)
    assert np.abs(np.diff(track)).max() < 0.01  # nothing clicks, also before the client blends the answers


@pytest.mark.parametrize("level_db", [-10, -18, -38, -50])
def test_the_level_follows_the_player_and_the_balance_is_added(level_db):
    track, _ = played(lambda edge_s: edge_s, level_db=level_db)
    assert 20 * np.log10(track[-1]) == pytest.approx(level_db - REFERENCE_DB, abs=0.1)
    softer, _ = played(lambda edge_s: edge_s, level_db=level_db, balance_db=-6)
    assert 20 * np.log10(softer[-1] / track[-1]) == pytest.approx(-6, abs=0.1)


def test_a_player_who_becomes_soft_is_followed_without_a_jump():
    track, _ = played(lambda edge_s: edge_s, level_db=lambda edge_s: -18 if edge_s < 9 else -38)
    changes_db = np.diff(20 * np.log10(track))
    assert np.abs(changes_db).max() * SAMPLE_RATE < 31
    assert 20 * np.log10(track[-1]) == pytest.approx(-20, abs=0.1)


def test_the_first_gain_holds_from_the_beginning():
    gain = Gain(1)
    assert (gain(0, 10) == 1).all()
    gain.turn(1000, np.array([20.0]))
    assert np.allclose(gain(0, 2000), 10)


def test_an_answer_that_ends_before_the_last_one_has_the_same_gain():
    """As after a change to a shorter step."""
    gain = Gain(1)
    for at, db in ((100_000, 0.0), (80_000, 0.0), (90_000, 0.0)):
        gain.turn(at, np.array([db]))
        assert (gain(at - 10_000, at) == 1).all()
    gain.turn(85_000, np.array([-40.0]))
    assert np.isclose(20 * np.log10(gain(85_000, 85_001)), -30.0 * 5_000 / SAMPLE_RATE, atol=1e-4).all()
    assert (gain(70_000, 80_001) == 1).all()


def test_a_bar_is_as_long_as_the_clock_says():
    frames = np.arange(2)
    beats = frames * 2048 / SAMPLE_RATE / 0.6

    def features(length):
        bar = beats / length if length else np.full(2, np.nan)
        return clock_features(beats % 1, bar % 1, np.full(2, 0.6))[None]

    seconds = [bar_seconds(features(length), 2048)[0] for length in (3, 4, 5, 0)]
    assert seconds == pytest.approx([1.8, 2.4, 3.0, 2.4], rel=1e-3)
    assert bar_seconds(np.zeros((1, 10, 2)), 2048)[0] == 2.0
