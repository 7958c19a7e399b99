"""The plans of training excerpts."""

import numpy as np
import pytest
import torch

from accomp.codec.note_codec import NoteCodec
from accomp.data.band.__main__ import main as build_band
from accomp.data.datamodule import SlakhDataModule
from accomp.data.expectation import Expectation
from accomp.data.latent_excerpts import LatentStore
from accomp.data.latents import encode_set
from accomp.lit.conditioner import seen_plan
from accomp.plan.contract import BASS, CHROMA, CONFIDENCE, HARMONY_ROWS, SIMILARITY, plan_rows
from accomp.window import masks


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> LatentStore:
    band = tmp_path_factory.mktemp("data") / "band"
    assert build_band(["compose", "--out", str(band), "--tracks", "3", "--seconds", "40", "--jobs", "1"]) == 0
    torch.manual_seed(0)
    codec = NoteCodec(width=8, latent_width=8, decoder_blocks=1, transcriber_width=2, transcriber_memory=8)
    codec.fit(torch.randn(400, codec.basis.shape[1]))
    home = encode_set(band, codec, tmp_path_factory.mktemp("latents"), mixes=6)
    return LatentStore(home, "train", ["band"])


def planned(store: LatentStore, frames: int = 60, **values) -> list[tuple]:
    """Plans of excerpts from the middle of a song, with where they begin."""
    track, found = store.tracks[0], []
    for seed in range(40):
        start = track.frames // 2 + seed % 7
        rng = np.random.default_rng(seed)
        plan = Expectation(**values)(track, "bass+drums+guitar", "piano", start, start + frames, rng)
        found.append((plan["plan"], plan["since"], start))
    return found


def test_no_more_mixes_are_encoded_than_asked_for_and_all_stems_are_there(store):
    track = store.tracks[0]
    assert len(track.stems) == 4 and len(track.rows) == 6 + 4
    assert all(any(len(mix) == 3 for mix in track.mixes_without(stem)) for stem in track.stems)


def test_known_chords_are_those_of_the_score(store):
    track = store.tracks[0]
    for plan, since, start in planned(store, absent=0.0, known=1.0, wrong_beats=0.0):
        assert not plan[:, :since].any() and (plan[CONFIDENCE, since:] == 1).all()
        truth = track.harmony("+".join(track.stems), start + since, start + 60)
        sounding = truth.any(0)
        assert sounding.any()
        shared = (plan[CHROMA, since:] * truth[CHROMA]).sum(0)
        assert (shared[sounding] > 0).mean() > 0.8
        assert (plan[BASS, since:].sum(0) <= 1.01).mean() > 0.7


def test_what_is_recalled_lies_elsewhere_in_the_song(store):
    track, channels = store.tracks[0], store.tracks[0].shape[1]
    whole = track.read("bass+drums+guitar", 0, track.frames)
    recalled = [found for found in planned(store, absent=0.0, known=0.0) if found[0][SIMILARITY].any()]
    assert len(recalled) > 20
    for plan, since, start in recalled:
        context = plan[HARMONY_ROWS : HARMONY_ROWS + channels, since:]
        frames = np.array([np.abs(whole - column[:, None]).sum(0).argmin() for column in context.T])
        assert ((frames < start + since) | (frames >= start + 60)).all()
        assert 0 < plan[SIMILARITY, -1] <= 1


def test_a_plan_is_seen_only_beyond_the_live_edge_and_if_it_was_made_by_then():
    edge = torch.tensor([4, 4, 10])
    zero = torch.zeros(3, dtype=torch.long)
    m = masks(10, zero, edge, zero, torch.tensor([6, 6, 6]))
    batch = {"plan": torch.ones(3, 5, 10), "since": torch.tensor([3, 5, 1])}
    clock = torch.ones(3, 10, 10)
    plan = seen_plan(batch, m, clock)
    assert plan[0, 0].tolist() == [0.0] * 4 + [1.0] * 6
    assert not plan[1:].any()
    clock[0] = 0
    assert not seen_plan(batch, m, clock).any()


def test_the_data_module_deals_plans(store):
    data = SlakhDataModule("band", 2, latents=str(store.tracks[0].path.parents[2]), frames=60, sets="band", plan={})
    item = data.excerpts("train")[3]
    assert item["plan"].shape == (plan_rows(128), 60) and 0 <= item["since"] < 60
    assert np.array_equal(item["plan"], data.excerpts("train")[3]["plan"])
