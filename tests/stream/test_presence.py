"""Who is heard: a player by his level and his onsets; silence, hum, noise and DC are nobody."""

import numpy as np
import pytest

from accomp.stream.presence import Presence
from accomp.timeline import SAMPLE_RATE

TIME_S = np.arange(16 * SAMPLE_RATE) / SAMPLE_RATE
NOISE = np.random.default_rng(0).standard_normal(len(TIME_S))
NOBODY = {
    "silence": np.zeros(len(TIME_S)),
    "hum": 1.4e-3 * np.sin(2 * np.pi * 50 * TIME_S) + 5e-4 * NOISE,
    "loud hum": 0.1 * np.sin(2 * np.pi * 50 * TIME_S) + 0.05 * np.sin(2 * np.pi * 150 * TIME_S),
    "dc": np.full(len(TIME_S), 0.2),
    "noise": 0.03 * NOISE,
    "loud noise": 0.3 * NOISE,
}


def notes(first_s, last_s, level=0.1):
    """A note of 0.2 s every 0.6 s."""
    since = np.where((first_s <= TIME_S) & (last_s > TIME_S), (TIME_S - first_s) % 0.6, 9.0)
    return level * np.sin(2 * np.pi * 220 * TIME_S) * np.exp(-since / 0.05) * (since < 0.2)


def listened(audio, size=66_150):
    presence = Presence(1)
    for start in range(0, len(audio), size):
        presence.listen(start, audio[None, start : start + size].astype(np.float32))
    return presence


@pytest.mark.parametrize("name", NOBODY)
def test_nobody_plays(name):
    presence = listened(NOBODY[name])
    assert presence.so_far.last[0] == -np.inf and np.isnan(presence.so_far.level_db[0])
    assert not presence.heard(8 * SAMPLE_RATE, 9 * SAMPLE_RATE).any()


@pytest.mark.parametrize("level", [1.0, 0.1, 0.01, 0.004])
def test_a_player_is_heard_while_he_plays(level):
    presence = listened(notes(2, 9, level))
    assert not presence.heard(SAMPLE_RATE, 2 * SAMPLE_RATE - 4096)[0]
    assert all(presence.heard(s * SAMPLE_RATE, (s + 1) * SAMPLE_RATE)[0] for s in range(2, 9))
    assert not presence.heard(10 * SAMPLE_RATE, 11 * SAMPLE_RATE)[0]
    assert presence.so_far.last[0] / SAMPLE_RATE == pytest.approx(9, abs=0.8)


def test_in_hum_a_player_is_heard_until_some_seconds_after_his_last_note():
    presence = listened(notes(2, 6) + NOBODY["loud hum"])
    assert presence.heard(4 * SAMPLE_RATE, 5 * SAMPLE_RATE)[0]
    assert presence.so_far.last[0] / SAMPLE_RATE < 13


def test_the_size_of_the_blocks_changes_nothing():
    presences = [listened(notes(2, 9), size) for size in (1000, 66_150, len(TIME_S))]
    for second in range(10):
        assert len({bool(p.heard(second * SAMPLE_RATE, second * SAMPLE_RATE + 2048)[0]) for p in presences}) == 1
    assert len({p.so_far.last[0] for p in presences}) == 1
