"""Spectral, onset and click metrics on signals whose answer is known."""

import numpy as np
import pytest

from accomp.metrics.clicks import border_excess, click_db
from accomp.metrics.onsets import REACH_S, onset_error, onsets_s
from accomp.metrics.separation import FLOOR_DB, reproduction
from accomp.metrics.spectral import FLOOR_DB as SPECTRAL_FLOOR_DB
from accomp.metrics.spectral import spectral

RATE = 44_100
RNG = np.random.default_rng(0)


def noise(seconds: float = 2) -> np.ndarray:
    return (0.1 * RNG.standard_normal(round(seconds * RATE))).astype(np.float32)


def plucks(times_s, seconds: float = 4, hz: float = 220) -> np.ndarray:
    """Decaying tones that begin at the given times."""
    time_s = np.arange(round(seconds * RATE)) / RATE
    audio = np.zeros(len(time_s))
    for start_s in times_s:
        since_s = time_s - start_s
        tone = np.exp(-8 * since_s.clip(0)) * sum(np.sin(2 * np.pi * hz * k * since_s) / k for k in range(1, 9))
        audio += 0.2 * tone * (since_s >= 0)
    return audio.astype(np.float32)


def test_a_copy_is_at_no_distance():
    truth = noise()
    assert spectral(truth, truth) == {"lsd_db": 0, "mr_stft": 0}


@pytest.mark.parametrize("gain", [0.5, 2.0])
def test_a_gain_is_a_known_distance(gain):
    """All levels differ by the gain, the spectrum converges to 1 - gain, and log magnitudes differ by ln gain."""
    truth = noise()
    found = spectral((gain * truth).astype(np.float32), truth)
    assert found["lsd_db"] == pytest.approx(abs(20 * np.log10(gain)), abs=0.02)
    assert found["mr_stft"] == pytest.approx(abs(1 - gain) + abs(np.log(gain)), abs=0.005)


def test_phase_does_not_matter_and_more_noise_is_farther():
    truth = noise()
    assert spectral(-truth, truth) == {"lsd_db": 0, "mr_stft": 0}
    near, far = (spectral(truth + level * noise(), truth) for level in (0.05, 0.5))
    assert 0 < near["lsd_db"] < far["lsd_db"] and 0 < near["mr_stft"] < far["mr_stft"]


def test_spectra_of_silence_are_at_the_floor():
    truth = noise()
    silent = spectral(np.zeros_like(truth), truth)
    assert 60 < silent["lsd_db"] < -SPECTRAL_FLOOR_DB
    assert all(np.isnan(value) for value in spectral(truth, np.zeros_like(truth)).values())


def test_onsets_are_where_the_plucks_are():
    times_s = np.array([0.5, 1.0, 1.37, 2.0, 3.21])
    np.testing.assert_allclose(onsets_s(plucks(times_s)), times_s, atol=0.006)
    assert len(onsets_s(np.zeros(RATE, np.float32))) == 0


@pytest.mark.parametrize("late_ms", [-20, 0, 3, 20])
def test_a_delay_is_the_onset_error(late_ms):
    times_s = np.array([0.5, 1.0, 1.37, 2.0, 3.21])
    found = onset_error(plucks(times_s + late_ms / 1000), plucks(times_s))
    assert found["onset_error_ms"] == pytest.approx(abs(late_ms), abs=0.3)
    assert found["onset_missed"] == 0


def test_what_is_not_played_is_missed_and_what_is_too_far_is_no_pair():
    truth = plucks([0.5, 1.0, 2.0, 3.0])
    assert onset_error(plucks([0.5, 1.0, 2.0]), truth) == {
        "onset_error_ms": pytest.approx(0, abs=0.1),
        "onset_missed": 0.25,
    }
    assert onset_error(plucks([0.8, 1.3, 2.3, 3.3]), truth) == {"onset_error_ms": 1e3 * REACH_S, "onset_missed": 1}
    assert onset_error(np.zeros_like(truth), truth)["onset_missed"] == 1
    assert np.isnan(onset_error(truth, np.zeros_like(truth))["onset_error_ms"])


def test_added_onsets_do_not_take_the_partner_of_a_true_one():
    truth, extra = [0.5, 1.0, 2.0], [0.5, 1.0, 1.6, 2.0, 2.6]
    assert onset_error(plucks(extra), plucks(truth))["onset_missed"] == 0


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


def test_reproduction_is_separation_without_a_context():
    truth = noise(4)
    found = reproduction(truth + 0.1 * noise(4), truth)
    assert found["sdr_db"] == pytest.approx(20, abs=0.5) and found["sar_db"] == pytest.approx(20, abs=1)
    quiet = reproduction(0.5 * truth, truth)
    assert quiet["sdr_db"] == pytest.approx(6.02, abs=0.1) and quiet["isr_db"] == pytest.approx(6.02, abs=0.1)
    assert quiet["sar_db"] > 40
    assert set(reproduction(0 * truth, truth).values()) == {FLOOR_DB}
    assert all(np.isnan(value) for value in reproduction(truth, 0 * truth).values())
