"""Checkpoints stay whole, whatever happens while they are written; the best one is kept on request."""

import csv
import logging
import random
import resource
import time
from pathlib import Path

import torch
from processes import ended, forked, said, state, train

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


def test_the_best_checkpoint_is_kept_beside_the_last(tiny_training, tmp_path):
    """Three epochs whose validation loss rises, as the learning rate is absurd: the best is the first one's."""
    absurd = [
        "callbacks=best",
        "steps=12",
        "module.learning_rate=10",
        "callbacks.average.decay=0.0",
        "module.warmup_steps=1",
        "trainer.log_every_n_steps=2",
    ]
    assert train(tmp_path, *tiny_training, *absurd) == [0], said(tmp_path)
    rows = list(csv.DictReader((tmp_path / "csv/version_0/metrics.csv").open()))
    losses = {int(row["step"]): float(row["val/loss"]) for row in rows if row["val/loss"]}
    best = torch.load(tmp_path / "checkpoints/best.ckpt", weights_only=True)["global_step"]
    assert len(losses) == 3 and losses[best - 1] == min(losses.values())
    assert state(tmp_path)["global_step"] == 12
    assert any(float(row[name]) > 0 for row in rows for name in row if name.startswith("lr-") and row[name])
