import json
import logging
import os
import resource
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_model import CODEC, shaken

from accomp.codec.autoencoder import Autoencoder
from accomp.codec.fingerprint import fingerprint
from accomp.codec.note_codec import NoteCodec
from accomp.data.datamodule import SlakhDataModule
from accomp.data.excerpts import Recipe
from accomp.data.latent_excerpts import LatentExcerpts, LatentStore
from accomp.data.latents import encode_set, encode_track, mixes_of
from accomp.data.notes import chroma_rows, note_roll, pitch_classes, read_notes
from accomp.data.problems import QUARANTINE
from accomp.data.slakh import find_tracks
from accomp.disk import DiskFull
from accomp.errors import UserError
from accomp.timeline import SAMPLE_RATE, STEMS


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


def test_of_few_mixes_the_stems_alone_are_among_them(codec, small_band):
    """They are the targets of a codec that does not look ahead."""
    track = find_tracks(small_band, "train")[0]
    names, _ = encode_track(track, codec, mixes=4)
    assert set(track.stems) <= set(names) and len(names) < len(mixes_of(track.stems))


def test_interrupted_work_goes_on_where_it_stopped(codec, small_band, home):
    files = sorted((home / "band" / "train").glob("*.npy"))
    before = [file.stat().st_mtime_ns for file in files]
    files[0].with_suffix(".json").unlink()  # as if killed between the two files
    assert encode_set(small_band, codec, home.parent) == home
    after = [file.stat().st_mtime_ns for file in files]
    assert after[0] > before[0] and after[1:] == before[1:]


def test_latents_from_before_there_were_notes_are_made_anew(codec, small_band, home):
    note = sorted((home / "band" / "train").glob("*.json"))[0]
    whole = note.read_text()
    note.write_text(json.dumps({name: value for name, value in json.loads(whole).items() if name != "notes"}))
    with pytest.raises(UserError, match="encode again"):
        LatentStore(home, "train", ["band"])
    encode_set(small_band, codec, home.parent)
    assert note.read_text() == whole


def test_latents_of_two_codecs_never_meet(codec, small_band, home):
    other = shaken(Autoencoder(**CODEC), seed=1)
    assert fingerprint(other) != fingerprint(codec)
    assert encode_set(small_band, other, home.parent) != home
    with pytest.raises(UserError, match="2 codecs"):
        LatentStore(home.parent, "train", ["band"])
    assert LatentStore(home, "train", ["band"]).codec == fingerprint(codec)
    with pytest.raises(UserError, match="no latents"):
        LatentStore(home / "band", "train", ["band"])


def test_sets_are_chosen_by_name(codec, small_band, home, tmp_path):
    shutil.copytree(small_band, tmp_path / "other")
    shutil.rmtree(tmp_path / "other" / "train" / "Track00002")
    assert encode_set(tmp_path / "other", codec, home.parent) == home
    assert len(LatentStore(home, "train", ["band"]).tracks) == 2
    assert len(LatentStore(home, "train", ["other"]).tracks) == 1
    assert len(LatentStore(home, "train", ["band", "other"]).tracks) == 3

    def trained_on(root, **options):
        data = SlakhDataModule(str(root), 2, latents=str(home), frames=40, **options)
        return len(data.excerpts("train").tracks)

    assert trained_on(small_band) == 2 and trained_on(tmp_path / "other") == 1
    assert trained_on(small_band, sets="other") == 1 and trained_on(small_band, sets=["band", "other"]) == 3
    with pytest.raises(UserError, match="no latents of band-original"):
        trained_on(small_band, splits="original")
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
    assert [track.name for track in LatentStore(home, "train", ["hurt"]).tracks] == ["Track00002"]
    assert "train/Track00001," in (root / QUARANTINE).read_text()


def test_a_full_disk_is_told_and_leaves_nothing_half_written(codec, small_band, tmp_path, monkeypatch, caplog):
    logging.getLogger("accomp.data.latents").disabled = False  # as a run of train.py in this process leaves it
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
    (home,) = tmp_path.iterdir()
    assert [track.name for track in LatentStore(home, "train", ["band"]).tracks] == ["Track00001"]
    assert "not all of it is encoded yet" in caplog.text
    caplog.clear()
    home = encode_set(small_band, codec, tmp_path)
    assert [track.name for track in LatentStore(home, "train", ["band"]).tracks] == ["Track00001", "Track00002"]
    assert "not all of it is encoded yet" not in caplog.text


def test_latents_of_another_song_are_never_kept(codec, small_band, tmp_path):
    root, out = tmp_path / "band", tmp_path / "latents"
    shutil.copytree(small_band, root)
    train = encode_set(root, codec, out) / "band" / "train"
    before = {path.name: path.read_bytes() for path in train.glob("*.npy")}
    shutil.rmtree(root / "train" / "Track00001")
    shutil.copytree(root / "test" / "Track00004", root / "train" / "Track00001")  # built anew: another song by that name
    shutil.move(root / "train" / "Track00002", root / "test" / "Track00002")  # and dealt otherwise
    encode_set(root, codec, out)
    after = {path.name: path.read_bytes() for path in train.glob("*.npy")}
    assert set(after) == {"Track00001.npy"} and after["Track00001.npy"] != before["Track00001.npy"]
    assert (train.parent / "test" / "Track00002.npy").read_bytes() == before["Track00002.npy"]


def test_other_classes_of_instruments_are_encoded_anew(codec, small_band, tmp_path):
    train = encode_set(small_band, codec, tmp_path) / "band" / "train"
    before = {path.name: path.read_bytes() for path in train.glob("*.npy")}
    encode_set(small_band, codec, tmp_path, stems={"bass": None, "drums": None, "keys": ["0-23"]})
    after = {path.name: path.read_bytes() for path in train.glob("*.npy")}
    assert all(after[name] != before[name] for name in before), "other rows"
    about = json.loads((train / "Track00001.json").read_text())
    assert about["classes"] == ["bass", "drums", "keys"] and not set(about["stems"]) - set(about["classes"])


def test_more_songs_than_a_process_may_have_files_open(home, tmp_path):
    (tmp_path / "some" / "train").mkdir(parents=True)
    shutil.copy(home / "codec.json", tmp_path)
    for path in (home / "band" / "train").glob("Track00001.*"):
        for n in range(150):
            (tmp_path / "some" / "train" / f"Track{n:05d}{path.suffix}").symlink_to(path)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 60, limits[1]))
    try:
        excerpts = LatentExcerpts(LatentStore(tmp_path, "train", ["some"]), 40, seed=0)
        items = [excerpts[i] for i in range(200)]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert len(excerpts.tracks) == 150 and len(items) == 200


def test_damaged_latents_are_one_line(home, tmp_path):
    shutil.copytree(home, tmp_path / "home")
    file = next((tmp_path / "home" / "band" / "train").glob("*.npy"))
    file.write_bytes(file.read_bytes()[:5000])
    with pytest.raises(UserError, match=r"Track0000\d.npy: damaged latents .*encode again"):
        LatentStore(tmp_path / "home", "train", ["band"])


def test_a_codec_that_uses_later_samples_is_refused(codec, small_band, tmp_path, monkeypatch):
    monkeypatch.setattr(Autoencoder, "causal", False)
    with pytest.raises(UserError, match="uses later samples"):
        encode_set(small_band, codec, tmp_path)


def test_variants_are_encoded_once_with_their_beats(codec, small_band, tmp_path):
    recipe = Recipe(gain_db=6, pitch=3, tempo=0.2)
    home = encode_set(small_band, codec, tmp_path, variants=1, recipe=recipe)
    tracks = {track.name: track for track in LatentStore(home, "train", ["band"]).tracks}
    assert sorted(tracks) == ["Track00001", "Track00001+1", "Track00002", "Track00002+1"]
    assert len(LatentStore(home, "validation", ["band"]).tracks) == 1
    for name in ("Track00001", "Track00002"):
        plain, varied = tracks[name], tracks[f"{name}+1"]
        speed = plain.grid.beats_s[-1] / varied.grid.beats_s[-1]
        assert 0.8 <= speed <= 1.2 and speed != 1
        assert varied.frames == pytest.approx(plain.frames / speed, abs=1)
    times = {path: path.stat().st_mtime_ns for path in home.rglob("*.npy")}
    encode_set(small_band, codec, tmp_path, variants=1, recipe=recipe)
    assert times == {path: path.stat().st_mtime_ns for path in home.rglob("*.npy")}


def test_a_mix_has_the_pitch_classes_of_its_stems_and_none_where_they_are_unknown(home, small_band):
    store = LatentStore(home, "train", ["band"])
    tracks = {track.name: track for track in find_tracks(small_band, "train")}
    for track in store.tracks:
        roll = note_roll(read_notes(tracks[track.name], "bass"), 0.0, track.frames, store.hop / SAMPLE_RATE)
        one = chroma_rows(pitch_classes(roll))
        np.testing.assert_array_equal(track.harmony("bass", 5, 45)[:12], one[:, 5:45])
        two = np.maximum(track.harmony("bass", 0, 40), track.harmony("piano", 0, 40))[:12]
        assert two.any()
        np.testing.assert_array_equal(track.harmony("bass+drums+piano", 0, 40)[:12], two)
        assert not track.harmony("", 0, 40).any()
    del store.tracks[0].bits["bass"]  # as where its MIDI file is missing
    assert not store.tracks[0].harmony("bass+piano", 0, 40).any()
    assert store.tracks[0].harmony("drums+piano", 0, 40).any()


def test_excerpts_have_context_target_and_clock(home):
    store = LatentStore(home, "train", ["band"])
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


@torch.inference_mode()
def test_targets_of_a_codec_that_looks_ahead_have_the_notes_of_the_score(small_band):
    codec = NoteCodec(width=16, latent_width=16, decoder_blocks=1, transcriber_width=4, transcriber_memory=8).eval()
    codec.fit(torch.randn(200, codec.basis.shape[1], generator=torch.Generator().manual_seed(0)))
    track = find_tracks(small_band, "train")[0]
    names, latents = encode_track(track, codec)
    assert names[15:] == [f"{stem} (recording)" for stem in STEMS] and latents.shape[1] == 128
    context, target = (torch.from_numpy(latents[names.index(name)]).float() for name in ("bass", "bass (recording)"))
    roll = note_roll(read_notes(track, "bass"), 0.0, target.shape[1], codec.hop / 44_100)
    assert torch.equal(codec.keys(target[None])[0], torch.from_numpy(roll[:88]))
    assert set(codec.keys(target[None]).unique().tolist()) == {0, 1, 2}
    assert not torch.equal(context[:88], target[:88]), "the player's notes are heard, not read"
    np.testing.assert_allclose(context[98:], target[98:], atol=5e-3)  # the timbre is the same


def test_shards_encode_what_one_process_does(codec, small_band, home, tmp_path):
    for i in range(3):
        encode_set(small_band, codec, tmp_path, shard=(i, 3))
    files = sorted(path.relative_to(home) for path in home.rglob("Track*"))
    assert files == sorted(path.relative_to(tmp_path / home.name) for path in (tmp_path / home.name).rglob("Track*"))
    assert all((home / file).read_bytes() == (tmp_path / home.name / file).read_bytes() for file in files)
    assert not list(tmp_path.rglob("unfinished*"))


def test_an_excerpt_is_one_piece_of_the_file_and_older_files_are_still_read(codec, small_band, home, tmp_path):
    shutil.copytree(home, tmp_path / home.name)
    new = LatentStore(home, "train", ["band"]).tracks[0]
    note = tmp_path / home.name / "band" / "train" / f"{new.name}.json"
    about = json.loads(note.read_text())
    del about["layout"], about["classes"]
    note.write_text(json.dumps(about))
    array = np.load(note.with_suffix(".npy"))
    assert array.shape == (len(new.rows), new.frames, codec.channels) and array.flags.c_contiguous
    np.save(note.with_suffix(".npy"), np.ascontiguousarray(array.transpose(0, 2, 1)))
    old = LatentStore(tmp_path / home.name, "train", ["band"]).tracks[0]
    assert (old.shape, old.frames, old.stems) == (new.shape, new.frames, new.stems)
    for mix in new.rows:
        np.testing.assert_array_equal(old.read(mix, 3, 20), new.read(mix, 3, 20))


def test_a_run_does_not_go_on_with_the_latents_of_another_codec(codec, small_band, home):
    data = SlakhDataModule(str(small_band), batch_size=2, latents=str(home), frames=16)
    data.load_state_dict({"codec": fingerprint(codec)})
    data.load_state_dict({"codec": None})
    with pytest.raises(UserError, match="begun on latents of codec 0123"):
        data.load_state_dict({"codec": "0123"})
