"""Builds are whole, repeatable, go on where they stopped, and survive bad songs."""

import csv
import hashlib
import json
import os
import platform
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from accomp.data.band import tracks
from accomp.data.band.__main__ import main as build_band
from accomp.data.midi import read_song, write_song
from accomp.data.slakh import find_tracks
from accomp.data.song import Metre, Note, Part, Song, Tempo
from accomp.data.splits import FOLDERS
from accomp.errors import UserError


def composed(out, *more):
    return build_band(["compose", "--out", str(out), "--tracks", "3", "--seconds", "8", "--jobs", "1", *more])


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    out = tmp_path_factory.mktemp("band") / "band"
    assert composed(out) == 0
    return out


def sound(root):
    files = [path for path in sorted(root.rglob("*")) if path.suffix in (".flac", ".mid")]
    return {path.relative_to(root): path.read_bytes() for path in files}


def test_a_composed_band_is_read_as_slakh(small):
    tracks = [track for split in ("train", "validation", "test") for track in find_tracks(small, split)]
    assert [track.name for track in tracks] == ["Track00001", "Track00002", "Track00003"]
    assert len(tracks[1].stem_files["guitar"]) == 2
    mix = soundfile.read(tracks[1].path / "mix.flac", dtype="float32")[0]
    np.testing.assert_allclose(sum(tracks[1].read(stem) for stem in tracks[1].stem_files), mix, atol=1e-6)
    assert not (small / ".partial").exists()
    assert (small / "omitted").is_dir()


@pytest.mark.skipif(platform.machine() != "x86_64", reason="elsewhere the last bit of a sample may differ")
def test_not_a_sample_of_the_embedded_band_has_changed(small):
    digest = hashlib.sha256()
    for track in sorted(small.glob("*/Track*"), key=lambda path: path.name):
        for file in (*sorted((track / "stems").iterdir()), track / "mix.flac"):
            digest.update(soundfile.read(file, dtype="int16")[0].tobytes())
    assert digest.hexdigest() == "f21b2c7e41f6f30d13d420e03008366aff07b92741db2542e8e58f6903b676a7"


def test_two_processes_make_the_same_band(small, tmp_path):
    assert composed(tmp_path / "again", "--jobs", "2") == 0
    assert sound(tmp_path / "again") == sound(small)


def test_what_is_finished_is_kept_and_the_rest_made(small, tmp_path):
    out = tmp_path / "band"
    assert composed(out) == 0
    before = sound(out)
    kept = out / "train" / "Track00001" / "mix.flac"
    time_ns = kept.stat().st_mtime_ns
    for name in ("metadata.yaml", "mix.flac"):  # as if the build had been stopped by force
        os.remove(out / "validation" / "Track00002" / name)
    (out / ".partial" / "Track00003").mkdir(parents=True)
    assert composed(out) == 0
    assert sound(out) == before
    assert kept.stat().st_mtime_ns == time_ns


def test_other_settings_are_not_mixed_in(small, caplog):
    assert composed(small, "--seed", "9") == 2
    assert "other settings" in caplog.text
    assert json.loads((small / "build.json").read_text())["seed"] == 0


def quartet(pitch):
    """Twelve seconds in which all four classes play."""
    notes = tuple(Note(i * 240, i * 240 + 200, pitch, 90) for i in range(96))
    parts = [Part(program, False, "", notes) for program in (0, 25, 33)]
    return Song(480, (Tempo(0, 500_000),), (Metre(0, 4, 4),), (*parts, Part(0, True, "", notes)))


def midi_folder(root):
    for index in range(3):
        folder = root / ("one" if index < 2 else "held-out")
        folder.mkdir(exist_ok=True, parents=True)
        write_song(folder / f"song{index}.mid", quartet(60 + index))
    (root / "one" / "broken.mid").write_bytes(b"MThd\0\0\0\6\0\1")
    bass = Part(33, False, "", tuple(Note(i * 480, i * 480 + 400, 40, 90) for i in range(40)))
    write_song(root / "one" / "alone.mid", Song(480, (Tempo(0, 500_000),), (Metre(0, 4, 4),), (bass,)))
    return root


def test_a_midi_band_skips_and_lists_what_it_cannot_use(tmp_path):
    songs, out = midi_folder(tmp_path / "songs"), tmp_path / "band"
    arguments = ["midi", "--midi", str(songs), "--out", str(out), "--seconds", "9", "--jobs", "1"]
    assert build_band([*arguments, "--test-source", "held-out"]) == 0
    with (out / "skipped.csv").open() as file:
        reasons = {row["source"].split("/")[-1]: row["skipped"] for row in csv.DictReader(file)}
    assert set(reasons) == {"broken.mid", "alone.mid"}
    assert "only 1 of the four" in reasons["alone.mid"]
    made = [path for split in FOLDERS for path in (out / split).iterdir()]
    assert len(made) == 3
    test = list((out / "test").iterdir())
    assert any("held-out" in (path / "metadata.yaml").read_text() for path in test)
    for path in made:
        length = soundfile.info(path / "mix.flac").frames / 44100
        assert length <= 9.0
        song = read_song(path / "all_src.mid")
        assert song.seconds(song.end) <= 9.01
    with (out / "songs.csv").open() as file:
        assert {row["track"] for row in csv.DictReader(file)} == {path.name for path in made}


def test_a_late_song_begins_at_the_bar_of_its_first_note():
    notes = tuple(Note(20 * 480 + i * 480, 20 * 480 + i * 480 + 240, 40, 90) for i in range(30))
    song = Song(480, (Tempo(0, 500_000),), (Metre(0, 3, 4),), (Part(33, False, "", notes),))
    cut = tracks.excerpt(song, 9.0)
    assert cut.start == 2 * 480  # the first note stands on the third beat of its bar
    assert cut.seconds(cut.end) <= 9.01
    early = Song(480, song.tempos, song.metres, (Part(33, False, "", (Note(960, 1000, 40, 90),)),))
    assert tracks.excerpt(early, 9.0).start == 960


def test_every_kind_of_midi_file_is_found_and_hidden_files_are_not(tmp_path):
    for name in ("a.mid", "b.MID", "c.midi", "d.rmi", "e.kar", "._a.mid", ".DS_Store", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    specs = tracks.midi_specs([tmp_path], [tracks.shipped_font()], 60.0, 3)
    assert [spec.midi.name for spec in specs] == ["a.mid", "b.MID", "c.midi", "d.rmi", "e.kar"]


def test_versions_of_a_song_stay_in_one_split(tmp_path):
    for version in range(12):
        (tmp_path / f"tune__{version:04x}.mid").write_bytes(b"")
    planned = tracks.midi_specs([tmp_path], [tracks.shipped_font()], 60.0, 3)
    assert len({spec.split for spec in planned}) == 1


def test_a_song_is_in_the_same_split_whatever_the_seed(tmp_path):
    for number in range(40):
        (tmp_path / f"song{number}.mid").write_bytes(b"")
    splits = [[spec.split for spec in tracks.midi_specs([tmp_path], [tracks.shipped_font()], 60.0, seed)] for seed in (0, 1)]
    assert splits[0] == splits[1] and len(set(splits[0])) > 1


def test_splits_are_about_ninety_five_five():
    places = np.array([tracks.draw(0, "split", index) for index in range(4000)])
    assert abs((places < 0.9).mean() - 0.9) < 0.02
    names = [spec.split for spec in tracks.composed_specs(22, 60.0, 0)]
    assert [names.count(split) for split in FOLDERS] == [16, 3, 3, 0]


def test_variants_are_other_keys_and_tempos_of_songs_in_train_only(tmp_path):
    songs, out = midi_folder(tmp_path / "songs"), tmp_path / "band"
    arguments = ["midi", "--midi", str(songs), "--seconds", "9", "--jobs", "1", "--test-source", "held-out"]
    variants = ["--variants", "2", "--transpose", "5:7", "--tempo", "0.8:0.9"]
    assert build_band([*arguments, "--out", str(out), *variants]) == 0
    assert build_band([*arguments, "--out", str(tmp_path / "plain")]) == 0
    plain, varied = sound(tmp_path / "plain"), sound(out)
    assert plain.items() <= varied.items()  # the songs themselves are not touched by their variants
    with (out / "songs.csv").open() as file:
        rows = list(csv.DictReader(file))
    copies = [row for row in rows if "tempo" in row["source"]]
    trained = [row for row in rows if row["split"] == "train" and row not in copies]
    assert len(trained) >= 1 and len(copies) == 2 * len(trained)
    assert {row["split"] for row in copies} == {"train"}
    for row in copies:
        song = read_song(out / "train" / row["track"] / "all_src.mid")
        assert 500_000 / 0.9 - 1 <= song.tempos[0].us_per_quarter <= 500_000 / 0.8 + 1
        for part in song.parts:
            assert {note.pitch for note in part.notes} <= ({60, 61, 62} if part.is_drum else set(range(65, 70)))
    assert len({row["source"] for row in copies}) == len(copies)


def test_a_full_disk_stops_the_build_and_the_next_one_goes_on(small, tmp_path, monkeypatch, caplog):
    write = soundfile.write

    def full(file, *arguments, **options):
        if "Track00002" in str(file):
            raise OSError(28, "No space left on device")
        write(file, *arguments, **options)

    out = tmp_path / "band"
    monkeypatch.setattr(soundfile, "write", full)
    assert composed(out) == 2
    assert caplog.messages[-1].endswith("the disk is full; make room, then the same command goes on from here")
    assert not list(out.glob("**/Track0000[23]"))
    monkeypatch.undo()
    assert composed(out) == 0
    assert sound(out) == sound(small)


def test_user_errors_are_one_line_and_leave_nothing(tmp_path, caplog):
    cases = [
        (["midi", "--midi", str(tmp_path / "none"), "--out", str(tmp_path / "a")], "no such folder"),
        (["midi", "--midi", str(tmp_path), "--out", str(tmp_path / "b")], "no .mid files"),
        (["midi", "--midi", ".", "--soundfont", "none.sf2", "--out", str(tmp_path / "c")], "no such SoundFont"),
        (["compose", "--out", str(tmp_path / "d"), "--seconds", "1"], "at least 8"),
        (["compose", "--out", str(tmp_path / "d"), "--seconds", "nan"], "at least 8"),
        (["midi", "--midi", ".", "--tempo", "0:1", "--out", str(tmp_path / "e")], "--tempo above 0"),
        (["midi", "--midi", ".", "--transpose", "0:13", "--out", str(tmp_path / "e")], "within -12:12"),
    ]
    for arguments, message in cases:
        caplog.clear()
        assert build_band(arguments) == 2
        assert message in caplog.text
        assert len(caplog.messages) == 1
    assert not list(tmp_path.iterdir())


def test_a_folder_of_useless_songs_is_an_error(tmp_path, caplog):
    (tmp_path / "songs").mkdir()
    (tmp_path / "songs" / "bad.mid").write_bytes(b"no")
    out = tmp_path / "out"
    assert build_band(["midi", "--midi", str(tmp_path / "songs"), "--out", str(out), "--jobs", "1"]) == 2
    assert "none of the 1 songs" in caplog.text
    with pytest.raises(UserError, match="make data"):
        find_tracks(out)


def test_human_timing_is_given_when_asked_for(tmp_path):
    (tmp_path / "songs").mkdir()
    write_song(tmp_path / "songs" / "a.mid", quartet(60))
    words = ["midi", "--midi", str(tmp_path / "songs"), "--seconds", "9", "--jobs", "1", "--human"]
    assert build_band([*words, "--out", str(tmp_path / "band")]) == 0
    assert json.loads((tmp_path / "band" / "build.json").read_text())["human"] is True
    (made,) = (read_song(path) for path in (tmp_path / "band").glob("*/*/all_src.mid"))
    starts = np.array([note.start for note in made.parts[0].notes]) / made.ticks_per_quarter
    assert np.std(starts * 2 - np.round(starts * 2)) > 0.005  # eighths, no longer exactly
    (spec,) = tracks.midi_specs([tmp_path / "songs"], [tracks.shipped_font()], 9.0, 0)
    human = replace(spec, human=True)
    assert human.uuid() != spec.uuid() and human.song() == human.song() != spec.song()


def test_songs_live_when_asked_to(tmp_path):
    (tmp_path / "songs").mkdir()
    for name in "abcdef":
        write_song(tmp_path / "songs" / f"{name}.mid", quartet(60))
    words = ["midi", "--midi", str(tmp_path / "songs"), "--seconds", "10", "--jobs", "1", "--living"]
    assert build_band([*words, "--out", str(tmp_path / "band")]) == 0
    assert json.loads((tmp_path / "band" / "build.json").read_text())["living"] is True
    made = [read_song(path) for path in sorted((tmp_path / "band").glob("*/*/all_src.mid"))]
    assert len(made) == 6 and len({(song.metres, song.tempos) for song in made}) > 2
    specs = tracks.midi_specs([tmp_path / "songs"], [tracks.shipped_font()], 10.0, 0)
    living = [replace(spec, living=True) for spec in specs]
    assert [spec.song() for spec in living] == [spec.song() for spec in living]
    assert all(spec.uuid() != other.uuid() for spec, other in zip(specs, living, strict=True))
