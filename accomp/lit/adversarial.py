"""Training of a codec with a discriminator that learns to tell its reconstructions from recordings."""

import torch
from torch import nn
from torch.func import functional_call

from accomp.codec.contract import Codec
from accomp.codec.discriminator import adversarial_loss, discriminator_loss, feature_loss
from accomp.codec.losses import sdr
from accomp.lit.autoencoder import AutoencoderModule, nonsilent
from accomp.lit.training import Values


class AdversarialAutoencoderModule(AutoencoderModule):
    """`AutoencoderModule` with a discriminator; its checkpoints hold `codec.*` as the other's do.

    Codec and discriminator are updated together, in one backward pass and one optimiser: the codec's loss sees the
    discriminator with its weights held constant, the discriminator's loss sees the reconstruction held constant. So steps,
    schedules, clipping, accumulation, resuming and averaging are those of every other module.

    Args:
        codec, learning_rate, warmup_steps, steps, noise, start: as in `AutoencoderModule`
        discriminator: see `accomp.codec.discriminator`
        adversarial_weight, feature_weight: of the two losses, beside the reconstruction loss
    """

    def __init__(
        self, codec: Codec, discriminator: nn.Module, adversarial_weight: float = 0.05, feature_weight: float = 0.2, **others
    ):
        super().__init__(codec, **others)
        self.hparams.update(adversarial_weight=adversarial_weight, feature_weight=feature_weight)
        self.discriminator = discriminator

    def measure(self, batch: dict, generator: torch.Generator) -> tuple[Values, Values]:
        if not self.training:
            return super().measure(batch, generator)
        audio = nonsilent(batch, self.codec.hop)
        estimate = self.codec.decode(self.noisy(self.codec.encode(audio), generator)).float()
        constant = {name: value.detach() for name, value in self.discriminator.named_parameters()}
        fake_scores, fake_features = functional_call(self.discriminator, constant, (estimate,))
        real_scores, real_features = self.discriminator(audio)
        losses = {
            "loss": self.distance(estimate, audio),
            "adversarial": self.hparams.adversarial_weight * adversarial_loss(fake_scores),
            "features": self.hparams.feature_weight * feature_loss(real_features, fake_features),
            "discriminator": discriminator_loss(real_scores, self.discriminator(estimate.detach())[0]),
        }
        return losses, {"sdr_db": sdr(estimate.detach(), audio).median()}
