"""Each command gets a folder of its own, and commands that only go on with one share it."""

import pytest

from accomp.compose import compose
from accomp.evaluation.naming import LONGEST, with_variant

ELSEWHERE = ["data.root=data/other", "tracks=8", "stems=[drums]", "seconds=24", "metrics=[beats]"]


def folder(*arguments: str) -> str:
    return compose("evaluate", with_variant(arguments)).out_dir


def test_commands_that_ask_something_else_never_share_a_folder():
    commands = [
        (),
        ("data.root=data/other",),
        ("data.root=data/other", "stems=[bass]"),
        ("stems=[bass]",),
        ("stems=[bass,drums]",),
        ("regime=paper",),
        ("model=[models/live,models/mine]",),
        ("sampler=all",),
        ("experiment=lookahead",),
        ("experiment=lookahead", *ELSEWHERE),
        ("sweep=regimes_and_samplers",),
        ("experiment=codec",),
        ("experiment=codec", "seconds=5"),
        ("experiment=latency", "latency.w=0"),
    ]
    folders = [folder(*command) for command in commands]
    assert len(set(folders)) == len(folders)
    assert folder() == "out/evaluate/live" and folder("experiment=codec") == "out/codec"
    assert folder("experiment=lookahead", *ELSEWHERE) == (
        "out/evaluate/lookahead_root_other_tracks_8_stems_drums_seconds_24"
    )


@pytest.mark.parametrize(
    "more", ["do=[report]", "workers=1", "threads=2", "page.track=Track00001", "data.on_bad=skip", "clap=models/clap"]
)
def test_a_command_that_goes_on_shares_the_folder(more):
    assert folder("tracks=2", more) == folder("tracks=2")


def test_a_folder_that_was_named_is_taken():
    assert folder("name=mine", "tracks=2") == "out/evaluate/mine"
    assert folder("out_dir=there", "tracks=2") == "there"


def test_a_long_name_is_cut_and_still_its_own():
    many = [f"{a},{b}" for a in range(30) for b in "xy"]
    names = [with_variant([f"seeds=[{','.join(many)}{end}]"])[-1] for end in ("", ",1")]
    assert names[0] != names[1] and max(map(len, names)) < LONGEST + 30


@pytest.mark.parametrize("setting", ['data.root="data/süß, und mehr"', "regimes=[{r: 0.1, w: 1}]", "model='[a=b,c]'"])
def test_a_name_is_one_that_hydra_reads(setting):
    plain = with_variant([setting])[-1].removeprefix("variant=")
    assert plain.isascii() and folder(setting) == f"out/evaluate/live{plain}"
