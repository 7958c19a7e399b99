"""Beats that are there are found and counted; beats that are not there cost."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from accomp.errors import UserError
from accomp.metrics.beats import BeatAgreement, beat_tracker, f_measure, madmom_tracker
from accomp.metrics.contract import Excerpt
from accomp.metrics.ensemble import stacked

GRID = np.arange(0.5, 12, 0.5)
times = st.lists(st.floats(0, 20), max_size=30).map(lambda values: np.unique(np.round(values, 3)))


def clicks(times_s: np.ndarray, seconds: float = 12) -> np.ndarray:
    rng = np.random.default_rng(0)
    audio = np.zeros(round(seconds * 44_100), np.float32)
    for time_s in times_s:
        start = round(time_s * 44_100)
        burst = audio[start : start + 2000]
        burst += (0.5 * rng.standard_normal(len(burst)) * np.exp(-np.arange(len(burst)) / 300)).astype(np.float32)
    return audio


@pytest.fixture(scope="module")
def track():
    return madmom_tracker()


def test_perfect_late_and_missing():
    assert f_measure(GRID, GRID) == 1
    assert f_measure(GRID, GRID + 0.069) == 1
    assert f_measure(GRID, GRID + 0.08) == 0
    assert f_measure(GRID, GRID[::2]) == pytest.approx(2 * 12 / (23 + 12))
    assert f_measure(GRID, np.zeros(0)) == f_measure(np.zeros(0), np.zeros(0)) == 0


def test_a_beat_counts_once():
    assert f_measure(np.array([1.0]), np.array([0.95, 1.0, 1.05])) == pytest.approx(2 / 4)


@settings(deadline=None)
@given(times, times)
def test_agrees_with_mir_eval(reference, estimated):
    mir_eval = pytest.importorskip("mir_eval")
    if len(reference) and len(estimated):
        # mir_eval compares differences rounded by floating point: keep away from the exact edge of the window.
        gaps = np.abs(reference[:, None] - estimated[None])
        if np.isclose(gaps, 0.07, atol=1e-6).any():
            return
        theirs = mir_eval.util.match_events(reference, estimated, 0.07)
        assert f_measure(reference, estimated) == pytest.approx(2 * len(theirs) / (len(reference) + len(estimated)))


def test_tracks_clicks_and_finds_nothing_in_silence(track):
    agree = BeatAgreement(track)
    audio, silence = clicks(GRID), np.zeros(12 * 44_100, np.float32)
    scores = agree(Excerpt("drums", audio, audio, audio, GRID))
    assert scores["beat_f1_grid"] > 0.9
    assert scores["beat_f1_context"] == 1
    assert scores["beat_coverage"] == 1
    assert agree(Excerpt("drums", silence, audio, audio, GRID)) == {
        "beat_f1_grid": 0,
        "beat_f1_context": 0,
        "beat_coverage": 0,
    }


def test_the_stacked_networks_compute_what_madmom_computes(track):
    from madmom.audio.signal import Signal
    from madmom.features.beats import RNNBeatProcessor

    features, ensemble = RNNBeatProcessor().processors
    for seconds in (1.0, 0.005):
        seen = features(Signal(clicks(GRID, 4)[: round(seconds * 44_100)], 44_100, num_channels=1))
        ours = stacked(ensemble.processors[0].processors)(seen)
        np.testing.assert_allclose(ours, np.atleast_1d(ensemble(seen)), atol=1e-6)


def test_a_context_is_tracked_once():
    lengths = []

    def counting(audio):
        lengths.append(len(audio))
        return GRID

    agree = BeatAgreement(counting)
    context = clicks(GRID)
    for _ in range(3):
        agree(Excerpt("bass", np.zeros_like(context), context, context, GRID))
    assert len(lengths) == 3 + 1


def test_the_papers_way_drops_failures_and_still_says_so():
    silence, beats = np.zeros(44_100, np.float32), {0: GRID, 1: np.zeros(0)}
    agree = BeatAgreement(lambda audio: beats[int(audio[0])], drop_failures=True)
    for answer, context, dropped in ((0, 0, False), (1, 0, True), (0, 1, True)):
        scores = agree(Excerpt("bass", silence + answer, silence + context, silence, GRID))
        assert np.isnan(scores["beat_f1_context"]) == dropped
        assert scores["beat_coverage"] == 1 - answer


def test_a_tracker_that_is_not_there_is_told_with_the_one_that_is(tmp_path):
    with pytest.raises(UserError, match="tracker=madmom"):
        beat_tracker(str(tmp_path / "final0.ckpt"))


def test_beat_this_tracks_with_a_checkpoint(tmp_path):
    beat_this = pytest.importorskip("beat_this.model.beat_tracker", reason="pip install beat-this==1.1.0")
    small = {"transformer_dim": 128, "n_layers": 1, "stem_dim": 32}
    net = beat_this.BeatThis(**small)
    state = {f"model.{name}": value for name, value in net.state_dict().items()}
    torch.save({"state_dict": state, "hyper_parameters": small}, tmp_path / "tiny.ckpt")
    track = beat_tracker(str(tmp_path / "tiny.ckpt"))
    times_s = track(clicks(GRID))
    assert times_s.ndim == 1 and (np.diff(times_s) > 0).all(), "untrained: any beats, but times that ascend"
    assert len(track(np.zeros(44_100, np.float32))) == 0
