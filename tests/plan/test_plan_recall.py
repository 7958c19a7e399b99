"""Finding the place in the past that is most like now."""

import numpy as np

from accomp.plan.recall import Match, best_matches, recalled


def best_match(*values, **options) -> Match | None:
    return next(iter(best_matches(*values, **options)), None)


def song(*sections: int, beats: int = 16) -> np.ndarray:
    """Profiles of beats (N, 12): every section is random, and the same number gives the same section."""
    return np.concatenate([np.random.default_rng(number).random((beats, 12)) for number in sections])


def test_a_repeated_section_is_found_however_long_ago():
    profiles = song(1, 2, 3, 4, 1)
    match = best_match(profiles, now=80, ahead=4)
    assert match.lag == 64 and match.similarity > 0.99


def test_what_follows_must_be_known():
    profiles = song(1, 1)
    assert best_match(profiles, now=32, ahead=8).lag >= 8
    assert best_match(profiles, now=32, ahead=40) is None


def test_beats_to_come_are_not_looked_at_unless_training_asks():
    profiles = song(5, 6, 7, 5, 6)
    other = profiles.copy()
    other[20:] = 0.5
    assert best_match(profiles, now=20, ahead=2) == best_match(other, now=20, ahead=2)
    match = best_match(profiles, now=16, ahead=2, after=24)
    assert match.lag == -48 and match.similarity > 0.99


def test_music_without_pitch_and_a_session_just_begun_match_nothing():
    assert best_match(np.zeros((64, 12)), now=64, ahead=4) is None
    assert best_match(song(1), now=10, ahead=2) is None


def test_a_complete_bar_away_wins_among_equals():
    profiles = np.tile(np.eye(12)[[0, 5]], (40, 1))  # a pattern of two beats
    assert best_match(profiles, now=80, ahead=4, bar=4).lag % 4 == 0


def test_a_transposed_section_is_less_alike_than_its_repetition():
    profiles = song(1, 2)
    moved = np.roll(profiles[:16], 5, axis=1)
    assert best_match(np.concatenate([profiles, moved]), 48, 4).similarity < 0.8


def test_the_places_that_match_nearly_as_well_are_averaged():
    rows = np.arange(40.0)[:, None]
    one = recalled(rows, np.array([30, 31]), [Match(8, 0.9)])
    np.testing.assert_allclose(one[:, 0], [22, 23])
    two = recalled(rows, np.array([30]), [Match(8, 0.9), Match(16, 0.9)])
    np.testing.assert_allclose(two, [[18]])
    poor = recalled(rows, np.array([30]), [Match(8, 0.9), Match(16, 0.5)])
    np.testing.assert_allclose(poor, [[22]], atol=1e-3)
    unknown = recalled(rows, np.array([60]), [Match(8, 0.9)])
    assert not unknown.any()
