"""Baselines that know the past alone: exact where music repeats, and deaf to everything after the live edge."""

import numpy as np
import pytest

from accomp.beat.grid import BeatGrid
from accomp.beat.pitch_profile import chroma
from accomp.evaluation.recall import LIVE, held_triad, recall
from accomp.timeline import SAMPLE_RATE, Step

BEAT_S, BAR_S = 0.5, 2.0
GRID = BeatGrid(np.arange(0, 60, BEAT_S), np.arange(0, 60, BAR_S))
RNG = np.random.default_rng(0)
CHORDS = [
    (48, 52, 55),
    (53, 57, 60),
    (55, 59, 62),
    (57, 60, 64),
    (50, 53, 57),
    (52, 55, 59),
    (45, 48, 52),
    (47, 50, 53),
]


def tones(pitches: tuple[int, ...], seconds: float) -> np.ndarray:
    t = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return 0.1 * sum(np.sin(2 * np.pi * 440 * 2 ** ((p - 69) / 12) * t) for p in pitches).astype(np.float32)


def noise(seconds: float) -> np.ndarray:
    return (0.1 * RNG.standard_normal(round(seconds * SAMPLE_RATE))).astype(np.float32)


@pytest.mark.parametrize("regime", [(0.25, 1.0), (0.1, 1.0), (0.25, 0.0)])
@pytest.mark.parametrize("name, bars", [("loop", 1), ("four_bars_before", 4), ("four_bars_before", 2)])
def test_music_that_repeats_is_played_exactly(name, bars, regime):
    period = noise(bars * BAR_S)
    music = np.tile(period, -(-24 // round(bars * BAR_S)))
    step = Step(*regime)
    played = recall(f"{name}_stem", np.zeros_like(music), music, GRID, step, overlap=882)
    known = (4 if name == "four_bars_before" else 1) * round(BAR_S * SAMPLE_RATE)
    first = -(-known // step.samples) * step.samples + step.offset
    np.testing.assert_allclose(played[first:], music[first:], atol=1e-6)


def test_the_most_similar_place_foresees_a_form_that_comes_back_irregularly():
    verse = np.concatenate([tones(chord, BAR_S) for chord in CHORDS])  # 16 s, all different
    music = np.concatenate([verse, tones((60, 64, 67), 3 * BAR_S), verse])  # comes back after 11 bars
    step = Step(0.25, 1.0)
    stem = np.concatenate([part := noise(16), noise(3 * BAR_S), part])
    played = recall("nearest_stem", music, stem, GRID, step, overlap=0)
    last = slice(-round(4 * SAMPLE_RATE), None)  # by then the last sixteen beats lie within the second verse
    assert np.corrcoef(played[last], stem[last])[0, 1] > 0.95
    assert np.corrcoef(recall("four_bars_before_stem", music, stem, GRID, step, 0)[last], stem[last])[0, 1] < 0.2


@pytest.mark.parametrize("name", LIVE)
def test_what_comes_after_the_edge_changes_nothing(name):
    context, stem = noise(24), noise(24)
    step = Step(0.25, 1)
    edge = 8 * step.samples
    cut_context, cut_stem = context.copy(), stem.copy()
    cut_context[edge:], cut_stem[edge:] = 0, 0
    until = edge + step.offset + step.samples - 882
    a = recall(name, context, stem, GRID, step, overlap=882)
    b = recall(name, cut_context, cut_stem, GRID, step, overlap=882)
    np.testing.assert_array_equal(a[:until], b[:until])
    assert not np.array_equal(a, b)
    assert np.abs(a).max() > 0


def test_a_held_triad_is_the_chord_that_was_heard():
    music = np.concatenate([tones(CHORDS[0], 6.0), tones(CHORDS[1], 6.0)])
    played = held_triad(music, Step(0.25, 1), 882)
    before, after = chroma(played[4 * SAMPLE_RATE : 7 * SAMPLE_RATE]), chroma(played[-2 * SAMPLE_RATE :])
    assert sorted(np.argsort(before)[-3:]) == [0, 4, 7]
    assert sorted(np.argsort(after)[-3:]) == [0, 5, 9]


@pytest.mark.parametrize("name", LIVE)
def test_without_beats_or_sound_there_is_silence(name):
    empty = BeatGrid(np.zeros(0), np.zeros(0))
    assert not recall(
        name, np.zeros(5 * SAMPLE_RATE, np.float32), np.zeros(5 * SAMPLE_RATE, np.float32), empty, Step(), 882
    ).any()
