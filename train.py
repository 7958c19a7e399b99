"""Train the codec, the diffusion model, the student or the beat tracker.

    python train.py experiment=transcriber
    python train.py experiment=planned trainer=gpu logger=wandb
    python train.py -m experiment=planned module.learning_rate=3e-4,1e-3 launcher=slurm

Every run writes its resolved configuration, a CSV of what it logged, its checkpoints and how it ended (status.json) into
`out_dir`; in a sweep (-m) each trial into a folder of its own there. The same command resumes what was interrupted.
"""

import logging
import math
import os
import re
import secrets
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from accomp import launch
from accomp.cli import build, in_sweep, run
from accomp.compose import CONF, command_line
from accomp.errors import UserError
from accomp.trials import flat, read_status, recorded

log = logging.getLogger("train")

# The training excerpts do not depend on these.
FREE_DATA = ("data.workers", "data.on_bad", "data.validation_items", "data.pin_memory")


def train(config: DictConfig) -> dict:
    """Train in `out_dir`, alone there; what the last validation measured."""
    out = Path(config.out_dir)
    with launch.only_writer(out):
        return fit(config, out)


def fit(config: DictConfig, out: Path) -> dict:
    """Compose, build, fit, validate; resume from the run's own last checkpoint when there is one."""
    from accomp.lit.callbacks import WholeCheckpoints, read_last
    from accomp.provenance import write_provenance

    scale_batch(config)
    last, checkpoint = read_last(out / "checkpoints")
    if last is not None:
        refuse_other_settings(config, out)
        status = read_status(out)
        if status.get("state") == "done" and checkpoint["global_step"] >= config.trainer.max_steps:
            log.info("%s: trained already, %d steps", out, checkpoint["global_step"])
            return status["figures"]
    ranks = launch.environment(config.trainer.devices, config.trainer.num_nodes, in_sweep())
    identify(config, checkpoint)
    begin = checkpoint.get("global_step", 0)
    del checkpoint  # as large as the model and its optimiser

    check_classes(config)
    seed_everything(config.seed)
    data, module = build(config.data), build(config.module)
    if config.compile:
        compile_denoiser(module)
    callbacks = [build(node) for node in config.callbacks.values() if node]
    loggers = start_loggers(config)
    trainer = build(config.trainer, callbacks=callbacks, logger=loggers, plugins=[*ranks, WholeCheckpoints()])
    with recorded(out) as facts:
        if trainer.is_global_zero:
            write_provenance(out, config, CONF.parent)
        for logger in loggers:
            logger.log_hyperparams(OmegaConf.to_container(config, resolve=True))
        if last is not None:
            log.info("resuming from %s, step %d", last, begin)
        try:
            figures = fit_and_validate(trainer, module, data, last)
            if config.callbacks.get("checkpoint"):
                read_back(out, trainer.global_step)
                log_model(config, out, loggers, data)
        finally:
            finish(loggers)
        command = command_line("train", HydraConfig.get().overrides.task)
        facts |= {"figures": figures, "step": trainer.global_step, "command": command}
    log.info("trained; checkpoint: %s", out / "checkpoints/last.ckpt")
    return figures


def scale_batch(config: DictConfig) -> None:
    """Put what `batch_scale` means into batch size and learning rate, so that config.yaml says what was trained."""
    scale, config.batch_scale = config.batch_scale, 1
    config.data.batch_size = round(config.data.batch_size * scale)
    config.module.learning_rate = config.module.learning_rate * math.sqrt(scale)


def compile_denoiser(module) -> None:
    """Compile the denoiser of a module. UserError when it has none."""
    if not hasattr(module, "denoiser"):
        raise UserError("compile=true compiles a denoiser, and this experiment trains none: leave it out")
    module.denoiser.compile()


def check_classes(config: DictConfig) -> None:
    """UserError unless the network has as many classes of instruments as the data."""
    stems, net = config.data.stems, config.module.get("net")
    if stems and net is not None and "stems" in net and net.stems != len(stems):
        raise UserError(f"data.stems names {len(stems)} classes of instruments: add module.net.stems={len(stems)}")


def seed_everything(seed: int) -> None:
    import lightning as L

    L.seed_everything(seed, workers=True, verbose=False)


def read_back(out: Path, step: int) -> None:
    """UserError unless the run's last checkpoint can be read and is of its last step."""
    from accomp.lit.callbacks import read_last

    path, checkpoint = read_last(out / "checkpoints")
    if checkpoint.get("global_step") != step:
        kept = f"the last one is of step {checkpoint['global_step']}" if path else "there is none"
        raise UserError(
            f"{out}: the checkpoint of step {step} could not be written, {kept}; make room on the disk, then the same "
            "command goes on from there"
        )


def fit_and_validate(trainer, module, data, last: Path | None) -> dict[str, float]:
    """Train to the end, and validate there; the last value of everything that validation logs, and of what it cost."""
    trainer.fit(module, data, ckpt_path=None if last is None else str(last))
    if not trainer.fit_loop.epoch_loop.batch_progress.is_last_batch:  # the last step did not end an epoch
        trainer.validate(module, data, verbose=False)
    values = sorted(trainer.callback_metrics.items())
    return {name: float(value) for name, value in values if name.startswith(("val/", "cost/"))}


def identify(config: DictConfig, checkpoint: dict) -> None:
    """Give the run its number in Weights & Biases: the one in its checkpoint, or a new one."""
    known = checkpoint.get("callbacks", {}).get("LastCheckpoint", {}).get("run_id")
    run_id = known or os.environ.get("WANDB_RUN_ID") or secrets.token_hex(4)
    if config.callbacks.get("checkpoint"):
        config.callbacks.checkpoint.run_id = run_id
    if config.logger.get("wandb"):
        config.logger.wandb.id = run_id


def refuse_other_settings(config: DictConfig, out: Path) -> None:
    """UserError when the run in this folder was begun with another model, seed or data: it could not go on as it was."""
    before = flat(yaml.safe_load((out / "config.yaml").read_text()))
    now = flat(OmegaConf.to_container(config, resolve=True))
    for key, value in now.items():
        if is_fixed(key, value) and key in before and without_place(key, before[key]) != without_place(key, value):
            raise UserError(
                f"{out} holds a run with {key}={before[key]}, not {value}; choose another name= or remove that folder"
            )


def is_fixed(key: str, value: object) -> bool:
    """Whether a run keeps this setting to its end. A module's file names may change, and what does not touch the excerpts."""
    if key.startswith("module."):
        return key != "module.steps" and (key.endswith("._target_") or not isinstance(value, str))
    return key == "seed" or (key.startswith("data.") and key not in FREE_DATA)


def without_place(key: str, value: object) -> object:
    """A data set may be moved, or copied to another disk: its folder counts by its last name."""
    return Path(value).name if key in ("data.root", "data.latents") and value else value


def start_loggers(config: DictConfig) -> list:
    """The loggers. Weights & Biases must not decide whether a run goes on: out of reach, it writes to the disk alone."""
    loggers = []
    for node in filter(None, config.logger.values()):
        logger = build(node)
        if node._target_.endswith("WandbLogger") and launch.rank() == 0:
            from wandb.errors import Error

            try:
                logger.experiment  # noqa: B018 (connects)
            except Error as error:
                log.warning("W&B is out of reach (%s); `wandb sync` can send this run later", str(error).splitlines()[0])
                node.mode = "offline"
                logger = build(node)
        loggers.append(logger)
    return loggers


def log_model(config: DictConfig, out: Path, loggers: list, data) -> None:
    """Give the model folder of a run that can be played by itself to Weights & Biases, as an artifact of its name."""
    from lightning.pytorch.loggers import WandbLogger

    from accomp.export import export
    from accomp.run_kind import kind_of

    wandb_loggers = [logger for logger in loggers if isinstance(logger, WandbLogger)] if launch.rank() == 0 else []
    module = OmegaConf.to_container(config.module)
    roles = {"teacher": {"teacher": out}, "student": {"teacher": Path(module.get("teacher") or ""), "student": out}}
    parts = roles.get(kind_of(module))
    if not wandb_loggers or parts is None or not config.data.latents:
        return
    codec = (config.callbacks.get("play") or {}).get("codec") or data.store("train").encoded_by
    if codec is None or not Path(codec).exists():
        log.info("no model folder for W&B: the latents do not say where their codec lies (callbacks.play.codec=FOLDER)")
        return
    import wandb

    with TemporaryDirectory() as folder:
        export(Path(folder, config.name), {"codec": Path(codec), **parts})
        artifact = wandb.Artifact(re.sub(r"[^\w.-]", "_", config.name), type="model")
        artifact.add_dir(str(Path(folder, config.name)))
        for logger in wandb_loggers:
            logger.experiment.log_artifact(artifact)


def finish(loggers: list) -> None:
    """End the run in Weights & Biases: the next trial of this process is another run."""
    from lightning.pytorch.loggers import WandbLogger

    for logger in loggers:
        if isinstance(logger, WandbLogger) and launch.rank() == 0:
            logger.experiment.finish()


if __name__ == "__main__":
    sys.exit(run(train, "train"))
