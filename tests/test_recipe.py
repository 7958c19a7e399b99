"""A chain of stages: what is left of it, what it needs, and that it goes on where it stopped."""

import shlex
import subprocess
import sys

import pytest
import yaml

from accomp import recipe
from accomp.compose import compose
from accomp.disk import DiskFull

CHAIN = {
    "one": {"run": 'python -c \'open("one", "w")\'', "done": "one", "hours": 0.5, "gb": 0},
    "two": {"run": 'python -c \'open("one"); open("two", "w")\'', "done": "two", "gb": 0},
    "three": {"run": 'python -c \'open("two"); open("three", "w")\'', "done": "three", "hours": 1, "gb": 0},
}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A checkout with one recipe, of three commands that each need the file of the one before."""
    monkeypatch.setattr(recipe, "ROOT", tmp_path)
    monkeypatch.setattr(recipe, "RECIPES", tmp_path / "recipes")
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "chain.yaml").write_text(yaml.safe_dump({"stages": CHAIN}, sort_keys=False))
    return tmp_path


def test_stages_run_in_their_order_and_once(place, caplog):
    caplog.set_level("INFO")
    assert recipe.main(["chain"]) == 0
    times = {path: path.stat().st_mtime_ns for path in (place / "one", place / "two", place / "three")}
    assert recipe.main(["chain"]) == 0
    assert times == {path: path.stat().st_mtime_ns for path in times}
    assert [line.split()[1] for line in caplog.messages[-1].splitlines()[1:4]] == ["done"] * 3


def test_a_stage_that_fails_stops_the_chain_and_is_the_first_of_the_next_run(place, caplog):
    broken = CHAIN["two"] | {"run": 'python -c \'open("two", "w"); 1 / 0\''}
    file = place / "recipes" / "chain.yaml"
    file.write_text(yaml.safe_dump({"stages": CHAIN | {"two": broken}}, sort_keys=False))
    assert recipe.main(["chain"]) == 2
    assert "stage two ended with status 1" in caplog.text and not (place / "three").exists()
    file.write_text(yaml.safe_dump({"stages": CHAIN}, sort_keys=False))
    left = [stage.name for stage in recipe.read_recipe("chain", []).left()]
    assert left == ["two", "three"], "its half product is none"
    assert recipe.main(["chain"]) == 0 and (place / "three").exists()


def test_what_was_there_before_is_done(place):
    (place / "one").touch()
    assert [stage.name for stage in recipe.read_recipe("chain", []).left()] == ["two", "three"]


def test_the_plan_says_hours_and_disk(place, caplog):
    caplog.set_level("INFO")
    assert recipe.main(["chain", "--plan"]) == 0
    assert "1.5 and unknown ones" in caplog.text and not (place / "one").exists()
    with pytest.raises(DiskFull):
        recipe.run(recipe.read_recipe("chain", []), recipe.Stage("x", ("python", "-c", ""), place, gb=1e9))


def test_slurm_gets_each_stage_after_the_one_before(place, monkeypatch):
    seen = []

    def sbatch(words, **_):
        seen.append(words)
        return subprocess.CompletedProcess(words, 0, f"{100 + len(seen)};cluster\n", "")

    monkeypatch.setattr(recipe.subprocess, "run", sbatch)
    assert recipe.main(["chain", "--set", "steps=2", "--slurm=--gpus=1 --time=1-0"]) == 0
    assert [word for words in seen for word in words if word.startswith("--dependency")] == [
        "--dependency=afterok:101", "--dependency=afterok:102",
    ]  # fmt: skip
    inner = shlex.split(seen[1][-1])
    assert inner == [sys.executable, "-m", "accomp.recipe", "chain", "--only", "two", "--set", "steps=2"]
    assert all("--gpus=1" in words for words in seen)


@pytest.mark.parametrize("words", [["nothing"], ["chain", "--only", "four"]])
def test_what_is_not_there_is_one_line(place, words, caplog):
    assert recipe.main(words) == 2
    assert "chain" in caplog.text or "one, two, three" in caplog.text


def test_hours_follow_from_what_a_run_logged(tmp_path):
    (tmp_path / "csv" / "version_0").mkdir(parents=True)
    (tmp_path / "csv" / "version_0" / "metrics.csv").write_text("step,speed/excerpts_per_s\n9,10\n19,\n29,20\n")
    assert recipe.rate(tmp_path) == 20


@pytest.mark.parametrize("name", ["live", "slakh"])
def test_every_training_of_a_recipe_composes_and_reads_what_was_written_before(name):
    stages = recipe.read_recipe(name, ["seed=1"]).stages
    written = {"data/latents", "models/live"}
    for stage in stages:
        if stage.trains:
            config = compose("train", stage.words[2:])
            assert config.seed == 1 and str(stage.done).startswith(config.out_dir)
            if config.data.latents:
                sets = config.data.sets or []
                assert config.data.latents in written and {f"{config.data.latents}/*/{name}" for name in sets} <= written
            assert config.module.get("teacher") is None or f"{config.module.teacher}/checkpoints/last.ckpt" in written
        elif "accomp.export" in stage.words:
            runs = [word for word in stage.words if word.startswith("out/train/")]
            assert {f"{run}/checkpoints/last.ckpt" for run in runs} <= written
        written.add(str(stage.done))
