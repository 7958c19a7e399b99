"""Training of the sketch codec's decoder: sound from a spectrogram, phases left to the decoder."""

import torch
from torch import Tensor

from accomp.codec.losses import MAGNITUDE_WINDOWS, level_loss, magnitude_loss
from accomp.codec.sketch import SketchCodec
from accomp.codec.sources import LONG, QUIET, partials
from accomp.lit.autoencoder import AutoencoderModule, pieces

EXAMPLES = 400  # excerpts to fit the projection on
FIRST_EXAMPLE = 2**40  # their numbers begin here: training never deals as many


class SketchModule(AutoencoderModule):
    """The decoder of `SketchCodec` under magnitude losses; before the first step the encoder's projection is fitted.

    Args:
        codec, noise, others: as in `AutoencoderModule`
        tones: weight of the distance of the oscillators from the partials that are there
    """

    codec_class, windows = SketchCodec, MAGNITUDE_WINDOWS

    def __init__(self, codec: dict, noise: float = 0.1, tones: float = 1.0, **others):
        super().__init__(codec, noise=noise, **others)

    def on_fit_start(self) -> None:
        if self.codec.basis.any():
            return
        excerpts = self.trainer.datamodule.excerpts("train")
        frames = []
        for index in range(FIRST_EXAMPLE, FIRST_EXAMPLE + EXAMPLES):
            item = excerpts[index]
            for audio in (item["context"], item["target"]):
                audio = torch.from_numpy(audio)[None, : len(audio) // self.codec.hop * self.codec.hop]
                frames.append(self.codec.features(audio, None)[0][0])
        self.codec.fit(torch.cat(frames))

    def training_step(self, batch: dict, index: int) -> Tensor:
        audio = pieces(batch, self.codec.hop)
        features, _ = self.codec.hidden(self.noisy(self.codec.encode(audio)), {})
        estimate = self.codec.aligned(*self.codec.synthesise(features, {})).float()
        loss, tones = self.distance(estimate, audio, self.window()), self.tones(features, audio)
        self.log_dict({"train/loss": loss, "train/tones": tones}, prog_bar=True)
        return loss + self.hparams.tones * tones

    def tones(self, features: Tensor, audio: Tensor) -> Tensor:
        """How far the oscillators are from the partials that are there, away from the ends of the excerpt.

        A loss on spectra alone leaves the pitch open: it sees the sum of many oscillators, and their beating.
        """
        hop = self.codec.config.fft_hop
        wanted = partials(audio, hop).sqrt()
        end = min(LONG // 2 // hop, wanted.shape[1] // 3)
        off = (self.codec.oscillators.roots(features) - wanted)[:, end:-end]
        return QUIET * off.square().sum(2).mean()

    def distance(self, estimate: Tensor, audio: Tensor, windows: tuple[int, ...]) -> Tensor:
        return magnitude_loss(estimate, audio, windows) + 0.2 * level_loss(estimate, audio)
