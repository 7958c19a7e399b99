import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_model import CODEC, shaken

from accomp.codec.autoencoder import Autoencoder
from accomp.data.disk import DiskFull
from accomp.data.excerpts import Recipe
from accomp.data.latents import LatentExcerpts, LatentStore, encode_set, encode_track, fingerprint, mixes_of
from accomp.data.problems import QUARANTINE
from accomp.data.slakh import find_tracks
from accomp.errors import UserError
from accomp.timeline import STEMS


@pytest.fixture(scope="module")
def codec():
    return shaken(Autoencoder(**CODEC))


@pytest.fixture(scope="module")
def home(codec, small_band, tmp_path_factory):
    return encode_set(small_band, codec, tmp_path_factory.mktemp("latents"))


def test_four_stems_make_fifteen_mixes():
    mixes = mixes_of(STEMS)
    assert len(mixes) == len(set(mixes)) == 15 and mixes[-1] == STEMS


@torch.inference_mode()
def test_the_latents_of_a_mix_are_the_encoding_of_the_summed_audio(codec, small_band):
    track = find_tracks(small_band, "train")[0]
    names, latents = encode_track(track, codec)
    for name in names:
        audio = sum(track.read(stem) for stem in name.split("+"))
        expected = codec.encode(torch.from_numpy(audio)[None])[0].numpy()
        np.testing.assert_allclose(latents[names.index(name)], expected, atol=5e-3)  # half precision


def test_interrupted_work_goes_on_where_it_stopped(codec, small_band, home):
    files = sorted((home / "band" / "train").glob("*.npy"))
    before = [file.stat().st_mtime_ns for file in files]
    files[0].with_suffix(".json").unlink()  # as if killed between the two files
    assert encode_set(small_band, codec, home.parent) == home
    after = [file.stat().st_mtime_ns for file in files]
    assert after[0] > before[0] and after[1:] == before[1:]


def test_latents_of_two_codecs_never_meet(codec, small_band, home):
    other = shaken(Autoencoder(**CODEC), seed=1)
    assert fingerprint(other) != fingerprint(codec)
    assert encode_set(small_band, other, home.parent) != home
    with pytest.raises(UserError, match="2 codecs"):
        LatentStore(home.parent, "train")
    assert LatentStore(home, "train").codec == fingerprint(codec)
    with pytest.raises(UserError, match="no latents"):
        LatentStore(home / "band", "train")


def test_sets_are_chosen_by_name(codec, small_band, home, tmp_path):
    shutil.copytree(small_band, tmp_path / "other")
    assert encode_set(tmp_path / "other", codec, home.parent, tracks=1) == home
    assert len(LatentStore(home, "train", ["band"]).tracks) == 2
    assert len(LatentStore(home, "train", ["other"]).tracks) == 1
    assert len(LatentStore(home, "train").tracks) == 3
    with pytest.raises(UserError, match=r"no latents of slakh \(of band, other there are\)"):
        LatentStore(home, "train", ["band", "slakh"])
    shutil.rmtree(home / "other")


def test_damaged_sound_is_refused_or_skipped_and_named(codec, small_band, tmp_path):
    root, out = tmp_path / "hurt", tmp_path / "latents"
    shutil.copytree(small_band, root)
    stem = sorted((root / "train" / "Track00001" / "stems").iterdir())[0]
    stem.write_bytes(stem.read_bytes()[: stem.stat().st_size // 2])  # the header is whole
    with pytest.raises(UserError, match="Track00001"):
        encode_set(root, codec, out)
    home = encode_set(root, codec, out, on_bad="skip")
    assert [track.name for track in LatentStore(home, "train").tracks] == ["Track00002"]
    assert "train/Track00001," in (root / QUARANTINE).read_text()


def test_a_full_disk_is_told_and_leaves_nothing_half_written(codec, small_band, tmp_path, monkeypatch):
    write_bytes = Path.write_bytes

    def full(path, data):
        write_bytes(path, bytes(data)[:100])
        if "Track00002" in path.name:
            raise OSError(28, "No space left on device")
        return write_bytes(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(DiskFull, match="the disk is full"):
        encode_set(small_band, codec, tmp_path)
    assert {path.name.split(".")[0] for path in tmp_path.rglob("*.*")} == {"codec", "Track00001"}
    monkeypatch.undo()
    home = encode_set(small_band, codec, tmp_path)
    assert [track.name for track in LatentStore(home, "train").tracks] == ["Track00001", "Track00002"]


def test_excerpts_have_context_target_and_clock(home):
    store = LatentStore(home, "train")
    excerpts = LatentExcerpts(store, 40, seed=0, recipe=Recipe(submix=0.5))
    for i in range(8):
        item = excerpts[i]
        assert item["context"].shape == item["target"].shape == (CODEC["channels"], 40)
        assert item["clock"].shape == (10, 40) and item["clock"][9].all()
        assert not np.array_equal(item["context"], item["target"])
        np.testing.assert_array_equal(item["target"], excerpts[i]["target"])
    silent = LatentExcerpts(store, 40, seed=0, recipe=Recipe(silence=1.0))[0]["context"]
    np.testing.assert_array_equal(silent, np.repeat(store.silence, 40, 1))
    with pytest.raises(UserError, match="as long as"):
        LatentExcerpts(store, 10_000, seed=0)
