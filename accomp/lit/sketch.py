"""Training of the sketch codec's decoder: audio from a spectrogram without phases."""

import torch
from torch import Tensor

from accomp.codec.contract import Codec
from accomp.codec.losses import MAGNITUDE_WINDOWS, level_loss, magnitude_loss, sdr
from accomp.codec.partials import LONG
from accomp.codec.sources import QUIET, partials
from accomp.lit.autoencoder import AutoencoderModule, nonsilent
from accomp.lit.training import Values

EXAMPLES = 400  # excerpts to fit the projection on
FIRST_EXAMPLE = 2**40  # their numbers begin here: training never deals as many


class SketchModule(AutoencoderModule):
    """The decoder of `SketchCodec` under magnitude losses; before the first step the encoder's projection is fitted.

    Args:
        codec, noise, others: as in `AutoencoderModule`
        tones: weight of the distance of the oscillators from the partials of the recording
    """

    windows = MAGNITUDE_WINDOWS

    def __init__(self, codec: Codec, noise: float = 0.1, tones: float = 1.0, **others):
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

    def measure(self, batch: dict, generator: torch.Generator) -> tuple[Values, Values]:
        if not self.training:
            return super().measure(batch, generator)
        audio = nonsilent(batch, self.codec.hop)
        features, _ = self.codec.hidden(self.noisy(self.codec.encode(audio), generator), {})
        estimate = self.codec.aligned(*self.codec.synthesise(features, {})).float()
        losses = {"loss": self.distance(estimate, audio), "tones": self.hparams.tones * self.tones(features, audio)}
        return losses, {"sdr_db": sdr(estimate.detach(), audio).median()}

    def tones(self, features: Tensor, audio: Tensor) -> Tensor:
        """Squared error of the oscillators against the partials of the recording, away from the ends of the excerpt.

        A loss on spectra alone does not fix the pitch: it sees the sum of many oscillators, and their beating.
        """
        hop = self.codec.config.fft_hop
        wanted = partials(audio, hop).sqrt()
        end = min(LONG // 2 // hop, wanted.shape[1] // 3)
        error = (self.codec.oscillators.roots(features) - wanted)[:, end:-end]
        return QUIET * error.square().sum(2).mean()

    def distance(self, estimate: Tensor, audio: Tensor) -> Tensor:
        return magnitude_loss(estimate, audio, self.window_lengths()) + 0.2 * level_loss(estimate, audio)
