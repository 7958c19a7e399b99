"""What the codec sounds like while it trains: the same few excerpts at every validation."""

from pathlib import Path

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import WandbLogger
from torch import Tensor

from accomp import audio
from accomp.codec.losses import compressed_stft
from accomp.lit.autoencoder import pieces
from accomp.timeline import SAMPLE_RATE

WINDOW = 1024  # samples, of the spectrograms


class ReconstructionLog(Callback):
    """Writes the first validation excerpts and their reconstructions as WAV; to wandb, if it logs, sound and spectrograms.

    Recordings are `0_recording.wav`, `1_recording.wav`, ..., reconstructions `0_step0002048.wav`, ...; every validation adds
    its own. For any module with a `codec`. It hears what the validation hears: the averaged weights, where they are averaged.

    Args:
        dirpath: where they lie
        excerpts: how many
    """

    def __init__(self, dirpath: str, excerpts: int = 4):
        self.dirpath, self.excerpts = Path(dirpath), excerpts

    @torch.no_grad()
    def on_validation_batch_end(
        self, trainer: L.Trainer, module: L.LightningModule, outputs, batch: dict, index: int, loader: int = 0
    ) -> None:
        if index or trainer.sanity_checking or not trainer.is_global_zero:
            return
        truth = pieces(batch, module.codec.hop)[: self.excerpts].float()
        copy = module.codec.decode(module.codec.encode(truth)).float()
        for name, sounds in (("recording", truth), (f"step{trainer.global_step:07d}", copy)):
            for i, sound in enumerate(sounds.cpu().numpy()):
                audio.write(self.dirpath / f"{i}_{name}.wav", sound)
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger):
                _to_wandb(logger, truth, copy)


def _to_wandb(logger: WandbLogger, truth: Tensor, copy: Tensor) -> None:
    sounds = torch.stack([truth, copy], 1).flatten(0, 1).cpu().numpy()  # each recording, then its reconstruction
    captions = [f"{i} {name}" for i in range(len(truth)) for name in ("recording", "reconstruction")]
    count = len(captions)
    logger.log_audio("val/audio", list(sounds), sample_rate=[SAMPLE_RATE] * count, caption=captions)
    pictures = [spectrogram(torch.from_numpy(sound)) for sound in sounds]
    logger.log_image("val/spectrograms", pictures, caption=captions)


def spectrogram(sound: Tensor) -> np.ndarray:
    """Sound (N,) as a grey picture (frequencies, frames) uint8, low notes below; black is silence, white the loudest."""
    magnitude = compressed_stft(sound[None], WINDOW)[1][0]
    return (255 * magnitude / magnitude.max()).flip(0).byte().numpy()
