"""Drift is found where it is: in a stem that loses the beat, or its voice."""

import numpy as np
import pytest

from accomp.metrics.contract import Excerpt, Options
from accomp.metrics.drift import PART, make_metric
from accomp.timeline import SAMPLE_RATE

GRID = np.arange(0.5, 50, 0.5)


def onsets(audio: np.ndarray) -> np.ndarray:
    """A tracker of clicks."""
    return np.flatnonzero(np.abs(audio) > 0.05) / SAMPLE_RATE


def clicks(times_s: np.ndarray, seconds: float = 50) -> np.ndarray:
    audio = np.zeros(round(seconds * SAMPLE_RATE), np.float32)
    audio[np.round(times_s * SAMPLE_RATE).astype(int)] = 0.5
    return audio


@pytest.fixture(autouse=True)
def tracker(monkeypatch):
    monkeypatch.setattr("accomp.metrics.drift.beat_tracker", lambda name: onsets)


def drift(answer: np.ndarray) -> dict[str, float]:
    return make_metric(Options())(Excerpt("bass", answer, answer, answer, GRID))


def test_who_keeps_the_beat_does_not_drift():
    assert drift(clicks(GRID)) == {"drift_f1_first": 1, "drift_f1_last": 1, "drift_rms_db": pytest.approx(0, abs=0.2)}


def test_who_speeds_up_and_fades_away_does():
    late = np.where(GRID < 25, GRID, 25 + (GRID - 25) * 0.95)
    audio = clicks(late)
    audio[-PART:] /= 4
    found = drift(audio)
    assert found["drift_f1_first"] == 1 and found["drift_f1_last"] < 0.6
    assert found["drift_rms_db"] == pytest.approx(-12, abs=0.5)


def test_who_falls_silent_is_at_the_floor():
    audio = clicks(GRID)
    audio[-PART:] = 0
    assert drift(audio)["drift_f1_last"] == 0 and drift(audio)["drift_rms_db"] < -60


def test_the_first_part_begins_with_the_first_sound_and_short_answers_have_no_drift():
    assert drift(clicks(GRID[GRID > 4]))["drift_f1_first"] == 1
    assert all(np.isnan(value) for value in drift(clicks(GRID[GRID > 11])).values())
    assert all(np.isnan(value) for value in drift(clicks(GRID[:60], 39)).values())
