"""Excerpts of latents as a living player plays."""

from types import SimpleNamespace

import numpy as np
import pytest

from accomp.beat.grid import BeatGrid
from accomp.codec.note_codec import DRUM_ROWS, NOTE_ROWS, NOTE_SCALE
from accomp.data.excerpts import clock_of
from accomp.data.living_latents import Living, LivingExcerpts, Timeline
from accomp.errors import UserError

HOP, FRAMES, SONG = 2048, 400, 1500
FRAME_S = HOP / 44100
GRID = BeatGrid(np.arange(0, 69, 0.5) + 0.3, np.arange(0, 69, 2.0) + 0.3)
STEADY = {"tempo": 0, "step": 0, "ramp": 0, "metre": 0, "rest": 0}


def song() -> np.ndarray:
    """Latents (104, SONG) with a kick on every beat and a note that begins on every bar line and is held."""
    latents = np.zeros((104, SONG), np.float32)
    latents[NOTE_ROWS.start + 30] = NOTE_SCALE
    latents[NOTE_ROWS.start + 30, (GRID.downbeats_s / FRAME_S).astype(int)] = 2 * NOTE_SCALE
    latents[DRUM_ROWS.start, (GRID.beats_s / FRAME_S).astype(int)] = NOTE_SCALE
    return latents


def drawn(seed: int, **values) -> tuple[Timeline, np.ndarray, np.ndarray]:
    timeline = Living(**STEADY | values)(GRID, SONG, FRAMES, FRAME_S, np.random.default_rng(seed))
    shown = timeline.show(song(), np.full((104, 1), -1.0))
    return timeline, shown, clock_of(timeline.grid(FRAME_S), 0, FRAMES, HOP)


@pytest.mark.parametrize("kind", [{"tempo": 0.3}, {"step": 1.0}, {"ramp": 1.0}, {"metre": 1.0, "tempo": 0.2}])
@pytest.mark.parametrize("seed", range(8))
def test_strokes_lie_on_the_beats_of_the_clock(kind, seed):
    timeline, shown, _ = drawn(seed, **kind)
    strokes = np.flatnonzero(shown[DRUM_ROWS.start] > 0)
    inside = timeline.beats[(timeline.beats > 2) & (timeline.beats < FRAMES - 2)]
    assert len(inside) > 15
    away = np.abs(inside[:, None] - strokes - 0.5).min(1)  # a stroke lies within its frame
    assert away.max() < 1.6
    assert abs(len(strokes) - len(timeline.beats)) <= 2  # none is doubled and none is lost


def test_beats_lie_on_average_in_the_middle_of_the_frames_that_show_them():
    """As in songs that are encoded: a clock that learnt otherwise would be half a frame early."""
    away = []
    for seed in range(60):
        timeline, shown, _ = drawn(seed, tempo=0.2)
        strokes = np.flatnonzero(shown[DRUM_ROWS.start] > 0)
        inside = timeline.beats[(timeline.beats > 2) & (timeline.beats < FRAMES - 2)]
        nearest = strokes[np.abs(inside[:, None] - strokes - 0.5).argmin(1)]
        away.extend(inside - nearest)
    assert abs(np.mean(away) - 0.5) < 0.06, np.mean(away)


@pytest.mark.parametrize("seed", range(8))
def test_another_metre_has_bars_of_its_length(seed):
    timeline, _, clock = drawn(seed, metre=1.0)
    first = np.searchsorted(timeline.beats, timeline.downbeats - 1e-6)
    lengths = set(np.diff(first))
    assert len(lengths) == 1 and lengths <= {2, 3, 5, 6, 7}
    bar = np.unwrap(np.arctan2(clock[4], clock[5]))
    beat = np.unwrap(np.arctan2(clock[0], clock[1]))
    known = (clock[9] > 0) & (np.abs(clock[4:6]).sum(0) > 0)
    steps = np.diff(beat)[known[1:] & known[:-1]].sum() / np.diff(bar)[known[1:] & known[:-1]].sum()
    assert abs(steps - lengths.pop()) < 0.2


def test_a_step_of_the_tempo_is_told_by_the_clock():
    tempi = []
    for seed in range(8):
        _, _, clock = drawn(seed, step=1.0)
        tempi.append(np.ptp(clock[8][clock[9] > 0]))
    assert max(tempi) > 0.2 and max(tempi) < np.log2(1.45) + 0.15


def test_a_rest_is_silent_and_has_no_notes():
    timeline, shown, _ = drawn(3, rest=1.0)
    assert timeline.rests.sum() * FRAME_S > 0.7
    assert (shown[:, timeline.rests] == -1).all() and (shown[:, ~timeline.rests] >= 0).all()


def test_a_held_note_begins_once():
    timeline, shown, _ = drawn(1, tempo=0.3)
    begins = np.flatnonzero(shown[NOTE_ROWS.start + 30] > NOTE_SCALE)
    assert abs(len(begins) - len(timeline.downbeats)) <= 1
    assert (np.diff(begins) > 10).all()


def test_drawn_from_the_generator_alone():
    one, two = (drawn(5, tempo=0.3, ramp=0.5, metre=0.5, rest=0.5) for _ in range(2))
    np.testing.assert_array_equal(one[1], two[1])


def test_latents_that_are_no_notes_are_refused():
    with pytest.raises(UserError, match=r"data\.living needs latents that are notes"):
        LivingExcerpts(SimpleNamespace(silence=np.zeros((64, 1)), tracks=[]), FRAMES, 0)


def test_keys_are_moved_lost_and_unheard_and_the_energies_stay():
    rng, latents = np.random.default_rng(0), np.ones((104, 50), np.float32)
    latents[NOTE_ROWS] = 0
    latents[NOTE_ROWS.start + 40] = NOTE_SCALE
    as_heard = Living(transpose=0, unheard=0, lost=0).vary(latents.copy(), rng)
    assert (as_heard == latents).all()
    rows, shares, heard = set(), [], []
    for _ in range(200):
        varied = Living(transpose=6, unheard=0.25, lost=0.3).vary(latents.copy(), rng)
        assert (varied[DRUM_ROWS.stop :] == 1).all()
        keys = varied[NOTE_ROWS] > 0
        heard.append((keys.any(), varied[DRUM_ROWS].any()))
        rows |= set(np.flatnonzero(keys.any(1)))
        if keys.any():
            shares.append(1 - keys.sum() / 50)
    assert rows == set(range(34, 47))
    assert max(shares) < 0.5 and 0.1 < np.mean(shares) < 0.2
    assert np.allclose(np.mean(heard, 0), 0.75, atol=0.12)
