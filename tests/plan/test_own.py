"""A plan from the session's past."""

import numpy as np
import pytest
import torch

from accomp.beat.clock import GridClock
from accomp.beat.grid import BeatGrid
from accomp.codec.note_codec import NOTE_SCALE, NoteCodec
from accomp.plan import own
from accomp.plan.contract import BASS, CHROMA, CONFIDENCE, HARMONY, HARMONY_ROWS, SIMILARITY, NoPlan, harmony, plan_rows
from accomp.plan.memory import Memory
from accomp.plan.own import OwnPlan
from accomp.timeline import SAMPLE_RATE

FRAMES_PER_BEAT = 10
CHORDS = (0, 5, 7, 9, 2, 4, 7, 11)  # roots of eight beats, over and over


@pytest.fixture(scope="module")
def codec() -> NoteCodec:
    return NoteCodec(width=8, latent_width=8, decoder_blocks=1, transcriber_width=4, transcriber_memory=8)


def clock(hop: int) -> GridClock:
    beats = np.arange(200) * FRAMES_PER_BEAT * hop / SAMPLE_RATE
    return GridClock([BeatGrid(beats, beats[::4])], hop)


def latents(codec: NoteCodec, beats: int, transposed: int = 0, chords: tuple[int, ...] = CHORDS) -> torch.Tensor:
    """A third on each root of the chords, (1, C, T); one channel of timbre counts the frames."""
    rows = torch.zeros(1, codec.channels, beats * FRAMES_PER_BEAT)
    for beat in range(beats):
        here = slice(beat * FRAMES_PER_BEAT, (beat + 1) * FRAMES_PER_BEAT)
        for step in (0, 4):
            rows[0, 24 + chords[beat % len(chords)] + step + transposed, here] = NOTE_SCALE
    rows[0, -1] = torch.arange(rows.shape[2]) / 100
    return rows


def heard(codec: NoteCodec, beats: int, with_own: bool = True) -> OwnPlan:
    plan, time = OwnPlan(codec), clock(codec.hop)
    music, step = latents(codec, beats), 7  # frames; no whole number of them is a beat
    for start in range(0, music.shape[2], step):
        new = music[:, :, start : start + step]
        plan.listen(new, start, time.features(start, start + new.shape[2]))
        if with_own:
            plan.play(new, start)
    return plan


def test_the_harmony_to_come_is_what_followed_before(codec):
    plan, time = heard(codec, 40), clock(codec.hop)
    stop = 40 * FRAMES_PER_BEAT
    rows = plan.ahead(stop, time.features(stop, stop + 40))[0]
    truth = harmony((latents(codec, 44)[0, :88, stop:] / NOTE_SCALE).numpy(), codec.lowest_pitch)
    np.testing.assert_allclose(rows[HARMONY].numpy(), truth, atol=1e-3)
    assert rows[CONFIDENCE].min() > 0.99 and rows[SIMILARITY].min() > 0.99
    assert rows[BASS].sum(0).eq(1).all() and rows[CHROMA].sum(0).eq(2).all()


def test_without_a_like_place_the_harmony_of_four_bars_before_is_expected(codec):
    roots = (0, 1, 3, 6, 11, 5, 10, 2, 9, 4, 8, 7, 0, 2, 11, 3, 8, 1, 10, 6, 4)
    plan, time, stop = OwnPlan(codec), clock(codec.hop), 21 * FRAMES_PER_BEAT
    music = latents(codec, 21, chords=roots)
    plan.listen(music, 0, time.features(0, stop))
    rows = plan.ahead(stop, time.features(stop, stop + 20))[0]
    before = harmony((music[0, :88, 5 * FRAMES_PER_BEAT : 7 * FRAMES_PER_BEAT] / NOTE_SCALE).numpy(), codec.lowest_pitch)
    np.testing.assert_allclose(rows[HARMONY].numpy(), before, atol=1e-3)
    assert rows[CONFIDENCE].max() < own.UNLIKE


def test_player_and_stem_are_recalled_from_one_place(codec):
    plan, time = heard(codec, 40), clock(codec.hop)
    stop = 40 * FRAMES_PER_BEAT
    rows = plan.ahead(stop, time.features(stop, stop + 30))[0]
    frames = 100 * rows[HARMONY_ROWS:].unflatten(0, (2, codec.channels))[:, -1]
    assert torch.equal(frames[0], frames[1])
    lag = stop + torch.arange(30) - frames[0]
    assert (lag - lag.mean()).abs().max() < 2 and lag.mean() / FRAMES_PER_BEAT % 8 < 0.2


def test_a_plan_knows_nothing_at_first_or_without_a_clock(codec):
    assert not OwnPlan(codec).ahead(0, clock(codec.hop).features(0, 20)).any()
    plan, stop = heard(codec, 40), 40 * FRAMES_PER_BEAT
    assert not plan.ahead(stop, torch.zeros(1, 10, 20)).any()
    plan.reset()
    assert not plan.ahead(stop, clock(codec.hop).features(stop, stop + 20)).any()


def test_without_an_own_part_only_the_player_is_recalled(codec):
    plan, stop = heard(codec, 40, with_own=False), 40 * FRAMES_PER_BEAT
    rows = plan.ahead(stop, clock(codec.hop).features(stop, stop + 20))[0, HARMONY_ROWS:]
    assert rows[: codec.channels].any() and not rows[codec.channels :].any()


def test_dropped_frames_and_repeated_steps_keep_their_place(codec):
    plan, time, music = OwnPlan(codec), clock(codec.hop), latents(codec, 48)
    for start in range(0, 400, 20):
        if start != 200:
            plan.listen(music[:, :, start : start + 20], start, time.features(start, start + 20))
    rows = plan.ahead(400, time.features(400, 440))[0]
    truth = harmony((music[0, :88, 400:440] / NOTE_SCALE).numpy(), codec.lowest_pitch)
    assert np.abs(rows[HARMONY].numpy() - truth).mean() < 0.05


def test_no_plan(codec):
    plan = NoPlan(codec.channels)
    plan.listen(latents(codec, 1), 0, torch.zeros(1, 10, 10))
    assert plan.ahead(10, torch.zeros(1, 10, 5)).shape == (1, plan_rows(codec.channels), 5)


def test_a_memory_that_is_full_forgets_its_oldest_frames(codec):
    memory, music = Memory(codec, most=200), latents(codec, 60)[0]
    for start in range(0, music.shape[1], 30):
        memory.write(music[:, start : start + 30], start)
        assert memory.stop == start + 30 and memory.stop - memory.first <= 200
        newest = np.arange(max(memory.stop - 150, 0), memory.stop)
        np.testing.assert_allclose(memory.at(newest), music[:, newest].numpy(), rtol=1e-3)
    assert memory.first > 0 and not memory.at(np.array([0, memory.stop])).any()


def test_a_memory_knows_nothing_of_frames_that_were_left_out(codec):
    memory, music = Memory(codec, most=200), latents(codec, 100)[0]
    memory.write(music[:, :20], 0)
    memory.write(music[:, 40:60], 40)
    assert not memory.at(np.arange(20, 40)).any() and not memory.harmony[:, 20:40].any()
    assert memory.at(np.arange(40, 60)).any()
    memory.write(music[:, 900:920], 900)
    assert (memory.first, memory.stop) == (900, 920)


def test_one_search_serves_all_stems_that_hear_one_player(codec, monkeypatch):
    plan, time, stop = heard(codec, 40), clock(codec.hop), 40 * FRAMES_PER_BEAT
    plan.own = [plan.own[0]] * 3
    searched = []
    search = own.best_matches
    monkeypatch.setattr(own, "best_matches", lambda *values: searched.append(1) or search(*values))
    rows = plan.ahead(stop, time.features(stop, stop + 20))
    assert len(searched) == 1 and torch.equal(rows[0], rows[2])
