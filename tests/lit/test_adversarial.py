"""A few steps with a discriminator: which loss moves which weights, and what a checkpoint holds."""

import lightning as L
import pytest
import torch
from tiny_model import CODEC
from torch.utils.data import DataLoader

from accomp.codec.autoencoder import Autoencoder
from accomp.codec.discriminator import StftDiscriminator
from accomp.lit.adversarial import AdversarialAutoencoderModule
from accomp.lit.autoencoder import AutoencoderModule
from accomp.lit.seeds import seeded_generator

DISCRIMINATOR = {"windows": [256, 512], "width": 4, "layers": 2}
SAMPLES = 16_384
QUIET = {"accelerator": "cpu", "logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
QUIET |= {"enable_model_summary": False}


def batches(count: int) -> DataLoader:
    generator = torch.Generator().manual_seed(0)
    noise = [0.1 * torch.randn(2, 2, SAMPLES, generator=generator) for _ in range(count)]
    return DataLoader([{"context": a, "target": b} for a, b in noise], batch_size=None)


def fit(module: L.LightningModule, steps: int, precision: str = "32-true") -> L.Trainer:
    trainer = L.Trainer(max_steps=steps, precision=precision, gradient_clip_val=1.0, **QUIET)
    trainer.fit(module, batches(steps))
    return trainer


def module(**options) -> AdversarialAutoencoderModule:
    torch.manual_seed(0)
    return AdversarialAutoencoderModule(Autoencoder(**CODEC), StftDiscriminator(**DISCRIMINATOR), steps=10, **options)


@pytest.fixture
def attached():
    """A module as it is in the middle of a run, and its batch."""
    made = module(noise=0.0, adversarial_weight=1.0, feature_weight=1.0)
    fit(made, 1)
    made.codec.eval()  # so that the codec's running statistics do not change
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
    assert (full["codec.out.weight"] - plain["codec.out.weight"]).abs().max() > 0.1 * full["codec.out.weight"].abs().max()


def test_without_weight_the_codec_trains_as_without_a_discriminator(attached):
    made, batch = attached
    made.hparams.adversarial_weight = made.hparams.feature_weight = 0.0
    adversarial = gradients(made, made.training_step(batch, 0))
    (loss,) = AutoencoderModule.measure(made, batch, seeded_generator(0))[0].values()
    for name, gradient in gradients(made, loss).items():
        torch.testing.assert_close(gradient, adversarial[name], msg=name)


def test_codec_keeps_its_place_in_checkpoints():
    plain, adversarial = AutoencoderModule(Autoencoder(**CODEC)), module()
    kept = {name for name in adversarial.state_dict() if name.startswith("codec.")}
    assert kept == set(plain.state_dict()), "so that either run can become a model folder"


def test_micro_batches_of_one_step_have_noise_of_their_own():
    """The same audio in four batches, two per optimiser step: the decoder is given four different latents."""
    torch.manual_seed(0)
    plain, given = AutoencoderModule(Autoencoder(**CODEC), learning_rate=0.0, noise=0.5), []
    decode = plain.codec.decode
    plain.codec.decode = lambda latents: given.append(latents.detach()) or decode(latents)
    same = [next(iter(batches(1)))] * 4
    trainer = L.Trainer(accumulate_grad_batches=2, max_steps=2, **QUIET)
    trainer.fit(plain, DataLoader(same, batch_size=None))
    assert trainer.global_step == 2 and len(given) == 4
    assert len({float(latents.sum()) for latents in given}) == 4


def test_noise_neither_draws_from_the_global_generator_nor_seeds_it():
    plain = AutoencoderModule(Autoencoder(**CODEC))
    before = torch.get_rng_state()
    plain.noisy(torch.zeros(2, 8, 16), seeded_generator(0))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_run_begins_with_the_weights_of_another(tmp_path):
    """With a discriminator too, from a run that had none."""
    first = AutoencoderModule(Autoencoder(**CODEC))
    (tmp_path / "checkpoints").mkdir()
    torch.save({"state_dict": first.state_dict()}, tmp_path / "checkpoints/last.ckpt")
    second = module(start=str(tmp_path))
    assert second.codec.training
    for name, value in first.codec.state_dict().items():
        assert torch.equal(value, second.codec.state_dict()[name]), name
