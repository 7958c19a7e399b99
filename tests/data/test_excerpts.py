import functools
import operator
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from torch.utils.data import DataLoader

from accomp.data.excerpts import AudioExcerpts, Recipe, SeededStream
from accomp.data.track import Track
from accomp.data.vary import Variation
from accomp.errors import UserError
from accomp.timeline import STEMS

SAMPLES = 30_000


@pytest.fixture(scope="module")
def tracks(tmp_path_factory):
    """Three songs of steady levels, one per stem and song, so that what was read can be told from its level."""
    root, songs = tmp_path_factory.mktemp("songs"), []
    for n in range(3):
        files = {}
        for i, stem in enumerate(STEMS):
            file = root / f"{n}-{stem}.flac"
            soundfile.write(file, np.full(SAMPLES, (n + 1) * 2.0 ** -(i + 3)), 44_100, subtype="PCM_16")
            files[stem] = () if n == 2 and stem == "piano" else (file,)
        songs.append(Track(f"Track{n:05d}", root, files, SAMPLES, midi=None))
    return songs


def test_the_context_is_everybody_else(tracks):
    excerpts = AudioExcerpts(tracks, 1000, seed=0)
    for i in range(30):
        item = excerpts[i]
        levels = {stem: 2.0 ** -(k + 3) for k, stem in enumerate(STEMS)}
        song = round(float(item["target"][0]) / levels[STEMS[item["stem"]]])
        others = sum(v for k, v in levels.items() if k != STEMS[item["stem"]] and not (song == 3 and k == "piano"))
        assert item["context"] == pytest.approx(song * others, abs=1e-3)


def test_submixes_leave_somebody_out_but_never_all(tracks):
    recipe = Recipe(submix=1.0)
    sizes = {len(recipe.context_stems("bass", STEMS, np.random.default_rng(i))) for i in range(100)}
    assert sizes == {1, 2, 3}
    assert Recipe(silence=1.0).context_stems("bass", STEMS, np.random.default_rng(0)) == []
    dropped = [Recipe(stem_dropout=0.5).context_stems("bass", STEMS, np.random.default_rng(i)) for i in range(300)]
    assert {len(stems) for stems in dropped} == {1, 2, 3}
    assert 0.5 <= np.mean(["drums" in stems for stems in dropped]) < 0.75  # one of three always stays


def test_variations_are_drawn_evenly_and_only_as_far_as_the_recipe_says(tracks):
    drawn = [Recipe(gain_db=6.0206, pitch=2, tempo=0.1).variation(0, i) for i in range(300)]
    assert {variation.semitones for variation in drawn} == {-2, -1, 0, 1, 2}
    for values, low, high in (
        ([variation.speed for variation in drawn], 0.9, 1.1),
        ([variation.gain for variation in drawn], 0.5, 2.0),
    ):
        assert low <= min(values) < low * 1.05 and high * 0.95 < max(values) <= high
    assert {Recipe().variation(0, i) for i in range(20)} == {Variation()}
    with pytest.raises(UserError, match="tempo must lie"):
        Recipe(tempo=1.0)


def test_tracks_that_are_too_short_are_named(tracks, caplog):
    short = replace(tracks[0], samples=900)
    assert len(AudioExcerpts([*tracks, short], 1000, seed=0).tracks) == 3
    assert "1 of 4 tracks are not used" in caplog.text


def test_excerpts_longer_than_every_track_are_a_users_mistake(tracks):
    with pytest.raises(UserError, match="as long as"):
        AudioExcerpts(tracks, SAMPLES + 1, seed=0)


@pytest.mark.parametrize(("batch", "workers"), [(1, 0), (4, 0), (3, 2)])
def test_item_i_is_the_same_for_any_batch_size_and_worker_count(tracks, batch, workers):
    excerpts = AudioExcerpts(tracks, 500, seed=3, recipe=Recipe(gain_db=9, submix=0.5))
    loader = DataLoader(excerpts, batch, sampler=SeededStream(12), num_workers=workers)
    dealt = np.concatenate([b["target"].numpy() for b in loader])
    np.testing.assert_array_equal(dealt, np.stack([excerpts[i]["target"] for i in range(12)]))


def test_a_stream_goes_on_with_the_next_item_and_ranks_share_it():
    used = 0
    stream = SeededStream(6, lambda: used)
    assert list(stream) == [0, 1, 2, 3, 4, 5]
    used = 4  # killed after four items: the next epoch begins with the fifth
    assert list(stream) == [4, 5, 6, 7, 8, 9]
    ranks = [list(SeededStream(6, lambda: 0, rank, 2)) for rank in (0, 1)]
    assert sorted(functools.reduce(operator.iadd, ranks, [])) == [0, 1, 2, 3, 4, 5] and len(SeededStream(6, world=2)) == 3
