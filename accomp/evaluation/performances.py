"""What is to be judged: the model's answers in every regime, and four honest rows to read them against.

`truth` is the recording itself, `codec` the recording through the model's codec (as well as a model on it can sound),
`random_pairing` the same instrument from another song, `silence` nothing at all. All audio is written below one folder,
one file per answer, and what is already there is not made again.
"""

import json
import logging
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
import yaml
from tqdm import tqdm

from accomp import audio
from accomp.beat.clock import Clock, GridClock, NoClock
from accomp.checkpoint import Model
from accomp.errors import UserError
from accomp.evaluation.report import write_text
from accomp.evaluation.settings import Regime, Settings
from accomp.evaluation.songs import Song
from accomp.stream.rollout import rollout
from accomp.stream.streamer import Streamer

log = logging.getLogger(__name__)
BASELINES = ("truth", "codec", "random_pairing", "silence")


@dataclass(frozen=True)
class Row:
    """A line of the table: who plays, and, for a model, in which regime."""

    model: str
    regime: Regime | None = None

    @property
    def folder(self) -> Path:
        return Path(self.model) / self.regime.name if self.regime else Path(self.model)


@dataclass(frozen=True)
class Shelf:
    """Where the audio of an evaluation lies."""

    root: Path

    def answer(self, row: Row, song: Song, stem: str, seed: int) -> Path:
        return self.root / row.folder / song.name / f"{stem}.s{seed}.wav"

    def timings(self, row: Row, song: Song, seed: int) -> Path:
        return self.root / row.folder / song.name / f"timings.s{seed}.json"


def rows(settings: Settings, model: Model) -> list[Row]:
    label = model.name if settings.clock == "model" else f"{model.name}+{settings.clock}"
    return [Row(label, regime) for regime in settings.regimes] + [Row(name) for name in BASELINES]


def seeds_of(row: Row, settings: Settings) -> list[int]:
    """A recording is the same for every seed: once is enough."""
    return settings.seeds if row.regime else settings.seeds[:1]


def prepare(shelf: Shelf, settings: Settings) -> None:
    """Make sure that audio found on the shelf was made with these settings. Raises UserError otherwise."""
    files = [Path(settings.model) / "config.yaml", *sorted(Path(settings.model).glob("*.safetensors"))]
    wanted = {
        "model": {path.name: _fingerprint(path) for path in files},
        "sampler": settings.sampler,
        "data": vars(settings.data),
        "seconds": settings.seconds,
        "overlap": settings.overlap,
    }
    record = shelf.root / "settings.yaml"
    if record.is_file():
        found = yaml.safe_load(record.read_text())
        different = [key for key in wanted if found.get(key) != wanted[key]]
        if different:
            raise UserError(
                f"{shelf.root} holds audio made with another {' and '.join(different)}: choose another name=..., or "
                "delete that folder"
            )
        return
    write_text(record, yaml.safe_dump(wanted))


def perform(settings: Settings, model: Model, songs: Sequence[Song], shelf: Shelf) -> None:
    """Play everything that is not yet on the shelf, with a progress bar."""
    todo = [(row, song, seed) for row in rows(settings, model) for song in songs for seed in seeds_of(row, settings)]
    for row, song, seed in tqdm(todo, desc="playing", unit="song"):
        if all(shelf.answer(row, song, stem, seed).is_file() for stem in song.stems):
            continue
        answers = _roll(settings, model, row, song, seed, shelf) if row.regime else _baseline(row.model, model, song)
        for stem, samples in zip(song.stems, answers, strict=True):
            audio.write(shelf.answer(row, song, stem, seed), samples)


def _roll(settings: Settings, model: Model, row: Row, song: Song, seed: int, shelf: Shelf) -> np.ndarray:
    """All stems of a song at once, each against its own context, as separate voices of one player."""
    # The seed of an excerpt depends on nothing but the excerpt, so that sweeps over regimes are paired.
    seeds = [zlib.crc32(f"{song.name} {song.start} {stem} {seed}".encode()) for stem in song.stems]
    streamer = Streamer(
        model, song.stems, sampler=settings.sampler, seed=seeds, clock=_clock(settings.clock, model, song)
    )
    played = rollout(streamer, np.stack(list(song.context.values())), row.regime.step, settings.overlap)
    write_text(shelf.timings(row, song, seed), json.dumps(played.timings))
    return played.audio


def _clock(name: str, model: Model, song: Song) -> Clock | None:
    """None leaves the choice to the model, which has a beat tracker of its own."""
    if name == "model":
        return None
    if name == "none":
        return NoClock()
    if song.grid is None:
        raise UserError(f"{song.name} has no MIDI file, so clock=score cannot know its beats; use clock=model")
    return GridClock([song.grid] * len(song.stems), model.codec.hop)


def _baseline(name: str, model: Model, song: Song) -> Iterator[np.ndarray]:
    for stem, truth in song.truth.items():
        if name == "truth":
            yield truth
        elif name == "codec":
            yield round_trip(model, truth)
        elif name == "random_pairing":
            yield song.partners[stem]
        else:
            yield np.zeros_like(truth)


@torch.inference_mode()
def round_trip(model: Model, samples: np.ndarray) -> np.ndarray:
    """Audio (N,) through the codec and back, (N,), its last incomplete frame included."""
    hop = model.codec.hop
    whole = np.pad(samples, (0, -len(samples) % hop))
    latents = model.codec.encode(torch.from_numpy(whole)[None].to(model.device))
    return model.codec.decode(latents)[0, : len(samples)].cpu().numpy()


def _fingerprint(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()[:16]
