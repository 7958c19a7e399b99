"""A run that was killed goes on with exactly the next excerpt: for any workers, accumulated gradients, two processes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Trains a dummy in one or two real processes and notes which excerpts every process was given.
SCRIPT = r"""
import json, sys
import lightning as L, torch
from lightning.pytorch.callbacks import ModelCheckpoint
from accomp.data.datamodule import SlakhDataModule

root, out, workers, devices, accumulate, steps, resume = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])

class Numbered(SlakhDataModule):
    def excerpts(self, split):
        excerpts = super().excerpts(split)
        return Numbers(excerpts)

class Numbers(torch.utils.data.Dataset):
    def __init__(self, excerpts):
        self.excerpts = excerpts
    def __getitem__(self, i):
        return self.excerpts[i] | {"index": i}

class Dummy(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
    def training_step(self, batch, i):
        with open(f"{out}.{self.global_rank}", "a") as file:
            file.write(json.dumps([batch["index"].tolist(), batch["target"].sum().item()]) + "\n")
        return self.weight.sum()
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)

if __name__ == "__main__":
    data = Numbered(root, 2, samples=4096, epoch_items=20, workers=workers)
    checkpoint = ModelCheckpoint(out + "-ckpt", save_last=True, every_n_train_steps=1)
    trainer = L.Trainer(accelerator="cpu", devices=devices, strategy="ddp" if devices > 1 else "auto", max_steps=steps,
        accumulate_grad_batches=accumulate, use_distributed_sampler=False, limit_val_batches=0, max_epochs=-1,
        logger=False, enable_progress_bar=False, enable_model_summary=False, callbacks=[checkpoint])
    trainer.fit(Dummy(), data, ckpt_path=out + "-ckpt/last.ckpt" if resume else None)
"""


@pytest.mark.parametrize(
    ("workers", "devices", "accumulate"),
    [(0, 1, 1), (2, 1, 3), pytest.param(1, 2, 1, marks=pytest.mark.slow)],
)
def test_nothing_is_repeated_or_left_out(small_band, tmp_path, workers, devices, accumulate):
    script = tmp_path / "dummy.py"
    script.write_text(SCRIPT)

    def train(name, steps, resume):
        common = [sys.executable, script, small_band, tmp_path / name, workers, devices, accumulate, steps, resume]
        done = subprocess.run(
            [str(a) for a in common],
            capture_output=True,
            text=True,
            timeout=900,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        assert done.returncode == 0, done.stderr[-3000:]

    def given(name):
        files = [tmp_path / f"{name}.{rank}" for rank in range(devices)]
        ranks = [[json.loads(line) for line in file.read_text().splitlines()] for file in files]
        return [batch for together in zip(*ranks, strict=True) for batch in together]

    train("whole", 11, 0)
    train("parts", 3, 0)
    train("parts", 8, 1)  # in another epoch
    train("parts", 11, 1)
    assert given("whole") == given("parts")
    indices = [index for batch, _ in given("whole") for index in batch]
    assert sorted(indices) == list(range(len(indices)))  # nothing twice, nothing left out
