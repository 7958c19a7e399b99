"""The one DataModule that the autoencoder, the diffusion model and the student share."""

from pathlib import Path

import lightning as L
from torch.utils.data import DataLoader, Dataset

from accomp.data.excerpts import AudioExcerpts, Recipe, SeededStream
from accomp.data.latents import LatentExcerpts, LatentStore
from accomp.data.slakh import find_tracks
from accomp.errors import UserError


class ResumableLoader(DataLoader):
    """A loader that has nothing to remember: where to go on is known from the steps taken (see `SeededStream`).

    Lightning asks for these two methods before it resumes in the middle of an epoch.
    """

    def state_dict(self) -> dict:
        return {}

    def load_state_dict(self, state: dict) -> None:
        pass


class SlakhDataModule(L.LightningDataModule):
    """Deals excerpts of a Slakh2100-shaped data set, as audio or as latents encoded once.

    Args:
        root: the data set's folder (train/, validation/ and test/ inside)
        samples: length of an audio excerpt; set it for audio
        latents: folder of latents made by `python -m accomp.data.latents`; set it for latents
        sets: names of the sets among the latents that are used (None: all that this codec has encoded)
        frames: length of a latent excerpt
        splits, on_bad: see `accomp.data.slakh.find_tracks`
        epoch_items: training excerpts per epoch (a reporting unit: excerpts are drawn for ever, never repeated)
        validation_items: validation excerpts, the same ones every time
        recipe: augmentation of the training excerpts
    """

    def __init__(
        self,
        root: str,
        batch_size: int,
        samples: int | None = None,
        latents: str | None = None,
        sets: list[str] | None = None,
        frames: int | None = None,
        splits: str = "redux",
        on_bad: str = "refuse",
        epoch_items: int = 8192,
        validation_items: int = 64,
        recipe: dict | None = None,
        workers: int = 1,
        seed: int = 0,
    ):
        super().__init__()
        if (samples is None) == (latents is None):
            raise UserError("give either `samples` (audio excerpts) or `latents` (and `frames`)")
        self.save_hyperparameters()

    def excerpts(self, split: str) -> Dataset:
        """The excerpts of a split: varied by the recipe in training, plain and fixed otherwise."""
        h = self.hparams
        recipe = Recipe(**(h.recipe or {})) if split == "train" else Recipe()
        seed = h.seed if split == "train" else 1_000_003
        if h.latents is not None:
            return LatentExcerpts(LatentStore(Path(h.latents), split, h.sets), h.frames, seed, recipe)
        return AudioExcerpts(find_tracks(Path(h.root), split, h.splits, on_bad=h.on_bad), h.samples, seed, recipe)

    def train_dataloader(self) -> DataLoader:
        h, trainer = self.hparams, self.trainer
        per_step = h.batch_size * trainer.accumulate_grad_batches * trainer.world_size
        sampler = SeededStream(
            h.epoch_items, lambda: trainer.global_step * per_step, trainer.global_rank, trainer.world_size
        )
        return self.loader(self.excerpts("train"), sampler, drop_last=True)

    def val_dataloader(self) -> DataLoader:
        return self.loader(self.excerpts("validation"), SeededStream(self.hparams.validation_items))

    def loader(self, dataset: Dataset, sampler: SeededStream, **options) -> DataLoader:
        """Batches of a dataset in the sampler's order, made by `workers` processes."""
        h = self.hparams
        return ResumableLoader(
            dataset, h.batch_size, sampler=sampler, num_workers=h.workers, persistent_workers=h.workers > 0, **options
        )
