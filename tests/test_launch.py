"""Where processes come from, and that two runs never write into one folder."""

import os
import signal
import time
from pathlib import Path

import pytest
from lightning.fabric.plugins.environments import LightningEnvironment, SLURMEnvironment, TorchElasticEnvironment
from processes import ended, forked, said, train

from accomp.errors import UserError
from accomp.launch import RANKS, environment, is_being_written, only_writer

OUTSIDE = (*RANKS, "SUBMITIT_EXECUTOR", "SLURM_NTASKS", "SLURM_NTASKS_PER_NODE", "TORCHELASTIC_RUN_ID", "WORLD_SIZE")


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    for name in OUTSIDE:
        monkeypatch.delenv(name, raising=False)


def test_one_device_needs_nothing(monkeypatch):
    assert isinstance(environment(1, 1, sweep=True)[0], LightningEnvironment)
    monkeypatch.setenv("SLURM_PROCID", "0")
    monkeypatch.setenv("SLURM_NTASKS", "1")
    assert isinstance(environment(1, 1, sweep=True)[0], LightningEnvironment)


def test_processes_come_from_outside(monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert isinstance(environment(2, 2, sweep=False)[0], TorchElasticEnvironment)
    with pytest.raises(UserError, match="3 processes, but 4"):
        environment(3, 1, sweep=False)
    monkeypatch.setenv("SLURM_PROCID", "1")
    monkeypatch.setenv("SLURM_NTASKS", "4")
    with pytest.raises(UserError, match="ntasks-per-node"):
        environment(4, 1, sweep=True)
    monkeypatch.setenv("SLURM_NTASKS_PER_NODE", "4")
    slurm = environment(4, 1, sweep=True)[0]
    assert isinstance(slurm, SLURMEnvironment) and not slurm.auto_requeue


@pytest.mark.parametrize(("sweep", "fix"), [(False, "torchrun --nproc-per-node 2"), (True, "launcher=local")])
def test_the_trainer_may_not_start_processes_itself(tmp_path, sweep, fix):
    with pytest.raises(UserError, match=fix):
        environment(2, 1, sweep)
    common = ["trainer=ddp", "trainer.accelerator=cpu", "gpus=0", "devices=2", *["-m"] * sweep]
    assert train(tmp_path, *common) == [1 if sweep else 2], said(tmp_path)
    assert fix in said(tmp_path) and "Traceback" not in said(tmp_path)


def test_torchrun_does_not_start_a_sweep(monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UserError, match="launcher=local"):
        environment(2, 1, sweep=True)


def test_a_folder_has_one_writer_and_is_free_when_that_is_killed(tmp_path):
    def hold() -> None:
        with only_writer(tmp_path):
            (tmp_path / "held").touch()
            time.sleep(60)

    process = forked(hold, Path(os.devnull))
    while not (tmp_path / "held").exists():
        time.sleep(0.02)
    assert is_being_written(tmp_path)
    with pytest.raises(UserError, match=f"process {process.pid} on "), only_writer(tmp_path):
        pass
    process.kill()
    assert ended(process) == -signal.SIGKILL
    assert not is_being_written(tmp_path)
    with only_writer(tmp_path):
        pass
