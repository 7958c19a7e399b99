"""A batch is whole when it is whole: in any order, with any repeats, with one target or several."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accomp.server import protocol as osc
from accomp.server.blocks import HEADERS, Batch, parcel
from accomp.timeline import WINDOW

STEP = 26_460
AUDIO = np.random.default_rng(0).uniform(-1, 1, STEP).astype(np.float32)


def gathered(batch):
    out = np.full(batch.length, np.nan, np.float32)
    for start, samples in batch.runs(batch.length):
        out[start : start + len(samples)] = samples
    return out


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


def test_a_gap_stays_a_gap(kit):
    batch = Batch(1, STEP, 4410, ("bass",))
    whole = kit.blocks(1, AUDIO, 4410)
    for block in whole[:2] + whole[3:]:
        batch.add(block)
    assert not batch.complete
    assert [(s, len(x)) for s, x in batch.runs(STEP)] == [(0, 8820), (13_230, 13_230)]


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
    sent = parcel("drums", 9, audio, package)
    header, *chunks = [osc.parse_reply(d) for d in (sent.header, *sent.chunks)]
    assert (header.index, len(header.samples)) == (0, 0)
    assert [c.index for c in chunks] == list(range(len(chunks)))
    assert {(c.stem, c.batch_id, c.total) for c in (header, *chunks)} == {("drums", 9, len(chunks) + HEADERS)}
    assert all(len(c.samples) == package for c in chunks[:-1])
    assert np.array_equal(np.concatenate([c.samples for c in chunks]), audio)


def test_an_answer_is_always_finite_and_within_full_scale():
    audio = np.array([np.nan, np.inf, -np.inf, 7, -7, 0.5], np.float32)
    (chunk,) = [osc.parse_reply(d) for d in parcel("bass", 1, audio, 4410).chunks]
    assert chunk.samples.tolist() == [0, 0, 0, 1, -1, 0.5]
