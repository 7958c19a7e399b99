"""Random generators of training, seeded by numbers alone, so that a resumed run draws the same numbers again."""

import lightning as L
import torch


def seeded_generator(key: int) -> torch.Generator:
    """Generator seeded by an integer, which may be negative down to -2^40."""
    return torch.Generator().manual_seed(2**40 + key)


def step_generator(module: L.LightningModule, index: int) -> torch.Generator:
    """Generator of batch `index` of an epoch, seeded by optimiser step, rank and place in the accumulated batch.

    No two batches of a run share it.
    """
    trainer = module.trainer
    place = index % trainer.accumulate_grad_batches
    step = module.global_step * trainer.world_size + module.global_rank
    return seeded_generator(step * trainer.accumulate_grad_batches + place)
