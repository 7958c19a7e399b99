"""Training of the codec against a discriminator that learns to tell its reconstructions from recordings."""

from torch import Tensor
from torch.func import functional_call

from accomp.codec.discriminator import StftDiscriminator, adversarial_loss, discriminator_loss, feature_loss
from accomp.codec.losses import sdr
from accomp.lit.autoencoder import AutoencoderModule, pieces
from accomp.lit.optimiser import warmup_cosine


class AdversarialAutoencoderModule(AutoencoderModule):
    """`AutoencoderModule` with a discriminator beside it; its checkpoints hold `codec.*` as the other's do.

    Both take their step at once, in one backward pass and one optimiser: the codec's loss holds the discriminator's weights
    constant, the discriminator's loss holds the reconstruction constant. So steps, schedules, clipping, accumulation,
    resuming and averaging are those of every other module.

    Args:
        codec, learning_rate, warmup_steps, steps, noise: as in `AutoencoderModule`
        discriminator: values of `StftDiscriminator`
        adversarial_weight, feature_weight: of the two losses, beside the reconstruction loss
    """

    def __init__(
        self,
        codec: dict,
        discriminator: dict,
        learning_rate: float = 1e-3,
        warmup_steps: int = 200,
        steps: int = 10_000,
        noise: float = 0.05,
        adversarial_weight: float = 0.05,
        feature_weight: float = 0.2,
    ):
        super().__init__(codec, learning_rate, warmup_steps, steps, noise)
        self.discriminator = StftDiscriminator(**discriminator)

    def training_step(self, batch: dict, index: int) -> Tensor:
        audio = pieces(batch, self.codec.hop)
        estimate = self.noisy_round_trip(audio)
        reconstruction = self.distance(estimate, audio, self.window())

        held = {name: value.detach() for name, value in self.discriminator.named_parameters()}
        fake_scores, fake_features = functional_call(self.discriminator, held, (estimate,))
        real_scores, real_features = self.discriminator(audio)
        adversarial = adversarial_loss(fake_scores)
        features = feature_loss(real_features, fake_features)
        discrimination = discriminator_loss(real_scores, self.discriminator(estimate.detach())[0])

        losses = {
            "loss": reconstruction,
            "adversarial": adversarial,
            "features": features,
            "discriminator": discrimination,
        }
        self.log_dict({f"train/{name}": value for name, value in losses.items()}, prog_bar=True)
        self.log("train/sdr_db", sdr(estimate.detach(), audio).median(), prog_bar=True)
        h = self.hparams
        return reconstruction + h.adversarial_weight * adversarial + h.feature_weight * features + discrimination

    def configure_optimizers(self):
        h = self.hparams
        return warmup_cosine(self.parameters(), h.learning_rate, h.warmup_steps, h.steps, betas=(0.8, 0.99))
