"""Trains one weight and writes down which excerpts each process was given: `resumed_training.py ROOT OUT ...`."""

import json
import sys

import lightning as L
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from accomp.data.datamodule import SlakhDataModule


class Numbered(SlakhDataModule):
    def excerpts(self, split):
        return Numbers(super().excerpts(split))


class Numbers(torch.utils.data.Dataset):
    """Excerpts with their numbers."""

    def __init__(self, excerpts):
        self.excerpts = excerpts

    def __getitem__(self, i):
        return self.excerpts[i] | {"index": i}


class OneWeight(L.LightningModule):
    def __init__(self, out):
        super().__init__()
        self.out, self.weight = out, torch.nn.Parameter(torch.zeros(1))

    def training_step(self, batch, i):
        with open(f"{self.out}.{self.global_rank}", "a") as file:
            file.write(json.dumps([batch["index"].tolist(), batch["target"].sum().item()]) + "\n")
        return self.weight.sum()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


def train(root, out, *numbers):
    workers, devices, accumulate, steps, resume = map(int, numbers)
    data = Numbered(root, 2, samples=4096, epoch_items=20, workers=workers)
    checkpoint = ModelCheckpoint(out + "-ckpt", save_last=True, every_n_train_steps=1)
    trainer = L.Trainer(
        accelerator="cpu",
        devices=devices,
        strategy="ddp" if devices > 1 else "auto",
        max_steps=steps,
        accumulate_grad_batches=accumulate,
        use_distributed_sampler=False,
        limit_val_batches=0,
        max_epochs=-1,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[checkpoint],
    )
    trainer.fit(OneWeight(out), data, ckpt_path=out + "-ckpt/last.ckpt" if resume else None)


if __name__ == "__main__":
    train(*sys.argv[1:])
