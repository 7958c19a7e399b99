"""Checkpoints stay whole, whatever happens while they are written."""

import logging
import random
import resource
import time
from pathlib import Path

import torch
from processes import ended, forked

from accomp.lit.callbacks import WholeCheckpoints, read_last


def checkpoint(step: int) -> dict:
    return {"global_step": step, "state_dict": {"weight": torch.full((50_000,), float(step))}}


def save_for_ever(folder: Path) -> None:
    for step in range(1, 1_000_000):
        WholeCheckpoints().save_checkpoint(checkpoint(step), folder / "last.ckpt")
        (folder / "saving").touch()


def test_200_kills_while_saving_leave_a_whole_checkpoint_every_time(tmp_path):
    chance, interrupted = random.Random(0), 0
    for _ in range(200):
        (tmp_path / "saving").unlink(missing_ok=True)
        process = forked(lambda: save_for_ever(tmp_path), tmp_path / "log")
        while not (tmp_path / "saving").exists():
            time.sleep(0.001)
        time.sleep(chance.uniform(0.0, 0.01))
        process.kill()
        ended(process)
        interrupted += (tmp_path / "writing.ckpt").exists()
        path, found = read_last(tmp_path)
        assert path.name == "last.ckpt"
        assert torch.equal(found["state_dict"]["weight"], checkpoint(found["global_step"])["state_dict"]["weight"])
    assert interrupted > 50, "hardly any kill came while a checkpoint was being written: this test showed little"


def test_a_full_disk_costs_the_checkpoint_and_nothing_else(tmp_path):
    def write_two() -> None:
        logging.basicConfig(force=True)
        WholeCheckpoints().save_checkpoint(checkpoint(1), tmp_path / "last.ckpt")
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))  # half a checkpoint
        WholeCheckpoints().save_checkpoint(checkpoint(2), tmp_path / "last.ckpt")

    assert ended(forked(write_two, tmp_path / "log")) == 0, (tmp_path / "log").read_text()
    assert read_last(tmp_path)[1]["global_step"] == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["last.ckpt", "log"]
    assert "not written" in (tmp_path / "log").read_text()
