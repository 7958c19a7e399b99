"""Train the autoencoder, the diffusion model or the student.

    python train.py experiment=autoencoder
    python train.py experiment=diffusion trainer=gpu logger=wandb

Every run writes its resolved configuration, a CSV of what it logged and its checkpoints into `out_dir`; the same command
resumes a run that was interrupted.
"""

import logging
import sys
from pathlib import Path

import hydra
import lightning as L
from omegaconf import DictConfig, OmegaConf

from accomp.cli import build, run
from accomp.errors import UserError

log = logging.getLogger("train")


def train(config: DictConfig) -> None:
    """Compose, build, fit; resume from the run's own last checkpoint when there is one."""
    L.seed_everything(config.seed, workers=True, verbose=False)
    out = Path(config.out_dir)
    out.mkdir(parents=True, exist_ok=True)
    OmegaConf.save(config, out / "config.yaml", resolve=True)

    data, module = build(config.data), build(config.module)
    callbacks = [build(node) for node in config.callbacks.values() if node]
    loggers = [build(node) for node in config.logger.values() if node]
    trainer = hydra.utils.instantiate(config.trainer, callbacks=callbacks, logger=loggers, _convert_="all")

    last = out / "checkpoints" / "last.ckpt"
    if last.is_file():
        log.info("resuming from %s", last)
    trainer.fit(module, data, ckpt_path=str(last) if last.is_file() else None)
    if trainer.interrupted:
        raise UserError(f"interrupted; the same command resumes from {last}")
    log.info("trained; checkpoint: %s", last)


if __name__ == "__main__":
    sys.exit(run(train, "train"))
