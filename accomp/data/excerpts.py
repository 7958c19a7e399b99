"""Excerpts of songs: what the other musicians play, what the stem in question plays, and where the beats are.

Item i is drawn from (seed, i) alone, so that it is the same for any batch size, worker count or order, and a run that was
killed continues on exactly the next item. The seed of a validation excerpt never changes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from torch.utils.data import Dataset, Sampler

from accomp.data.slakh import Track
from accomp.errors import UserError
from accomp.timeline import STEMS


@dataclass(frozen=True)
class Recipe:
    """How excerpts are varied in training. The defaults are the paper's: nothing but a random place in a random song.

    Where the live edge lies is no part of this: `accomp.window.PlayingDraw` draws it anew for every excerpt, anywhere
    from the window's end to far before the target, so that shifting excerpts in time as well would add nothing. Pitch and
    tempo are changed where that is exact, in the MIDI, when a band is built (`accomp.data.band midi --variants`).
    """

    gain_db: float = 0.0  # excerpt level is drawn from +- this
    submix: float = 0.0  # probability that the context is a random non-empty subset of the other stems, not all of them
    silence: float = 0.0  # probability that the context is silent: a player who lays out
    stem_dropout: float = 0.0  # probability of each other stem to be missing from the whole excerpt; one always stays

    def context_stems(self, target: str, present: Sequence[str], rng: np.random.Generator) -> list[str]:
        """Which stems the context holds: a subset of those present, without the target."""
        others = [stem for stem in present if stem != target]
        if rng.random() < self.silence or not others:
            return []
        if rng.random() < self.submix:
            keep = rng.random(len(others)) < 0.5
            keep[rng.integers(len(others))] = True
            others = [stem for stem, kept in zip(others, keep, strict=True) if kept]
        if self.stem_dropout:
            missing = rng.random(len(others)) < self.stem_dropout
            missing[rng.integers(len(others))] = False
            others = [stem for stem, gone in zip(others, missing, strict=True) if not gone]
        return others

    def gain(self, rng: np.random.Generator) -> float:
        return float(10 ** (rng.uniform(-self.gain_db, self.gain_db) / 20))


class AudioExcerpts(Dataset):
    """Excerpts as audio: `context` and `target` (N,) float32 and `stem`, the index of the target in STEMS."""

    def __init__(self, tracks: Sequence[Track], samples: int, seed: int, recipe: Recipe = Recipe()):
        self.tracks = [track for track in tracks if track.samples >= samples]
        if not self.tracks:
            raise UserError(f"no track is as long as an excerpt of {samples} samples; shorten it (data.samples)")
        self.samples, self.seed, self.recipe = samples, seed, recipe

    def __getitem__(self, index: int) -> dict:
        rng = np.random.default_rng((self.seed, index))
        track = self.tracks[rng.integers(len(self.tracks))]
        start = int(rng.integers(track.samples - self.samples + 1))
        present = [stem for stem in STEMS if track.stem_files[stem]]
        target = present[rng.integers(len(present))]
        gain = self.recipe.gain(rng)
        context = np.zeros(self.samples, np.float32)
        for stem in self.recipe.context_stems(target, present, rng):
            context += track.read(stem, start, start + self.samples)
        return {
            "context": context * gain,
            "target": track.read(target, start, start + self.samples) * gain,
            "stem": STEMS.index(target),
        }


class SeededStream(Sampler[int]):
    """Item numbers 0, 1, 2, ... for ever, dealt out in epochs of `length`, and among ranks by turns.

    `consumed()` says how many items all ranks have used so far: asked at the start of every epoch, so that a run resumed
    from a checkpoint goes on with the next item and not with the first.
    """

    def __init__(self, length: int, consumed=lambda: 0, rank: int = 0, world: int = 1):
        self.length, self.consumed, self.rank, self.world = length, consumed, rank, world

    def __len__(self) -> int:
        return self.length // self.world

    def __iter__(self) -> Iterator[int]:
        start = self.consumed() + self.rank
        return iter(range(start, start + self.length, self.world))
