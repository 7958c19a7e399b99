"""A sweep on a real Slurm: the command of the README, its ranks, and what preemption does to a job."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from processes import ROOT, answer, assert_equal_weights, state, train, wait_for

from accomp.trials import read_status

pytestmark = [pytest.mark.cluster, pytest.mark.slow]
SHAPE = ["trainer.precision=32-true", "+trainer.enable_progress_bar=false", "callbacks.progress=null"]
QUEUE = [
    "launcher=slurm",
    "hydra.launcher.partition=low",
    "hydra.launcher.cpus_per_task=1",
    "hydra.launcher.timeout_min=60",
]
FACTS = "+callbacks.facts={_target_: processes.Facts}"


def sweep(out: Path, *arguments: str) -> subprocess.Popen:
    paths = os.pathsep.join((str(ROOT), str(ROOT / "tests")))
    environment = os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "train.py", "-m", *SHAPE, *QUEUE, *arguments, f"out_dir={out}"]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def logs(out: Path) -> str:
    return "".join(f"== {path}\n{path.read_text()[-20000:]}" for path in out.rglob("*_log.*"))


def test_both_ranks_of_every_trial_have_its_hyper_parameters(slurm, tiny_training, tmp_path):
    two = ["trainer=ddp", "trainer.accelerator=cpu", "gpus=0", "devices=2"]
    run = sweep(tmp_path, *tiny_training, *two, "steps=3", FACTS, "module.learning_rate=1e-3,2e-3")
    output, _ = run.communicate(timeout=400)
    assert run.returncode == 0, output + logs(tmp_path)
    for trial, rate in (("0", 1e-3), ("1", 2e-3)):
        one, two = (json.loads((tmp_path / trial / f"rank{rank}.json").read_text()) for rank in (0, 1))
        assert one == two and one["learning_rate"] == rate and one["ranks"] == 2
        assert read_status(tmp_path / trial)["state"] == "done"
    header, *rows = (tmp_path / "trials.csv").read_text().splitlines()
    assert "module.learning_rate" in header and "val/loss" in header and len(rows) == 2


def test_a_preempted_job_ends_with_the_weights_of_an_undisturbed_one(slurm, tiny_training, tmp_path):
    common = [*tiny_training, "steps=8"]
    assert train(tmp_path / "whole", *common) == [0]
    slow = "+callbacks.slowly={_target_: processes.Slowly, seconds: 1.0}"
    run = sweep(tmp_path / "parts", *common, slow, "callbacks.checkpoint.every_n_steps=2")
    parts = tmp_path / "parts/0"
    wait_for((parts / "checkpoints/last.ckpt").exists, "the first checkpoint", 300)
    answer("sbatch", "-p", "high", "-n", "2", "-o", "/dev/null", "--wrap", "sleep 1")
    output, _ = run.communicate(timeout=400)
    assert run.returncode == 0, output + logs(tmp_path)
    assert "SIGUSR2: saved after step" in logs(tmp_path) and "resuming" in logs(tmp_path), logs(tmp_path)
    assert state(parts)["global_step"] == 8
    assert_equal_weights(tmp_path / "whole", parts)
