"""Training of the sketch codec's decoder: sound from a spectrogram, phases left to the decoder."""

import torch
from torch import Tensor

from accomp.codec.losses import MAGNITUDE_WINDOWS, magnitude_loss
from accomp.codec.sketch import SketchCodec
from accomp.lit.autoencoder import AutoencoderModule

EXAMPLES = 400  # excerpts to fit the projection on


class SketchModule(AutoencoderModule):
    """The decoder of `SketchCodec` under magnitude losses; before the first step the encoder's projection is fitted."""

    codec_class, windows = SketchCodec, MAGNITUDE_WINDOWS

    def on_fit_start(self) -> None:
        if self.codec.basis.any():
            return
        excerpts = self.trainer.datamodule.excerpts("train")
        frames = []
        for index in range(EXAMPLES):
            item = excerpts[-1 - index]  # numbers that training never deals
            for audio in (item["context"], item["target"]):
                audio = torch.from_numpy(audio)[None, : len(audio) // self.codec.hop * self.codec.hop]
                frames.append(self.codec.features(audio, None)[0][0])
        self.codec.fit(torch.cat(frames))

    def distance(self, estimate: Tensor, audio: Tensor, windows: tuple[int, ...]) -> Tensor:
        return magnitude_loss(estimate, audio, windows)
