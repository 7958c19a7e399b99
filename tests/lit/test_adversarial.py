"""A few steps against a discriminator: which loss moves which weights, and what is left of it in a checkpoint."""

import lightning as L
import pytest
import torch
from tiny_model import CODEC
from torch.utils.data import DataLoader

from accomp.lit.adversarial import AdversarialAutoencoderModule
from accomp.lit.autoencoder import AutoencoderModule, pieces

DISCRIMINATOR = {"windows": [256, 512], "width": 4, "layers": 2}
SAMPLES = 16_384


def batches(count: int) -> DataLoader:
    generator = torch.Generator().manual_seed(0)
    noise = [0.1 * torch.randn(2, 2, SAMPLES, generator=generator) for _ in range(count)]
    return DataLoader([{"context": a, "target": b} for a, b in noise], batch_size=None)


def fit(module: L.LightningModule, steps: int, precision: str = "32-true") -> L.Trainer:
    trainer = L.Trainer(
        accelerator="cpu",
        max_steps=steps,
        precision=precision,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        gradient_clip_val=1.0,
    )
    trainer.fit(module, batches(steps))
    return trainer


def module(**options) -> AdversarialAutoencoderModule:
    torch.manual_seed(0)
    return AdversarialAutoencoderModule(CODEC, DISCRIMINATOR, steps=10, **options)


@pytest.fixture
def attached():
    """A module as it is in the middle of a run, and its batch."""
    made = module(noise=0.0, adversarial_weight=1.0, feature_weight=1.0)
    fit(made, 1)
    made.eval()  # so that the codec's running statistics stand still
    made.log = made.log_dict = lambda *_, **__: None
    return made, next(iter(batches(1)))


def gradients(made, loss) -> dict[str, torch.Tensor]:
    made.zero_grad()
    loss.backward()
    return {name: p.grad.clone() for name, p in made.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_both_move_in_one_step_each(precision):
    made = module()
    before = {name: p.clone() for name, p in made.named_parameters()}
    trainer = fit(made, 3, precision)
    assert trainer.global_step == 3, "one optimiser step a batch, as schedules and the order of data suppose"
    moved = {name.split(".")[0] for name, p in made.named_parameters() if not torch.equal(p, before[name])}
    assert moved == {"codec", "discriminator"}
    assert all(p.isfinite().all() for p in made.parameters())


def test_the_discriminator_learns_from_its_own_loss_alone(attached):
    """Other weights of the codec's losses leave the discriminator's gradient as it is, and change the codec's."""
    made, batch = attached
    full = gradients(made, made.training_step(batch, 0))
    made.hparams.adversarial_weight = made.hparams.feature_weight = 0.0
    plain = gradients(made, made.training_step(batch, 0))
    for name, gradient in full.items():
        if name.startswith("discriminator"):
            torch.testing.assert_close(gradient, plain[name], msg=name)
    assert (full["codec.out.weight"] - plain["codec.out.weight"]).abs().max() > 0.1 * full[
        "codec.out.weight"
    ].abs().max()


def test_without_weight_the_codec_trains_as_without_a_discriminator(attached):
    made, batch = attached
    made.hparams.adversarial_weight = made.hparams.feature_weight = 0.0
    with_discriminator = gradients(made, made.training_step(batch, 0))
    audio = pieces(batch, made.codec.hop)
    loss = made.distance(made.noisy_round_trip(audio), audio, made.window())
    for name, gradient in gradients(made, loss).items():
        torch.testing.assert_close(gradient, with_discriminator[name], msg=name)


def test_codec_keeps_its_place_in_checkpoints():
    plain, adversarial = AutoencoderModule(CODEC), module()
    kept = {name for name in adversarial.state_dict() if name.startswith("codec.")}
    assert kept == set(plain.state_dict()), "so that either run can become a model folder"
    assert dict(adversarial.hparams)["codec"] == CODEC and dict(adversarial.hparams)["discriminator"] == DISCRIMINATOR
    assert set(dict(plain.hparams)) == {"codec", "learning_rate", "warmup_steps", "steps", "noise", "start"}
