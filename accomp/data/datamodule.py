"""The one DataModule that the autoencoder, the diffusion model and the student share."""

import signal
from collections.abc import Iterator
from pathlib import Path

import lightning as L
from torch.utils.data import DataLoader, Dataset

from accomp.data.classes import Asked
from accomp.data.excerpts import AudioExcerpts, Recipe, SeededStream
from accomp.data.expectation import Expectation
from accomp.data.latent_excerpts import LatentExcerpts, LatentStore, set_name
from accomp.data.living_latents import Living, LivingExcerpts
from accomp.data.slakh import find_tracks
from accomp.errors import UserError
from accomp.timeline import SAMPLE_RATE, check_rate

GRACE_S = 30  # after SIGTERM; queues kill what is still there by then


class ResumableLoader(DataLoader):
    """A loader without state of its own: the next item follows from the number of batches trained on (see `SeededStream`).

    Lightning asks for two methods before it resumes in the middle of an epoch. A user's error in a worker process comes
    out as the one line it was.
    """

    def __iter__(self) -> Iterator:
        try:
            yield from super().__iter__()
        except UserError as error:  # torch wraps it into the worker's traceback
            line = str(error).strip().splitlines()[-1].removeprefix("accomp.errors.UserError: ")
            self._iterator = error.__traceback__ = None  # an iterator that is still referenced keeps its workers alive
            raise UserError(line) from None

    def state_dict(self) -> dict:
        return {}

    def load_state_dict(self, state: dict) -> None:
        pass


class SlakhDataModule(L.LightningDataModule):
    """Excerpts of a Slakh2100-shaped data set, as audio or as latents encoded once.

    Args:
        root: the data set's folder (train/, validation/ and test/ inside)
        samples: length of an audio excerpt; set it for audio
        latents: folder of latents made by `python -m accomp.data.latents`; set it for latents
        sets: which encoded sets are used, by name: one or several (None: the one of `root` and `splits`)
        frames: length of a latent excerpt
        hop: samples per column of an audio excerpt's clock
        splits, on_bad, stems: see `accomp.data.slakh.find_tracks`
        sample_rate: of the sound in Hz; it must be that of the process (`accomp.timeline`)
        epoch_items: training excerpts per epoch (a reporting unit: excerpts are drawn without end, never repeated)
        validation_items: validation excerpts, the same ones every time
        recipe: augmentation of the training excerpts
        pin_memory: batches in memory from which a GPU copies faster
        plan: how the plan of latent excerpts is drawn, see `accomp.data.expectation` (None: they have none)
        living: excerpts for a beat tracker, of latents that are notes, as a living player plays: see
            `accomp.data.living_latents` (None: as the songs are)
    """

    def __init__(
        self,
        root: str,
        batch_size: int,
        samples: int | None = None,
        latents: str | None = None,
        sets: list[str] | str | None = None,
        frames: int | None = None,
        hop: int = 2048,
        splits: str = "redux",
        on_bad: str = "refuse",
        epoch_items: int = 8192,
        validation_items: int = 64,
        recipe: dict | None = None,
        plan: dict | None = None,
        living: dict | None = None,
        workers: int = 1,
        seed: int = 0,
        stems: Asked | None = None,
        sample_rate: int = SAMPLE_RATE,
        pin_memory: bool = False,
    ):
        super().__init__()
        check_rate(sample_rate, "data.sample_rate")
        if (samples is None) == (latents is None):
            raise UserError("give either data.samples (audio excerpts) or data.latents (and data.frames)")
        if (latents is None) != (frames is None):
            raise UserError("data.latents and data.frames belong together: give both, or neither")
        self.save_hyperparameters()
        self.codec: str | None = None  # whose latents are read

    def state_dict(self) -> dict:
        """What a checkpoint must tell: latents of another codec mean nothing to a network trained on these."""
        return {"codec": self.codec}

    def load_state_dict(self, state: dict) -> None:
        """Refuse (UserError) to go on with the latents of another codec than those of the run so far."""
        before = state.get("codec")
        now = self.codec or (self.hparams.latents and self.store("train").codec)
        if before and now and before != now:
            raise UserError(f"this run was begun on latents of codec {before}, data.latents are of {now}; choose another name=")

    def store(self, split: str) -> LatentStore:
        """The latents of a split."""
        h = self.hparams
        sets = h.sets or set_name(Path(h.root), h.splits)
        return LatentStore(Path(h.latents), split, [sets] if isinstance(sets, str) else sets)

    def excerpts(self, split: str) -> Dataset:
        """The excerpts of a split: varied by the recipe in training, plain and fixed otherwise."""
        h = self.hparams
        recipe = Recipe(**(h.recipe or {}))
        recipe = recipe if split == "train" else recipe.plain()
        seed = h.seed if split == "train" else 1_000_003
        if h.latents is not None:
            store = self.store(split)
            self.codec = store.codec
            if h.living is not None:
                return LivingExcerpts(store, h.frames, seed, Living(**h.living))
            plan = None if h.plan is None else Expectation(**h.plan)
            return LatentExcerpts(store, h.frames, seed, recipe, plan)
        tracks = find_tracks(Path(h.root), split, h.splits, on_bad=h.on_bad, stems=h.stems)
        return AudioExcerpts(tracks, h.samples, seed, recipe, h.hop)

    def train_dataloader(self) -> DataLoader:
        h, trainer = self.hparams, self.trainer
        # Batches, not steps: with gradients accumulated, the last step of an epoch may hold fewer batches than the others.
        sampler = SeededStream(
            h.epoch_items,
            lambda: trainer.fit_loop.epoch_loop.batch_progress.total.processed * h.batch_size * trainer.world_size,
            trainer.global_rank,
            trainer.world_size,
        )
        return self.loader(self.excerpts("train"), sampler, drop_last=True)

    def val_dataloader(self) -> DataLoader:
        return self.loader(self.excerpts("validation"), SeededStream(self.hparams.validation_items))

    def loader(self, dataset: Dataset, sampler: SeededStream, **options) -> DataLoader:
        """Batches of a dataset in the sampler's order, made by `workers` processes."""
        h = self.hparams
        return ResumableLoader(
            dataset,
            h.batch_size,
            sampler=sampler,
            num_workers=h.workers,
            pin_memory=h.pin_memory,
            persistent_workers=h.workers > 0,
            worker_init_fn=_finish_after_sigterm,
            **options,
        )


def _finish_after_sigterm(worker: int) -> None:
    """A queue that preempts a job signals its workers too, but the step that is being made still needs them.

    Not for ever: when a process ends, it sends SIGTERM to the workers that it has forgotten, and waits for them.
    """
    signal.signal(signal.SIGTERM, lambda *_: signal.alarm(GRACE_S))
