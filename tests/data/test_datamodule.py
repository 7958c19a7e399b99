"""One training line serves every data set, and each set's configuration says what it needs."""

import multiprocessing
import shutil
from dataclasses import replace

import numpy as np
import pytest

from accomp.cli import build
from accomp.compose import CONF, compose
from accomp.data import datamodule
from accomp.data.datamodule import SlakhDataModule
from accomp.data.excerpts import Recipe, SeededStream
from accomp.data.problems import QUARANTINE
from accomp.errors import UserError

SETS = sorted(path.stem for path in (CONF / "data").glob("*.yaml"))


def configured(*overrides):
    return compose("train", ["out_dir=unused", *overrides]).data


def test_there_is_a_configuration_for_every_set():
    assert set(SETS) >= {"band", "large", "babyslakh", "slakh"}
    assert len({configured(f"data={name}").root for name in SETS}) == len(SETS)


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("recipe", ["live", "paper"])
def test_the_same_line_runs_on_every_set(small_band, name, recipe):
    data = build(configured(f"data={name}", f"data/recipe={recipe}", f"data.root={small_band}", "data.samples=8192"))
    for split in ("train", "validation"):
        item = data.excerpts(split)[0]
        assert item["context"].shape == item["target"].shape == (8192,)
    recipe_of = data.excerpts("train").recipe
    assert recipe_of.tiled == recipe_of.silent_targets == (recipe == "paper")
    assert (replace(recipe_of, tiled=False, silent_targets=False, length_s=None) == Recipe()) == (recipe == "paper")
    assert data.excerpts("validation").recipe == recipe_of.plain() == replace(Recipe(), **kept(recipe_of))


def kept(recipe: Recipe) -> dict:
    """What validation has in common with training: which stems are targets, and how long songs are."""
    return {"silent_targets": recipe.silent_targets, "length_s": recipe.length_s}


def test_damaged_tracks_reach_the_user_through_the_configuration(small_band, tmp_path, caplog):
    shutil.copytree(small_band, tmp_path / "band")
    (tmp_path / "band/train/Track00001/metadata.yaml").write_text("stems: [")
    here = [f"data.root={tmp_path}/band", "data.samples=8192"]
    with pytest.raises(UserError, match="Track00001"):
        build(configured(*here)).excerpts("train")
    assert "expected" in caplog.messages[0]
    excerpts = build(configured(*here, "data.on_bad=skip")).excerpts("train")
    assert [track.name for track in excerpts.tracks] == ["Track00002"]
    assert (tmp_path / "band" / QUARANTINE).is_file()
    with pytest.raises(UserError, match="on_bad must be one of"):
        build(configured(*here, "data.on_bad=ignore")).excerpts("train")


def test_audio_and_latents_at_once_are_refused():
    for samples, latents in ((None, None), (100, "latents")):
        with pytest.raises(UserError, match="either"):
            SlakhDataModule("root", 2, samples=samples, latents=latents)


def test_latents_want_a_length():
    with pytest.raises(UserError, match=r"data\.frames"):
        SlakhDataModule("root", 2, latents="latents")


def test_damage_deep_in_a_file_is_one_line_from_a_worker_too(small_band, tmp_path):
    shutil.copytree(small_band, tmp_path / "band")
    for file in (tmp_path / "band" / "train").glob("*/stems/*.flac"):
        file.write_bytes(file.read_bytes()[:5000])  # the headers are whole
    data = SlakhDataModule(str(tmp_path / "band"), 2, samples=200_000, workers=1)
    with pytest.raises(UserError, match=r"S0\d.flac.*fetch or build this track again") as error:
        next(iter(data.loader(data.excerpts("train"), SeededStream(8))))
    assert "\n" not in str(error.value) and "Traceback" not in str(error.value)
    assert not multiprocessing.active_children(), "the worker has ended with it"


def test_a_process_that_forgets_its_workers_ends_all_the_same(small_band, monkeypatch):
    monkeypatch.setattr(datamodule, "GRACE_S", 1)
    kept = []

    def forget() -> None:
        data = SlakhDataModule(str(small_band), 2, samples=4096, workers=1)
        kept.append(iter(data.loader(data.excerpts("train"), SeededStream(8))))
        next(kept[0])

    process = multiprocessing.get_context("fork").Process(target=forget)
    process.start()
    process.join(60)
    ended = process.exitcode
    process.kill()
    assert ended == 0


def test_validation_is_the_same_whatever_the_seed(small_band):
    one, two = (SlakhDataModule(str(small_band), 2, samples=4096, seed=seed) for seed in (1, 2))
    np.testing.assert_array_equal(one.excerpts("validation")[3]["target"], two.excerpts("validation")[3]["target"])
    assert not np.array_equal(one.excerpts("train")[3]["target"], two.excerpts("train")[3]["target"])
