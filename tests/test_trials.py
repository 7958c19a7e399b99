"""Many runs side by side: what ended how, and the table of it."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from processes import ROOT, said, train

from accomp.launch import only_writer
from accomp.trials import compare, main, read_status, write_status


def run(folder: Path, rate: float, **status: object) -> None:
    folder.mkdir(parents=True)
    config = {"out_dir": str(folder), "module": {"learning_rate": rate, "width": 8}, "logger": {"csv": f"{folder}/csv"}}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    if status:
        write_status(folder, **status)


def test_the_table_has_a_line_per_run_and_a_column_per_difference(tmp_path, capsys):
    run(tmp_path / "0", 0.1, state="done", figures={"val/loss": 0.5})
    run(tmp_path / "1", 0.2, state="failed", reason="too, hot")
    run(tmp_path / "2", 0.3, state="running")
    write_status(tmp_path / "3", "failed", reason="before it began")
    assert [line["state"] for line in compare(tmp_path)] == ["done", "failed", "stopped", "failed"]
    assert main([str(tmp_path)]) == 0
    lines = list(csv.DictReader((tmp_path / "trials.csv").open(newline="")))
    assert list(lines[0]) == ["run", "state", "module.learning_rate", "val/loss", "reason"]
    assert [line["module.learning_rate"] for line in lines] == ["0.1", "0.2", "0.3", ""]
    assert lines[1]["reason"] == "too, hot" and lines[0]["val/loss"] == "0.5"
    assert capsys.readouterr().out == (tmp_path / "trials.csv").read_text()


def test_scores_of_evaluations_are_joined(tmp_path):
    for name, rate in (("0", 0.1), ("1", 0.2)):
        run(tmp_path / name, rate)
        (tmp_path / name / "scores.csv").write_text("metric,value\nbeats,0.5\nlevels,1\n")
    assert main([str(tmp_path)]) == 0
    lines = list(csv.DictReader((tmp_path / "scores.csv").open(newline="")))
    assert [(line["run"], line["module.learning_rate"], line["metric"]) for line in lines] == [
        ("0", "0.1", "beats"), ("0", "0.1", "levels"), ("1", "0.2", "beats"), ("1", "0.2", "levels"),
    ]  # fmt: skip
    assert main([str(tmp_path)]) == 0, "again"
    assert len((tmp_path / "scores.csv").read_text().splitlines()) == 5


def test_a_folder_without_runs_is_one_clear_line(tmp_path):
    assert main([str(tmp_path)]) == 2


def test_a_failed_trial_does_not_end_a_sweep(tiny_training, tmp_path):
    common = [*tiny_training, "steps=2", "-m", "module.net.heads=3,2", "+callbacks.facts={_target_: processes.Facts}"]
    assert train(tmp_path, *common) == [1], said(tmp_path)
    assert read_status(tmp_path / "0")["state"] == "failed" and read_status(tmp_path / "0")["reason"]
    status = read_status(tmp_path / "1")
    assert status["state"] == "done" and status["step"] == 2 and "val/loss" in status["figures"]
    assert json.loads((tmp_path / "1/rank0.json").read_text())["ranks"] == 1
    lines = list(csv.DictReader((tmp_path / "trials.csv").open(newline="")))
    assert [(line["module.net.heads"], line["state"]) for line in lines if line["run"] in "01"][1] == ("2", "done")
    assert "1 of 2 trials are done" in said(tmp_path)


def test_the_same_sweep_trains_only_what_is_missing(tiny_training, tmp_path):
    common = [*tiny_training, "steps=2", "-m", "seed=0,1"]
    assert train(tmp_path, *common) == [0], said(tmp_path)
    (tmp_path / "1/status.json").unlink()
    (tmp_path / "1/checkpoints/last.ckpt").unlink()
    (tmp_path / "1/checkpoints/previous.ckpt").unlink(missing_ok=True)
    assert train(tmp_path, *common) == [0], said(tmp_path)
    assert said(tmp_path).count("trained already") == 1
    assert [line["state"] for line in compare(tmp_path)] == ["done", "done"]


def test_a_held_folder_is_running(tmp_path):
    run(tmp_path / "0", 0.1, state="running")
    with only_writer(tmp_path / "0"):
        other = [sys.executable, "-m", "accomp.trials", str(tmp_path)]
        done = subprocess.run(other, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert "0,running" in done.stdout, done.stderr


@pytest.mark.slow
def test_one_command_shares_an_evaluation_out_and_joins_it(small_band, model_folder, tmp_path):
    """In processes of this machine; to the last digit what one process scores, but for times."""
    asked = [
        f"model={model_folder}",
        f"data.root={small_band}",
        "data.split=train",
        "seconds=4",
        "workers=1",
        "batch=1",
    ]
    asked += ["clock=none", "sampler=student_1", "metrics=[levels]", "regimes=[{r: 0.25, w: 1}]", "seeds=[0]"]
    for name, more in (("shards", ["shards=2"]), ("whole", [])):
        words = [sys.executable, str(ROOT / "evaluate.py"), *asked, *more, f"out_dir={tmp_path / name}"]
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    shards, whole = (
        [
            line
            for line in csv.DictReader((tmp_path / name / "scores.csv").open(newline=""))
            if not line["metric"].endswith("_ms")
        ]
        for name in ("shards", "whole")
    )
    assert shards == whole and len(shards) > 20
    assert (tmp_path / "shards" / "index.html").is_file() and len(list((tmp_path / "shards" / "shards").glob("[01]"))) == 2


@pytest.mark.slow
def test_two_ranks_of_a_trial_on_this_machine(tiny_training, tmp_path):
    two = ["launcher=local", "trainer=ddp", "trainer.accelerator=cpu", "gpus=0", "devices=2", "steps=3"]
    facts = "+callbacks.facts={_target_: processes.Facts}"
    paths = f"{ROOT}:{ROOT / 'tests'}"
    common = [*tiny_training, *two, facts, "-m", "module.learning_rate=1e-3,2e-3"]
    assert train(tmp_path, *common, PYTHONPATH=paths) == [0], said(tmp_path)
    for trial, rate in (("0", 1e-3), ("1", 2e-3)):
        one, two = (json.loads((tmp_path / trial / f"rank{rank}.json").read_text()) for rank in (0, 1))
        assert one == two and one["learning_rate"] == rate and one["ranks"] == 2
