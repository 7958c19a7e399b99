"""Which pulse is found in the output of a tracker: steady, through rests, at other tempi and in any bar."""

import numpy as np
import pytest
from follower_inputs import HOP, RATE, errors, followed, pointers

from accomp.beat.follower import PulseFollower

AHEAD = round(1.5 * RATE)  # frames


@pytest.mark.parametrize("bpm", [52, 71.3, 100, 147.7, 190])
@pytest.mark.parametrize("beats_in_bar", [2, 3, 5, 7])
def test_a_steady_pulse_and_its_bar_are_found_and_carried_on(bpm, beats_in_bar):
    z, beat = pointers(bpm, beats_in_bar, noise=0.3, seconds=12)
    found = followed(PulseFollower(HOP), z)
    frame, pulse = found[-1]
    assert pulse.frequency * 60 * RATE == pytest.approx(bpm, rel=0.01)
    assert errors(found, beat, AHEAD)[-1] * 60 / bpm < 0.03  # seconds
    if beats_in_bar * 60 / bpm > 4 and not pulse.beats_in_bar:
        return  # two such bars are not in its memory
    assert pulse.beats_in_bar == beats_in_bar
    truth = beat[frame - 1] / beats_in_bar + bpm / 60 / RATE / beats_in_bar
    assert abs((pulse.bar - truth + 0.5) % 1 - 0.5) < 0.5 / beats_in_bar


def test_a_bar_that_does_not_agree_with_the_beat_is_none():
    z, _ = pointers(100, 3.5, seconds=12)
    assert {pulse.beats_in_bar for _, pulse in followed(PulseFollower(HOP), z)[-4:]} == {0}


def test_confidence_is_the_length_of_the_pointers():
    sure, _ = pointers(100)
    doubt = np.random.default_rng(0).standard_normal(sure.shape) * 0.3
    assert followed(PulseFollower(HOP), sure)[-1][1].confidence > 0.9
    assert followed(PulseFollower(HOP), 0.4 * sure)[-1][1].confidence == pytest.approx(0.4, abs=0.05)
    assert followed(PulseFollower(HOP), doubt)[-1][1] is None
    assert followed(PulseFollower(HOP), 0 * sure)[-1][1] is None


@pytest.mark.parametrize("late_beats", [0.0, 0.5])
def test_the_pulse_runs_on_through_a_rest_and_follows_a_return_at_another_place(late_beats):
    before, beat = pointers(100, seconds=35)
    after, moved = pointers(100, seconds=35, phase=0.3 - late_beats)
    t = np.arange(len(beat)) / RATE
    back = 23.0
    z = np.where(t[:, None] < back, before, after)
    found = followed(PulseFollower(HOP), z, heard=(t < 13) | (t >= back))
    reached = np.array([frame / RATE for frame, _ in found])
    assert errors(found, beat)[(reached > 6) & (reached < back)].max() < 0.05  # ten seconds of rest
    if not late_beats:
        assert errors(found, beat)[reached >= back].max() < 0.05
    assert errors(found, moved)[reached > back + 4.8].max() < 0.05  # two bars
    pulses = [pulse.confidence for frame, pulse in found if 13 < frame / RATE < back]
    assert min(pulses) > 0.75 and pulses == sorted(pulses, reverse=True)


@pytest.mark.parametrize("old, new", [(90, 130), (130, 90), (100, 108)])
def test_another_tempo_is_followed_within_four_seconds(old, new):
    z, beat = pointers(lambda t: old if t < 12 else new, seconds=26, noise=0.1)
    found = followed(PulseFollower(HOP), z)
    reached = np.array([frame / RATE for frame, _ in found])
    wrong = errors(found, beat, AHEAD) * 60 / new
    assert np.mean(wrong[reached[: len(wrong)] > 12 + 4 - 1.5] < 0.07) > 0.8
    assert wrong[reached[: len(wrong)] > 20].max() < 0.04


@pytest.mark.parametrize("bpm_s", [1.5, -1.5])
def test_a_tempo_that_changes_evenly_is_trailed_by_two_beats_a_minute_at_most(bpm_s):
    def tempo(t):
        return 110 + bpm_s * np.clip(t - 8, 0, 16)

    z, beat = pointers(tempo, seconds=24, noise=0.1)
    found = [one for one in followed(PulseFollower(HOP), z) if 13 < one[0] / RATE < 22]
    assert max(abs(pulse.frequency * 60 * RATE - tempo(frame / RATE)) for frame, pulse in found) < 2.0
    assert errors(found, beat, AHEAD).max() < 0.12


def test_a_tracker_that_counts_double_for_some_seconds_changes_nothing():
    z, beat = pointers(90, seconds=40)
    twice, _ = pointers(180, seconds=40, phase=0.6)
    t = np.arange(len(beat)) / RATE
    alternating = np.where(((t > 14) & (t < 17) | (t > 22) & (t < 25))[:, None], twice, z)
    found = followed(PulseFollower(HOP), alternating)
    tempi = [pulse.frequency * 60 * RATE for frame, pulse in found if frame / RATE > 8]
    assert np.ptp(tempi) < 4
    assert errors(found, beat)[-len(tempi) :].max() < 0.06
    lasting = np.where((t > 14)[:, None], twice, z)  # but not for ever
    assert followed(PulseFollower(HOP), lasting)[-1][1].frequency * 60 * RATE == pytest.approx(180, rel=0.02)


def test_the_past_keeps_the_pulse_that_it_had():
    z, beat = pointers(lambda t: 90 if t < 12 else 130, seconds=20)
    follower = PulseFollower(HOP)
    followed(follower, z)
    features = follower.features(len(z) - 240, len(z) - 200, len(z))  # ten seconds ago, before the change
    told = np.arctan2(features[0], features[1]) / (2 * np.pi)
    truth = beat[len(z) - 240 : len(z) - 200]
    assert np.abs((told - truth + 0.5) % 1 - 0.5).max() < 0.1
