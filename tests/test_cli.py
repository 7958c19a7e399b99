"""How a run ends: one line and status 2 for what a user can mend, and status.json says how it ended."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
from processes import ROOT, evaluate, said, state, train

from accomp.cli import elsewhere
from accomp.launch import only_writer
from accomp.trials import read_status, write_status


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a file system of 3 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("only root can mount a file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def callback(name: str, **values: object) -> str:
    """The argument of train.py that adds a callback of `processes`."""
    facts = ", ".join(f"{key}: {value}" for key, value in values.items())
    return f"+callbacks.added={{_target_: processes.{name}, {facts}}}"


@pytest.mark.parametrize(
    ("added", "ended", "recorded", "reason"),
    [
        (callback("FailAt", step=2), 1, "failed", "ZeroDivisionError: in step 2"),
        (callback("SignalAt", step=2, number=int(signal.SIGINT)), 130, "stopped", "SIGINT"),
        (callback("SignalAt", step=2, number=int(signal.SIGTERM)), 143, "stopped", "SIGTERM"),
        ("data.root=nowhere", 2, "failed", "nowhere"),
        ("module.net.heads=3", 1, "failed", "Error"),
    ],
)
def test_whatever_ends_a_run_is_recorded(added, ended, recorded, reason, tiny_training, tmp_path):
    assert train(tmp_path, *tiny_training, "steps=4", added) == [ended], said(tmp_path)
    status = read_status(tmp_path)
    assert status["state"] == recorded and reason in status["reason"] and "\n" not in status["reason"]


@pytest.mark.parametrize(("full_at", "kept"), [(1, None), (4, 3)])
def test_a_run_whose_last_checkpoint_could_not_be_written_has_failed(full_at, kept, tiny_training, tmp_path):
    """And goes on from the one before when there is room again."""
    common = [*tiny_training, "steps=4", "callbacks.checkpoint.every_n_steps=1"]
    assert train(tmp_path, *common, callback("FullDiskAt", step=full_at)) == [2]
    last = said(tmp_path).strip().splitlines()[-1]
    assert last.startswith("error: ") and "checkpoint of step 4 could not be written" in last
    assert "trained; checkpoint" not in said(tmp_path)
    assert read_status(tmp_path)["state"] == "failed"
    assert (tmp_path / "checkpoints/last.ckpt").exists() == (kept is not None)
    assert kept is None or state(tmp_path)["global_step"] == kept
    assert train(tmp_path, *common) == [0]
    assert read_status(tmp_path)["state"] == "done" and state(tmp_path)["global_step"] == 4


@pytest.mark.parametrize("free_kb", [0, 100, 3000])
def test_a_full_disk_is_one_line(free_kb, small_disk, small_band, tmp_path):
    """No room from the start; for the first files alone; for all but the checkpoint."""
    (small_disk / "other").write_bytes(bytes((3072 - free_kb) * 1024))
    data = [f"data.root={small_band}", "data.batch_size=2", "data.validation_items=2", "data.workers=0"]
    assert train(small_disk / "run", "experiment=autoencoder", "steps=2", *data, log=tmp_path) == [2]
    *_, last = said(tmp_path).strip().splitlines()
    assert "error: " in last and "make room" in last and "Traceback" not in said(tmp_path)
    assert read_status(small_disk / "run").get("state") == ("failed" if free_kb else None)


@pytest.mark.parametrize("place", ["/proc/accomp", "{file}/run"])
def test_a_folder_that_cannot_be_written_is_one_line(place, tmp_path):
    (tmp_path / "file").touch()
    out = Path(place.format(file=tmp_path / "file"))
    assert train(out, "experiment=autoencoder", log=tmp_path) == [2]
    (line,) = said(tmp_path).strip().splitlines()
    assert line.startswith(f"error: {out}: cannot be written") and "out_dir=" in line


def test_a_refused_command_leaves_what_a_finished_run_has_recorded(tiny_training, tmp_path):
    assert train(tmp_path, *tiny_training, "steps=1") == [0]
    before = read_status(tmp_path)
    assert train(tmp_path, *tiny_training, "steps=2", "seed=1") == [2]
    assert read_status(tmp_path) == before and before["state"] == "done"


def test_a_gpu_that_is_not_there_is_one_line(tiny_training, tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert train(tmp_path, *tiny_training, "trainer=gpu") == [2]
    (line,) = said(tmp_path).strip().splitlines()
    assert line.startswith("error: ") and "gpu" in line and "trainer=cpu" in line


def test_an_evaluation_that_failed_once_is_done_when_it_succeeds(small_band, model_folder, tmp_path):
    where = [f"data.root={small_band}", "data.split=train", "seconds=3", "tracks=1", "workers=1", "do=[play]"]
    how = ["clock=none", "sampler=student_1", "stems=[bass]", "seeds=[0]", "regimes=[{r: 0.25, w: 1}]"]
    assert evaluate(tmp_path, *where, *how, "model=nowhere/at/all") == [2]
    assert read_status(tmp_path)["state"] == "failed"
    assert evaluate(tmp_path, *where, *how, f"model={model_folder}") == [0], said(tmp_path)
    assert read_status(tmp_path)["state"] == "done"


def test_a_path_that_exists_in_the_top_folder_is_pointed_out(tmp_path, monkeypatch):
    message = "models/live: no model folder; see docs/nothing"
    monkeypatch.chdir(tmp_path)
    assert f"There is a models/live in {ROOT}" in elsewhere(message)
    assert elsewhere("models/other: no model folder") == elsewhere(f"{tmp_path}/models/live: no") == ""
    monkeypatch.chdir(ROOT)
    assert elsewhere(message) == ""


def test_a_refused_command_leaves_what_another_process_has_recorded(tiny_training, tmp_path):
    with only_writer(tmp_path):
        write_status(tmp_path, "running")
        assert train(tmp_path, *tiny_training, "steps=1") == [2]
        assert "is being written by" in said(tmp_path)
    assert read_status(tmp_path) == {"state": "running"}


def test_a_machine_with_slurm_gives_no_advice_about_it(tiny_training, tmp_path):
    srun = tmp_path / "bin" / "srun"
    srun.parent.mkdir()
    srun.write_text("#!/bin/sh\n")
    srun.chmod(0o755)
    path = os.pathsep.join((str(srun.parent), os.environ["PATH"]))
    assert train(tmp_path / "run", *tiny_training, "steps=1", PATH=path) == [0]
    assert "srun" not in said(tmp_path / "run")
