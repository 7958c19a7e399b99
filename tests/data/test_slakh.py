"""Slakh's three layouts are read, and every kind of damage is named."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

from accomp.data import splits
from accomp.data.band.compose import compose
from accomp.data.band.render import SongSource, Synthesiser, render_track
from accomp.data.band.tracks import shipped_font
from accomp.data.check import check_track
from accomp.data.problems import QUARANTINE, Problem, table
from accomp.data.slakh import find_tracks
from accomp.data.splits import official_split
from accomp.data.track import Track
from accomp.errors import UserError
from accomp.timeline import SAMPLE_RATE, STEMS

FIXTURE = Path(__file__).parents[3] / "shared" / "slakh" / "fixture"
needs_fixture = pytest.mark.skipif(not FIXTURE.is_dir(), reason=f"real Slakh excerpts are not at {FIXTURE}")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("slakh") / "Track00001"
    render_track(folder, compose(1, seconds=8, big_band=True), Synthesiser(shipped_font()), SongSource("song", "a" * 32), 8.0)
    return folder


@pytest.fixture
def root(made, tmp_path):
    shutil.copytree(made, tmp_path / "train" / "Track00001")
    return tmp_path


def rewrite(folder, change):
    path = folder / "metadata.yaml"
    metadata = yaml.safe_load(path.read_text())
    change(metadata)
    path.write_text(yaml.safe_dump(metadata))


def stems_of(folder, name):
    entries = yaml.safe_load((folder / "metadata.yaml").read_text())["stems"]
    heard = [stem for stem, entry in entries.items() if entry["inst_class"] == name and entry["audio_rendered"]]
    return [folder / "stems" / f"{stem}.flac" for stem in heard]


def test_classes_are_summed_and_spans_are_exact(root):
    (track,) = find_tracks(root)
    guitars = [soundfile.read(path, dtype="float32")[0] for path in stems_of(track.path, "Guitar")]
    assert len(guitars) == 2
    np.testing.assert_array_equal(track.read("guitar"), guitars[0] + guitars[1])
    for start, stop in ((0, 10), (1234, 45_678), (track.samples - 5, track.samples), (7, 7)):
        part = track.read("drums", start, stop)
        assert part.dtype == np.float32
        np.testing.assert_array_equal(part, track.read("drums")[start:stop])
    with pytest.raises(ValueError, match="does not lie within"):
        track.read("drums", 0, track.samples + 1)


def test_an_absent_class_is_silence(root):
    track = root / "train" / "Track00001"
    for path in stems_of(track, "Piano"):
        path.unlink()

    def forget(metadata):
        for entry in metadata["stems"].values():
            entry["audio_rendered"] &= entry["inst_class"] != "Piano"

    rewrite(track, forget)
    (found,) = find_tracks(root)
    assert found.stem_files["piano"] == ()
    silence = found.read("piano", 100, 900)
    assert silence.shape == (800,)
    assert not silence.any()


def test_a_file_counts_more_than_the_flag(root):
    def deny(metadata):
        for entry in metadata["stems"].values():
            entry["audio_rendered"] = entry["midi_saved"] = False

    (before,) = find_tracks(root)
    rewrite(root / "train" / "Track00001", deny)
    (after,) = find_tracks(root)
    assert after == before


def wrong_rate(folder):
    audio, _ = soundfile.read(folder / "mix.flac")
    soundfile.write(stems_of(folder, "Bass")[0], audio, 48_000)


def stereo(folder):
    path = stems_of(folder, "Bass")[0]
    audio, rate = soundfile.read(path)
    soundfile.write(path, np.stack([audio, audio], 1), rate)


def shorter(folder):
    path = stems_of(folder, "Drums")[0]
    audio, rate = soundfile.read(path)
    soundfile.write(path, audio[:-1000], rate)


def empty(folder):
    soundfile.write(stems_of(folder, "Drums")[0], np.zeros(0), SAMPLE_RATE)


def not_a_number(folder):
    path = stems_of(folder, "Piano")[0]
    audio, rate = soundfile.read(path)
    audio[5000] = np.nan
    path.unlink()
    soundfile.write(path.with_suffix(".wav"), audio, rate, subtype="FLOAT")


def truncated(folder):
    path = stems_of(folder, "Guitar")[0]
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def no_sound_file(folder):
    stems_of(folder, "Guitar")[0].unlink()


def garbage(folder):
    stems_of(folder, "Guitar")[0].write_bytes(b"not a sound")


def zero_bytes(folder):
    stems_of(folder, "Guitar")[0].write_bytes(b"")


def broken_yaml(folder):
    (folder / "metadata.yaml").write_text("stems: {S00: [")


def yaml_without_stems(folder):
    (folder / "metadata.yaml").write_text("just words")


def nothing_about_a_stem(folder):
    rewrite(folder, lambda metadata: metadata["stems"].update(S90=None))


def no_instrument(folder):
    rewrite(folder, lambda metadata: metadata["stems"]["S00"].update(inst_class=None, is_drum=False))


def no_metadata(folder):
    (folder / "metadata.yaml").unlink()


def no_midi(folder):
    (folder / "all_src.mid").unlink()


def broken_midi(folder):
    (folder / "all_src.mid").write_bytes(b"MThd")


def broken_midi_of_a_stem(folder):
    (folder / "MIDI" / f"{stems_of(folder, 'Drums')[0].stem}.mid").write_bytes(b"MThd")


def other_sound(folder, sound):
    path = stems_of(folder, "Drums")[0]
    soundfile.write(path, sound(np.arange(soundfile.info(path).frames)), SAMPLE_RATE)


def white_noise(folder):
    other_sound(folder, lambda sample: np.random.default_rng(0).normal(0, 0.2, len(sample)).clip(-1, 1))


def one_tone(folder):
    other_sound(folder, lambda sample: 0.3 * np.sin(0.05 * sample))


def silent_stem(folder):
    other_sound(folder, lambda sample: np.zeros(len(sample)))


def upper_case_suffix(folder):
    for path in (*(folder / "stems").iterdir(), folder / "mix.flac"):
        path.rename(path.with_suffix(".FLAC"))


def files_of_macos(folder):
    for path in [*folder.rglob("*.*"), folder]:
        path.with_name(f"._{path.name}").write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X        ")
    (folder / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")


def windows_text(folder):
    path = folder / "metadata.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))


def no_mix(folder):
    (folder / "mix.flac").unlink()


SEEN_IN_HEADERS = [wrong_rate, stereo, shorter, empty, no_sound_file, garbage, zero_bytes]
SEEN_IN_HEADERS += [broken_yaml, yaml_without_stems, nothing_about_a_stem, no_instrument, no_metadata, no_midi]
SEEN_IN_SAMPLES = [not_a_number, truncated, broken_midi, broken_midi_of_a_stem, white_noise, one_tone, silent_stem]


def test_a_sound_track_has_no_problems(root):
    assert check_track(root / "train" / "Track00001") == []


@pytest.mark.parametrize("damage", [*SEEN_IN_HEADERS, *SEEN_IN_SAMPLES], ids=lambda f: f.__name__)
def test_check_track_names_the_damaged_file(root, damage):
    folder = root / "train" / "Track00001"
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    damage(folder)
    touched = {path for path in before if not path.exists() or path.read_bytes() != before[path]}
    touched |= {path for path in folder.rglob("*") if path.is_file() and path not in before}
    problems = check_track(folder)
    assert problems
    assert {problem.file for problem in problems} <= touched
    assert all(problem.expected and problem.found for problem in problems)


@pytest.mark.parametrize("change", [upper_case_suffix, files_of_macos, windows_text, no_mix], ids=lambda f: f.__name__)
def test_what_is_no_damage_is_read_as_before(root, change):
    (before,) = find_tracks(root)
    audio = {stem: before.read(stem) for stem in STEMS}
    change(before.path)
    (after,) = find_tracks(root)
    assert check_track(after.path) == []
    for stem in STEMS:
        np.testing.assert_array_equal(after.read(stem), audio[stem])


@pytest.mark.parametrize("damage", SEEN_IN_HEADERS, ids=lambda f: f.__name__)
def test_damaged_tracks_are_refused_or_skipped(root, made, damage, caplog):
    shutil.copytree(made, root / "train" / "Track00002")
    damage(root / "train" / "Track00001")
    with pytest.raises(UserError, match="Track00001"):
        find_tracks(root)
    heading, row, *_ = caplog.messages[0].splitlines()
    assert heading.split() == ["file", "expected", "found"] and row.startswith("train/Track00001/")
    assert not (root / QUARANTINE).exists()
    for _ in range(2):
        assert [track.name for track in find_tracks(root, on_bad="skip")] == ["Track00002"]
        listed = (root / QUARANTINE).read_text()
        assert listed.startswith("file,expected,found\ntrain/Track00001/") and listed.count("\n") >= 2
    assert "1 of 2 tracks of split train left out" in caplog.text
    assert len(set(listed.splitlines())) == len(listed.splitlines())


def test_the_quarantine_list_is_obeyed_and_only_grows(root, made):
    for number in (2, 3):
        shutil.copytree(made, root / "train" / f"Track0000{number}")
    (root / QUARANTINE).write_text("file,expected,found\ntrain/Track00002/stems/S00.flac,sound,hiss\n")
    broken_yaml(root / "train" / "Track00003")
    assert [track.name for track in find_tracks(root, on_bad="skip")] == ["Track00001"]
    assert [line.split("/")[1] for line in (root / QUARANTINE).read_text().splitlines()[1:]] == [
        "Track00002",
        "Track00003",
    ]
    with pytest.raises(UserError, match="Track00003"):
        find_tracks(root)


def test_a_long_table_says_how_much_it_leaves_out(tmp_path):
    problems = [Problem(tmp_path / f"Track{n:05d}" / "mix.flac", "44100 Hz", "16000 Hz") for n in range(100)]
    lines = table(tmp_path, problems).splitlines()
    assert lines[-1] == "... and 60 more" and len(lines) == 42
    assert lines[1].split() == ["Track00000/mix.flac", "44100", "Hz", "16000", "Hz"]


@pytest.mark.parametrize("damage", [not_a_number, truncated])
def test_reading_damage_is_a_user_error(root, damage):
    damage(root / "train" / "Track00001")
    (track,) = find_tracks(root)
    with pytest.raises(UserError, match="again"):
        [track.read(stem) for stem in STEMS]


def test_missing_data_says_how_to_get_it(tmp_path):
    for root in (tmp_path / "none", tmp_path):
        with pytest.raises(UserError, match="make data"):
            find_tracks(root)
    with pytest.raises(UserError, match="split must be one of"):
        find_tracks(tmp_path, "trian")


def flat(root, made, numbers, uuids=None):
    for number in numbers:
        folder = root / f"Track{number:05d}"
        shutil.copytree(made, folder)
        uuid = (uuids or {}).get(number, f"{number:032x}")
        rewrite(folder, lambda metadata, uuid=uuid: metadata.update(UUID=uuid))
    return root


def names(root, split, splits):
    return [int(track.name[5:]) for track in find_tracks(root, split, splits)]


def test_the_flat_layout_uses_the_official_lists(tmp_path, made):
    flat(tmp_path, made, [1, 49, 1500, 1501, 1875, 1876, 2098, 3000])  # Slakh2100-redux omits Track00049
    assert names(tmp_path, "train", "redux") == [1, 1500]
    assert names(tmp_path, "validation", "redux") == [1501, 1875]
    assert names(tmp_path, "test", "redux") == [1876, 2098]
    assert names(tmp_path, "omitted", "redux") == [49]
    assert names(tmp_path, "train", "original") == [1, 49, 1500]


def test_official_counts():
    kept = [official_split(n) for n in range(1, 2101) if n not in splits.omitted_numbers()]
    assert [kept.count(split) for split in ("train", "validation", "test")] == [1289, 270, 151]
    every = [official_split(n) for n in range(1, 2101)]
    assert [every.count(split) for split in ("train", "validation", "test")] == [1500, 375, 225]
    assert official_split(0) is official_split(2101) is None


def test_no_song_is_trained_on_and_tested_on(tmp_path, made):
    flat(tmp_path / "train", made, [1, 2], {1: "dup"})
    flat(tmp_path / "omitted", made, [1600, 1900], {1900: "dup", 1600: "other"})
    flat(tmp_path / "test", made, [2000], {2000: "other"})
    assert names(tmp_path, "train", "redux") == [1, 2]
    assert names(tmp_path, "test", "redux") == [2000]
    assert names(tmp_path, "train", "original") == [2]
    assert names(tmp_path, "test", "original") == [1900, 2000]
    with pytest.raises(UserError, match="no tracks in split 'validation'"):
        find_tracks(tmp_path, "validation", "original")


@needs_fixture
def test_real_slakh_redux():
    (track,) = find_tracks(FIXTURE / "slakh2100_flac_redux")
    assert isinstance(track, Track)
    assert {stem: [path.stem for path in paths] for stem, paths in track.stem_files.items()} == {
        "bass": ["S03"], "drums": ["S01"], "guitar": ["S00", "S07", "S08"], "piano": ["S02"],
    }  # fmt: skip
    assert track.samples == 88_200
    assert np.abs(track.read("guitar")).max() > 0.1
    assert check_track(track.path) == []


@needs_fixture
def test_real_babyslakh_is_read_only_when_asked_for():
    root = FIXTURE / "babyslakh_16k"
    with pytest.raises(UserError, match=r"16000 Hz.*babyslakh"):
        find_tracks(root)
    (track,) = find_tracks(root, on_bad="skip", sample_rate=16_000)
    assert track.samples == 32_000
    assert track.read("guitar").shape == (32_000,)
    with pytest.raises(UserError, match="16 kHz"):
        replace(track, sample_rate=SAMPLE_RATE).read("guitar")
