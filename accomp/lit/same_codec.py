"""Latents of two codecs mean different things: runs and data must not be mixed."""

import logging
from pathlib import Path

from accomp.data.datamodule import SlakhDataModule
from accomp.errors import UserError
from accomp.training_run import latents_codec

log = logging.getLogger(__name__)


def refuse_other_codec(run: Path, data: SlakhDataModule) -> None:
    """UserError when a run was trained on latents of another codec than the one that made these."""
    codec = latents_codec(run)
    if codec is None:
        log.warning("%s: does not say on which codec's latents it was trained; these are of codec %s", run, data.codec)
    elif codec != data.codec:
        raise UserError(
            f"{run}: trained on latents of codec {codec}, but data.latents={data.hparams.latents} holds those of "
            f"{data.codec}; give the folder of its own, or train a teacher on these"
        )
