"""Which instruments of Slakh's layout belong to which class: by the name in the metadata, or by MIDI programs."""

import numpy as np
import pytest
import soundfile
import yaml
from omegaconf import OmegaConf

from accomp.compose import compose
from accomp.data.classes import class_of, classes_of, read_arguments
from accomp.data.slakh import find_tracks
from accomp.errors import UserError
from accomp.timeline import STEMS

LEAD = {"bass": None, "drums": None, "lead": ["29-31", 80], "guitar": None}
PLAYERS = (  # class in the metadata, program; what LEAD makes of it
    ("Bass", 33, "bass"),
    ("Drums", 128, "drums"),
    ("Guitar", 25, "guitar"),
    ("Guitar", 30, "lead"),
    ("Synth Lead", 80, "lead"),
    ("Synth Lead", 81, None),
    ("Piano", 0, None),
)


@pytest.fixture
def root(tmp_path):
    """One song of seven instruments, each with a level of its own."""
    track = tmp_path / "train" / "Track00001"
    (track / "stems").mkdir(parents=True)
    entries = {}
    for i, (kind, program, _) in enumerate(PLAYERS):
        entries[f"S{i:02d}"] = {
            "inst_class": kind,
            "is_drum": kind == "Drums",
            "program_num": program,
            "audio_rendered": True,
        }
        soundfile.write(track / "stems" / f"S{i:02d}.flac", np.full(1000, (i + 1) / 128), 44_100)
    (track / "metadata.yaml").write_text(yaml.safe_dump({"stems": entries}))
    return tmp_path


def test_programs_go_before_names(root):
    (track,) = find_tracks(root, stems=LEAD)
    assert list(track.stem_files) == list(LEAD), "in the order asked for"
    for stem in LEAD:
        levels = [(i + 1) / 128 for i, player in enumerate(PLAYERS) if player[2] == stem]
        np.testing.assert_allclose(track.read(stem), sum(levels), atol=1e-3)


def test_names_alone_are_the_classes_of_the_metadata(root):
    (by_default,), (named,) = find_tracks(root), find_tracks(root, stems=["guitar", "bass"])
    assert {stem: len(files) for stem, files in by_default.stem_files.items()} == dict(zip(STEMS, (1, 1, 2, 1), strict=True))
    assert {stem: len(files) for stem, files in named.stem_files.items()} == {"guitar": 2, "bass": 1}


def test_a_class_with_programs_takes_nothing_by_its_name():
    strings = classes_of({"strings": ["40-47"]}, STEMS)
    assert class_of({"inst_class": "Strings", "program_num": 40}, strings) == "strings"
    assert class_of({"inst_class": "Strings", "program_num": 48}, strings) is None
    assert class_of({"inst_class": "Strings", "program_num": 40, "is_drum": True}, strings) is None


def test_configuration_and_command_line_say_the_same():
    config = compose("train", ["experiment=planned", "data.stems={bass:null,drums:null,lead:[29-31,80],guitar:null}"])
    configured = OmegaConf.to_container(config.data.stems)
    told = read_arguments(["bass", "drums", "lead=29-31,80", "guitar"])
    assert classes_of(configured, STEMS) == classes_of(told, STEMS) == classes_of(LEAD, STEMS)
    assert classes_of(LEAD, STEMS)["lead"] == {29, 30, 31, 80}
    assert list(classes_of(read_arguments(None), STEMS)) == list(STEMS)


@pytest.mark.parametrize(
    ("stems", "complaint"),
    [
        ({"a": ["40-47"], "b": [47]}, "program 47 is of two classes"),
        ({"a": ["x"]}, "write programs as 48"),
        ({"a": []}, "numbered 0 to 127"),
        ({"a": [128]}, "numbered 0 to 127"),
        ({"a": ["9-3"]}, "numbered 0 to 127"),
        ({"drums": [0], "bass": None}, "write drums: null"),
        ({"train": None}, "the name of a split"),
    ],
)
def test_impossible_classes_are_refused(stems, complaint):
    with pytest.raises(UserError, match=complaint):
        classes_of(stems, STEMS)
