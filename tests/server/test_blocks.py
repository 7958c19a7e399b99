"""A batch is whole when it is whole: in any order, with any repeats, with one target or several."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accomp.server import protocol as osc
from accomp.server.answers import HEADERS, packetize
from accomp.server.blocks import Batch, conceal
from accomp.timeline import WINDOW

STEP = 26_460
AUDIO = np.random.default_rng(0).uniform(-1, 1, STEP).astype(np.float32)


def gathered(batch):
    audio, missing = batch.audio(batch.length)
    assert missing == 0
    return audio


@settings(max_examples=60, deadline=None)
@given(st.data(), st.sampled_from([4096, 4410, 5120, 5292, 10_240]), st.sampled_from([("bass",), ("bass", "piano")]))
def test_any_order_with_any_repeats_gives_the_same_audio_and_never_early(kit, data, package, targets):
    whole = kit.blocks(3, AUDIO, package, copies=len(targets))
    unique = len(whole) // len(targets)
    extra = data.draw(st.lists(st.sampled_from(whole), max_size=20))
    order = data.draw(st.permutations(whole + extra))
    batch, seen = Batch(3, STEP, package, targets), set()
    for block in order:
        batch.add(block)
        seen.add(block.start)
        assert batch.complete == (len(seen) == unique)
    assert np.array_equal(gathered(batch), AUDIO) and batch.package == package


def test_one_plane_per_stem_is_summed_though_more_datagrams_are_announced_than_sent(kit):
    targets, planes = ("bass", "drums"), ("guitar", "piano")
    batch = Batch(1, STEP, 4410, targets)
    sent = [b for p in planes for b in kit.blocks(1, AUDIO, 4410, plane=p, total=2 * 3 * 6)]
    for block in sent[:-1]:
        batch.add(block)
        assert not batch.complete
    batch.add(sent[-1])
    assert batch.complete and np.allclose(gathered(batch), 2 * AUDIO)


@pytest.mark.parametrize("package", [4410, 5120])
def test_the_first_plane_of_a_song_may_be_short(kit, package):
    batch = Batch(1, STEP, package, ("bass",))
    for block in kit.blocks(1, AUDIO[:10_240], package):
        assert not batch.complete
        batch.add(block)
    assert batch.complete and batch.length == 10_240


@pytest.mark.parametrize("lost", [2, 0, 5])
def test_a_gap_is_counted_and_bridged_without_a_click(kit, lost):
    t = np.arange(2 * STEP) / 44_100
    music = (0.5 * np.sin(2 * np.pi * 110 * t)).astype(np.float32)
    before, batch = Batch(1, STEP, 4410, ("bass",)), Batch(2, STEP, 4410, ("bass",))
    for block in kit.blocks(1, music[:STEP], 4410):
        before.add(block)
    for k, block in enumerate(kit.blocks(2, music[STEP:], 4410)):
        if k != lost:
            batch.add(block)
    audio, missing = batch.audio(STEP, before)
    assert not batch.complete and missing == 4410
    gap = slice(4410 * lost, 4410 * (lost + 1))
    assert np.array_equal(np.delete(audio, np.r_[gap]), np.delete(music[STEP:], np.r_[gap]))
    steepest = np.abs(np.diff(music)).max()
    assert np.abs(np.diff(np.concatenate([music[:STEP], audio]))).max() < 2.1 * steepest
    assert 0.1 < np.sqrt(np.mean(audio[gap] ** 2)) < 0.5  # something like it sounds on


def test_a_long_gap_is_rest_with_soft_borders():
    audio, filled = np.ones(30_000, np.float32), np.ones(30_000, bool)
    filled[10_000:20_000] = False
    mended = conceal(audio, filled)
    assert not mended[10_500:19_500].any() and np.abs(np.diff(mended)).max() < 0.01


def test_a_stem_that_is_lost_leaves_the_others_as_they_were(kit):
    """What is missing in one plane is missing, though the others are whole."""
    batch = Batch(1, STEP, 4410, ("bass", "drums"))
    for plane, lost in (("guitar", 3), ("piano", None)):
        for k, block in enumerate(kit.blocks(1, AUDIO, 4410, plane=plane, total=2 * 3 * 6)):
            if k != lost:
                batch.add(block)
    audio, missing = batch.audio(STEP)
    assert missing == 4410 and np.allclose(audio[:13_230], 2 * AUDIO[:13_230])
    assert not np.allclose(audio[13_230:17_640], AUDIO[13_230:17_640])  # the gap was bridged in its plane only


def test_the_data_tell_the_package_size_where_what_was_said_is_wrong(kit):
    batch = Batch(1, STEP, 5120, ("bass",))
    for block in kit.blocks(1, AUDIO, 4096):
        batch.add(block)
    assert batch.complete and batch.package == 4096


def test_unclean_samples_are_cleaned_and_counted():
    batch = Batch(1, STEP, 4410, ("bass",))
    batch.add(osc.Block("context", 1, 0, 1, np.array([np.nan, np.inf, -np.inf, 1e30, -9, 0.5], np.float32)))
    assert gathered(batch).tolist() == [0, 0, 0, 4, -4, 0.5] and batch.unclean == 5


def test_a_batch_that_contradicts_itself_is_refused():
    batch = Batch(1, STEP, 4410, ("bass",))
    batch.add(osc.Block("context", 1, 0, 6, AUDIO[:4410]))
    for bad in [osc.Block("context", 1, 4410, 7, AUDIO[:4410]), osc.Block("piano", 1, 4410, 6, AUDIO[:4410])]:
        with pytest.raises(osc.ProtocolError):
            batch.add(bad)


def test_many_tiny_chunks_end_at_a_limit():
    batch = Batch(1, STEP, 4410, ("bass",))
    with pytest.raises(osc.ProtocolError):
        for start in range(WINDOW):
            batch.add(osc.Block("context", 1, start, 9, AUDIO[:1]))
    assert start < 2100


@pytest.mark.parametrize("samples, package", [(882 + 16_537, 4410), (1, 128), (10_240, 5120), (WINDOW + 44_100, 9_999)])
def test_an_answer_is_cut_so_that_the_external_takes_it(kit, samples, package):
    audio = kit.tune(np.arange(samples))
    sent = packetize("drums", 9, audio, package)
    header, *chunks = [osc.parse_reply(d) for d in (sent.header, *sent.chunks)]
    assert (header.index, len(header.samples)) == (0, 0)
    assert [c.index for c in chunks] == list(range(len(chunks)))
    assert {(c.stem, c.batch_id, c.total) for c in (header, *chunks)} == {("drums", 9, len(chunks) + HEADERS)}
    assert all(len(c.samples) == package for c in chunks[:-1])
    assert np.array_equal(np.concatenate([c.samples for c in chunks]), audio)


def test_an_answer_is_always_finite_and_within_full_scale():
    audio = np.array([np.nan, np.inf, -np.inf, 7, -7, 0.5], np.float32)
    (chunk,) = [osc.parse_reply(d) for d in packetize("bass", 1, audio, 4410).chunks]
    assert chunk.samples.tolist() == [0, 0, 0, 1, -1, 0.5]
