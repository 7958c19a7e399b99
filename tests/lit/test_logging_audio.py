"""What validation leaves behind to listen to."""

from types import SimpleNamespace

import lightning as L
import numpy as np
import torch
from lightning.pytorch.loggers import WandbLogger
from tiny_model import CODEC
from torch.utils.data import DataLoader

from accomp import audio
from accomp.codec.autoencoder import Autoencoder
from accomp.lit.autoencoder import AutoencoderModule
from accomp.lit.logging_audio import ReconstructionLog, spectrogram

SAMPLES = 16_384


class Remembering(WandbLogger):
    """Keeps what it was given instead of sending it anywhere."""

    def __init__(self):
        self.given = {}

    def log_audio(self, key, audios, **more):
        self.given[key] = (audios, more)

    def log_image(self, key, images, **more):
        self.given[key] = (images, more)


def batches() -> DataLoader:
    generator = torch.Generator().manual_seed(0)
    noise = [0.1 * torch.randn(2, 2, SAMPLES, generator=generator) for _ in range(2)]
    return DataLoader([{"context": a, "target": b} for a, b in noise], batch_size=None)


def validate(module, callback) -> None:
    trainer = L.Trainer(
        accelerator="cpu", logger=False, callbacks=[callback], enable_checkpointing=False, enable_progress_bar=False
    )
    module.log = lambda *_, **__: None
    trainer.validate(module, batches(), verbose=False)


def test_the_same_excerpts_are_written_every_time(tmp_path):
    module, callback = AutoencoderModule(Autoencoder(**CODEC)), ReconstructionLog(str(tmp_path), excerpts=3)
    validate(module, callback)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == sorted(f"{i}_{kind}.wav" for i in range(3) for kind in ("recording", "step0000000"))
    first = next(iter(batches()))
    truth = torch.cat([first["context"], first["target"]])[:3]
    for i in range(3):
        np.testing.assert_allclose(audio.read(tmp_path / f"{i}_recording.wav"), truth[i], atol=1e-4)
    with torch.no_grad():
        expected = module.codec.eval().decode(module.codec.encode(truth)).clamp(-1, 1)
    np.testing.assert_allclose(audio.read(tmp_path / "2_step0000000.wav"), expected[2], atol=1e-4)


def test_wandb_gets_sound_and_pictures(tmp_path):
    logger = Remembering()
    trainer = SimpleNamespace(sanity_checking=False, is_global_zero=True, global_step=7, loggers=[logger])
    callback, batch = ReconstructionLog(str(tmp_path), excerpts=2), next(iter(batches()))
    callback.on_validation_batch_end(trainer, AutoencoderModule(Autoencoder(**CODEC)).eval(), None, batch, 0)
    sounds, more = logger.given["val/audio"]
    assert len(sounds) == len(more["caption"]) == len(more["sample_rate"]) == 4
    assert more["caption"][:2] == ["0 recording", "0 reconstruction"]
    pictures, _ = logger.given["val/spectrograms"]
    assert len(pictures) == 4 and all(picture.dtype == np.uint8 and picture.ndim == 2 for picture in pictures)


def test_a_tone_is_a_white_line_at_the_height_of_its_pitch():
    rows = []
    for hz in (200, 1000, 5000):
        picture = spectrogram(torch.sin(2 * torch.pi * hz / 44_100 * torch.arange(SAMPLES)))
        assert picture.max() == 255 and picture.min() == 0
        rows.append(int(picture.mean(1).argmax()))
    assert rows[0] > rows[1] > rows[2], "low pitches lie below"
