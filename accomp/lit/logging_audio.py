"""Audio of the codec while it trains: the same few excerpts at every validation."""

from pathlib import Path

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import WandbLogger
from torch import Tensor
from torchaudio.transforms import AmplitudeToDB, MelSpectrogram

from accomp import audio
from accomp.beat.grid import BeatGrid
from accomp.lit.autoencoder import nonsilent
from accomp.timeline import SAMPLE_RATE, Step, to_samples

PICTURE_S = 9.0
WINDOW, MELS, RANGE_DB = 2048, 96, 70.0  # of the spectrograms: samples, bands, loudest to black


class ReconstructionLog(Callback):
    """Writes the first validation excerpts and their reconstructions as WAV; to wandb, if it logs, sound and spectrograms.

    Recordings are `0_recording.wav`, `1_recording.wav`, ..., reconstructions `0_step0002048.wav`, ...; every validation adds
    its own. For any module with a `codec`. Where weights are averaged, these are the averaged ones, as in the whole validation.

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
        truth = nonsilent(batch, module.codec.hop)[: self.excerpts].float()
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


def play_picture(context: np.ndarray, answer: np.ndarray, grid: BeatGrid, step: Step, plan: np.ndarray | None) -> np.ndarray:
    """What was heard (N,), above what was answered (N,), as a grey picture uint8 of the last seconds.

    Between them are the beats, long at bar lines; a white line is the last live edge, and what of the context follows it, which
    the model did not hear, is darker. Below lies the plan after that edge: twelve pitch classes (12, T), C below.
    """
    first = max(len(answer) - to_samples(PICTURE_S), 0)
    above, below = (spectrogram(torch.from_numpy(sound[first:].copy())) for sound in (context, answer))
    columns = above.shape[1]
    edge = (len(answer) - 1 - max(step.offset, 0)) // step.samples * step.samples
    at = min(round((edge - first) / (len(answer) - first) * columns), columns - 1)
    above[:, at:] //= 2
    marks = np.zeros((8, columns), np.uint8)
    for times, height in ((grid.beats_s, 4), (grid.downbeats_s, 8)):
        places = (times * SAMPLE_RATE - first) / (len(answer) - first) * columns
        marks[:height, places[(places >= 0) & (places < columns)].astype(int)] = 255
    rows = [above, marks, below]
    if plan is not None:
        chroma = np.zeros((4 * len(plan), columns), np.uint8)
        spread = np.repeat(np.repeat(255 * plan[::-1].clip(0, 1), 4, 0), 2, 1).astype(np.uint8)[:, : columns - at]
        chroma[:, at : at + spread.shape[1]] = spread
        rows.append(chroma)
    picture = np.concatenate(rows)
    picture[:, at] = 255
    return picture


def spectrogram(audio: Tensor) -> np.ndarray:
    """Audio (N,) as a grey mel spectrogram (MELS, frames) uint8, low pitches below; white is the loudest, black 70 dB less."""
    mel = MelSpectrogram(SAMPLE_RATE, WINDOW, hop_length=WINDOW // 4, n_mels=MELS)(audio)
    level_db = AmplitudeToDB(top_db=RANGE_DB)(mel)
    share = (level_db - level_db.max() + RANGE_DB) / RANGE_DB
    return (255 * share).flip(0).byte().numpy()
