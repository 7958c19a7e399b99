"""Each command gets a folder of its own, and commands that only go on with one share it."""

import pytest
import yaml

from accomp.compose import compose
from accomp.errors import UserError
from accomp.evaluation import shards
from accomp.evaluation.naming import LONGEST, refuse_other_settings, with_variant

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
        ("tracker=final0.ckpt",),
        ("vggish=vggish-10086976.pth",),
        ("failures=drop",),
        ("regime=paper",),
        ("model=[models/live,models/mine]",),
        ("sampler=all",),
        ("experiment=lookahead",),
        ("experiment=lookahead", *ELSEWHERE),
        ("experiment=codec",),
        ("experiment=codec", "seconds=5"),
        ("experiment=latency", "latency.w=0"),
    ]
    folders = [folder(*command) for command in commands]
    assert len(set(folders)) == len(folders)
    assert folder() == "out/evaluate/live" and folder("experiment=codec") == "out/codec"
    assert folder("experiment=lookahead", *ELSEWHERE) == ("out/evaluate/lookahead_root_other_tracks_8_stems_drums_seconds_24")


@pytest.mark.parametrize(
    "more", ["do=[report]", "workers=1", "threads=2", "page.track=Track00001", "data.on_bad=skip", "metrics=[levels]"]
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


def test_a_folder_with_results_of_other_settings_is_refused(tmp_path):
    before = {"tracker": "madmom", "metrics": ["beats"], "tracks": 3, "device": "cpu", "data": {"root": "a"}}
    refuse_other_settings(tmp_path, before)  # nothing is there yet
    (tmp_path / "config.yaml").write_text("# code: x\n" + yaml.safe_dump(before))
    refuse_other_settings(tmp_path, before | {"device": "cuda", "metrics": ["beats", "levels"], "new": 1})
    for other, complaint in (
        ({"tracker": "final0.ckpt"}, "tracker=madmom, not final0.ckpt"),
        ({"data": {"root": "b"}}, "data.root=a"),
        ({"metrics": ["levels"]}, "scores of beats too"),
    ):
        with pytest.raises(UserError, match=complaint):
            refuse_other_settings(tmp_path, before | other)


def test_shards_are_one_command():
    asked = ["experiment=regimes", "shards=3"]
    assert shards.count(asked) == 3 and shards.count(asked[:1]) is None and shards.count(["-m", *asked]) is None
    words = shards.sweep(asked, 3)
    assert words[0] == "-m" and "shard=0,1,2" in words and "launcher=local" in words
    assert "launcher=local" not in shards.sweep([*asked, "launcher=slurm"], 3)
    config = compose("evaluate", [word for word in words if word != "-m" and not word.startswith("shard=")])
    assert config.shards == 3


@pytest.mark.parametrize(("status", "runs"), [(0, 1), (1, 0)])
def test_shards_are_joined_when_all_are_done(monkeypatch, status, runs):
    joined, seen = [], []
    monkeypatch.setattr(shards.sys, "argv", ["evaluate.py"])
    monkeypatch.setattr(shards.subprocess, "run", lambda words: joined.append(words) or type("Done", (), {"returncode": 0}))

    def task() -> int:
        seen.append(list(shards.sys.argv))
        return status

    assert shards.run(task, ["name=x", "shards=2", "launcher=slurm", "hydra.launcher.partition=a"]) == status
    assert "-m" in seen[0] and len(joined) == runs
    if joined:
        assert joined[0][2:] == ["name=x", "do=[score,report]"]
