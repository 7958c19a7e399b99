"""Sets of one folder a song and one file a stem, in stereo, without scores: found, read, and drawn from."""

import numpy as np
import pytest
import soundfile

from accomp.data.beats import beat_table
from accomp.data.datamodule import SlakhDataModule
from accomp.data.slakh import find_tracks
from accomp.errors import UserError

STEMS = ["bass", "drums", "vocals", "other"]
SAMPLES = 44_100


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Twelve songs to train on and one to test, as MUSDB18-HQ lies on the disk; the second has beats, the third no bass."""
    root = tmp_path_factory.mktemp("musdb")
    for number, song in enumerate([*(f"train/Somebody - Song {n:02d}" for n in range(12)), "test/Another - One"]):
        (root / song).mkdir(parents=True)
        for i, name in enumerate([*STEMS, "mixture"]):
            if not (name == "bass" and number == 2):
                left_and_right = np.repeat([[0.1 * (i + 1), -0.02]], SAMPLES, 0)
                soundfile.write(root / song / f"{name}.wav", left_and_right, 44_100, subtype="FLOAT")
        if number == 1:
            (root / song / "beats.csv").write_text("0.1,1\n0.35,2\n0.6,1\n0.85,2\n")
    return root


def test_songs_are_found_by_split_and_mixed_down(root):
    tracks = find_tracks(root, "train", stems=STEMS)
    held_out = find_tracks(root, "validation", stems=STEMS)
    assert (len(tracks), [track.name for track in held_out]) == (11, ["Somebody - Song 09"])
    assert [track.name for track in find_tracks(root, "test", stems=STEMS)] == ["Another - One"]
    assert list(tracks[0].stem_files) == STEMS, "in the order asked for; the mixture is no stem"
    np.testing.assert_allclose(tracks[0].read("drums", 10, 20), (0.2 - 0.02) / 2, atol=1e-6)
    assert tracks[2].stems == STEMS[1:] and not tracks[2].read("bass").any()
    assert tracks[0].midi is None


def test_other_stems_are_left_out(root):
    assert list(find_tracks(root, "test", stems=["vocals", "bass"])[0].stem_files) == ["vocals", "bass"]
    assert find_tracks(root, "test")[0].stems == ["bass", "drums"], "of the four, those that there are"


@pytest.mark.parametrize("stems", [["bass", "bass"], [], ["train", "bass"], ["a/b"]])
def test_names_that_cannot_be_classes_are_refused(root, stems):
    with pytest.raises(UserError, match=r"data\.stems"):
        find_tracks(root, "train", stems=stems)


def test_a_damaged_song_is_told(root, tmp_path):
    song = tmp_path / "train" / "Short"
    song.mkdir(parents=True)
    for name, length in (("bass", 100), ("drums", 100), ("vocals", 90)):
        soundfile.write(song / f"{name}.wav", np.zeros(length), 44_100)
    with pytest.raises(UserError, match="100 samples like the others"):
        find_tracks(tmp_path, "train", stems=STEMS)


def test_excerpts_have_no_clock_unless_there_are_beats_and_no_notes(root):
    data = SlakhDataModule(str(root), batch_size=2, samples=22_050, stems=STEMS, recipe={"silent_targets": True})
    excerpts = data.excerpts("train")
    items = [excerpts[i] for i in range(80)]
    assert {item["stem"] for item in items} == {0, 1, 2, 3}
    clocks = [item["clock"].any() for item in items]
    assert 0 < sum(clocks) < 40, "one song of eleven has beats"
    assert all(np.isnan(item["rolls"]).all() for item in items if item["target"].any())
    level = (0.1 + 0.2 + 0.3 + 0.4 - 4 * 0.02) / 2
    full = [item for item in items if item["target"].any()]
    assert any(np.isclose(item["context"][0] + item["target"][0], level, atol=1e-5) for item in full)


def test_a_table_of_beats(root, tmp_path):
    grid = beat_table(root / "train" / "Somebody - Song 01" / "beats.csv")
    assert grid.beats_s.tolist() == [0.1, 0.35, 0.6, 0.85] and grid.downbeats_s.tolist() == [0.1, 0.6]
    for text in ("0.1;1\n", "0.2,1\n0.1,2\n", "time,beat\n"):
        (tmp_path / "beats.csv").write_text(text)
        with pytest.raises(UserError, match=r"beats\.csv"):
            beat_table(tmp_path / "beats.csv")
