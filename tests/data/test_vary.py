"""Another key and another tempo, with every onset where it belongs."""

import numpy as np
import pytest

from accomp.beat.grid import BeatGrid
from accomp.data.excerpts import AudioExcerpts, Recipe, clock_of
from accomp.data.slakh import find_tracks
from accomp.data.vary import Variation
from accomp.timeline import SAMPLE_RATE

VARIED = [(0, 1.1), (0, 0.9), (3, 1.0), (-4, 1.07), (5, 0.85)]


@pytest.mark.parametrize(("semitones", "speed"), VARIED)
def test_onsets_lie_where_the_new_tempo_puts_them(semitones, speed):
    audio, noise = np.zeros(SAMPLE_RATE * 6, np.float32), np.random.default_rng(0)
    at = np.arange(1, 11) * SAMPLE_RATE // 2
    for start in at:
        audio[start : start + 2000] = 0.5 * noise.standard_normal(2000) * np.exp(-np.arange(2000) / 300)
    varied = Variation(semitones, speed).apply(audio, is_drum=False)
    assert varied.dtype == np.float32 and len(varied) == round(len(audio) / speed)
    for start in at / speed:
        here = int(start) - 4000
        heard = np.convolve(np.abs(varied[here : here + 8000]), np.ones(32) / 32, "same")
        onset = np.argmax(heard > 0.3 * heard.max())
        assert abs(onset - 4000) < 0.003 * SAMPLE_RATE


@pytest.mark.parametrize(("semitones", "speed"), [*VARIED, (0, 1.0)])
def test_pitch_moves_by_semitones_and_drums_keep_theirs(semitones, speed):
    tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(SAMPLE_RATE * 2) / SAMPLE_RATE).astype(np.float32)

    def pitch_hz(audio):
        middle = audio[SAMPLE_RATE // 2 : SAMPLE_RATE * 3 // 2]
        return np.abs(np.fft.rfft(middle * np.hanning(len(middle)), 8 * SAMPLE_RATE)).argmax() / 8

    variation = Variation(semitones, speed, gain=0.5)
    assert pitch_hz(variation.apply(tone, is_drum=False)) == pytest.approx(440 * 2 ** (semitones / 12), rel=0.004)
    assert pitch_hz(variation.apply(tone, is_drum=True)) == pytest.approx(440, rel=0.004)
    np.testing.assert_array_equal(variation.apply(tone, False), variation.apply(tone, False))


def test_a_faster_clock_is_the_same_beats_in_less_time():
    grid = BeatGrid(np.arange(40) * 0.5, np.arange(0, 40, 4) * 0.5)
    plain = clock_of(grid, 10_000, 100, 2048)
    faster = clock_of(BeatGrid(grid.beats_s / 1.25, grid.downbeats_s / 1.25), 8000, 100, 2048)
    np.testing.assert_allclose(clock_of(grid, 10_000, 100, 2048, speed=1.25), faster, atol=1e-5)
    assert not np.allclose(plain, faster, atol=0.1)


def test_varied_excerpts_are_whole_repeatable_and_in_time(small_band):
    tracks = find_tracks(small_band)
    plain, varied = (AudioExcerpts(tracks, 45_056, 0, recipe) for recipe in (Recipe(), Recipe(pitch=3, tempo=0.1)))
    for i in range(6):
        one, two = varied[i], varied[i]
        for name in ("context", "target", "clock"):
            np.testing.assert_array_equal(one[name], two[name])
        assert one["context"].shape == one["target"].shape == (45_056,)
        assert one["clock"].shape == plain[i]["clock"].shape == (10, 22) and one["clock"][9].all()
        assert np.abs(one["target"]).max(initial=0) < 2
