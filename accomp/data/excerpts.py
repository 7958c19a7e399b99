"""Excerpts of songs: what the other musicians play, what the stem in question plays, and where the beats are.

Item i is drawn from (seed, i) alone, so that it is the same for any batch size, worker count or order, and a run that
was killed continues on exactly the next item. The seed of a validation excerpt never changes.
"""

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from torch.utils.data import Dataset, Sampler

from accomp.beat.clock import clock_features
from accomp.beat.grid import BeatGrid
from accomp.codec.spectrum import PITCHES
from accomp.codec.transcriber import DRUMS
from accomp.data.beats import track_grid
from accomp.data.notes import Notes, note_roll, read_notes
from accomp.data.tiles import Tiles
from accomp.data.track import Track
from accomp.data.vary import Variation
from accomp.errors import UserError
from accomp.timeline import SAMPLE_RATE

log = logging.getLogger(__name__)

MARGIN = 4096  # samples on either side of an excerpt that is stretched, as the stretcher needs sound before the excerpt


@dataclass(frozen=True)
class Recipe:
    """How excerpts are varied in training. The defaults are the paper's: nothing but a random place in a random song.

    Gain, pitch and tempo change the sound itself: latents have them from their encoding (`accomp.data.latents
    --variants`). The place of the live edge is not part of this: the module draws it for every excerpt
    (`module.conditioner.draw`).
    """

    gain_db: float = 0.0  # the level is drawn from +- this
    pitch: int = 0  # semitones: the key is drawn from +- this
    tempo: float = 0.0  # the tempo is drawn from 1 +- this, times the song's own
    submix: float = 0.0  # probability that the context is a random non-empty subset of the other stems, not all of them
    silence: float = 0.0  # probability that the context is silent
    stem_dropout: float = 0.0  # probability of each other stem to be missing from the whole excerpt; one always stays
    # Of audio excerpts alone:
    tiled: bool = False  # windows laid end to end over all songs and moved by up to half a window (`accomp.data.tiles`)
    silent_targets: bool = False  # the target is drawn from all stems, also from those that do not play in the song
    length_s: tuple[float, float] | None = None  # of the songs that are used: at least, and less than

    def __post_init__(self):
        if self.tiled and self.tempo:
            raise UserError("recipe: tiled windows have the tempo of their song; set data.recipe.tempo=0")
        if not 0 <= self.tempo < 1 or self.pitch < 0 or self.pitch % 1 or self.gain_db < 0:
            raise UserError(f"recipe: tempo must lie in [0, 1), gain_db be at least 0, pitch 0, 1, 2, ...; got {self}")

    def plain(self) -> "Recipe":
        """The same choice of songs and targets without variations, to validate on."""
        return Recipe(silent_targets=self.silent_targets, length_s=self.length_s)

    def fits(self, samples: int) -> bool:
        """Whether songs of this length are used."""
        return self.length_s is None or self.length_s[0] <= samples / SAMPLE_RATE < self.length_s[1]

    def context_stems(self, target: str, present: Sequence[str], rng: np.random.Generator) -> list[str]:
        """Which stems the context holds: a subset of those present, without the target."""
        others = [stem for stem in present if stem != target]
        if rng.random() < self.silence or not others:
            return []
        if rng.random() < self.submix:
            others = _some(others, 0.5, rng)
        if self.stem_dropout:
            others = _some(others, 1 - self.stem_dropout, rng)
        return others

    def variation(self, *key: int) -> Variation:
        """Key, tempo and level, drawn from the key alone."""
        rng = np.random.default_rng(key)
        semitones = float(rng.integers(-int(self.pitch), int(self.pitch) + 1))
        speed = float(rng.uniform(1 - self.tempo, 1 + self.tempo))
        return Variation(semitones, speed, float(10 ** (rng.uniform(-self.gain_db, self.gain_db) / 20)))


def _some(stems: Sequence[str], probability: float, rng: np.random.Generator) -> list[str]:
    """Each stem with this probability, and one in any case."""
    kept = rng.random(len(stems)) < probability
    kept[rng.integers(len(stems))] = True
    return [stem for stem, stays in zip(stems, kept, strict=True) if stays]


def usable(tracks: Sequence, fits: Callable[..., bool], need: str) -> list:
    """The tracks that fit; says how many do not, and raises UserError when none does."""
    kept = [track for track in tracks if fits(track)]
    if not kept:
        raise UserError(f"no track {need}; choose shorter excerpts, or a larger set")
    if len(kept) < len(tracks):
        log.warning("%d of %d tracks are not used: a track must be one that %s", len(tracks) - len(kept), len(tracks), need)
    return kept


def clock_of(grid: BeatGrid, start: int, frames: int, hop: float, speed: float = 1.0) -> np.ndarray:
    """The clock (CLOCK_FEATURES, T) of every `hop` samples of an excerpt that begins at sample `start` of the song."""
    beat, bar, period_s = grid.phase((start + np.arange(frames) * hop * speed) / SAMPLE_RATE)
    return clock_features(beat, bar, period_s / speed)


class AudioExcerpts(Dataset):
    """Excerpts as audio: `context` and `target` (N,) float32, `stem`, and from the MIDI `clock` (CLOCK_FEATURES, N //
    hop) and `rolls` (2, keys and drums, N // hop) of context and target, NaN where unknown
    (`accomp.data.notes.note_roll`).

    `stem` is the index of the target among all classes of the data set. Silence that was rendered is a part like any other.
    """

    def __init__(self, tracks: Sequence[Track], samples: int, seed: int, recipe: Recipe = Recipe(), hop: int = 2048):
        shortest = math.ceil(samples * (1 + recipe.tempo))
        need = f"is as long as an excerpt of {samples} samples (data.samples) and within data.recipe.length_s"
        self.tracks = usable(tracks, lambda track: track.samples >= shortest and recipe.fits(track.samples), need)
        self.tiles = Tiles([track.samples for track in self.tracks], samples) if recipe.tiled else None
        self.samples, self.seed, self.recipe, self.hop = samples, seed, recipe, hop
        self.grids: dict[str, BeatGrid] = {}  # read when first asked for: Slakh has 1,289 songs to train on
        self.notes: dict[tuple[str, str], Notes | None] = {}

    def __getitem__(self, index: int) -> dict:
        rng = np.random.default_rng((self.seed, index))
        variation = self.recipe.variation(self.seed, index, 1)
        span = round(self.samples * variation.speed)
        if self.tiles is None:
            track = self.tracks[rng.integers(len(self.tracks))]
            start = int(rng.integers(track.samples - span + 1))
        else:
            song, start = self.tiles.place(index, self.seed)
            track = self.tracks[song]
        present, classes = track.stems, list(track.stem_files)
        choice = classes if self.recipe.silent_targets else present
        target = choice[rng.integers(len(choice))]
        context = self.recipe.context_stems(target, present, rng)
        return {
            "context": self._read(track, context, start, span, variation),
            "target": self._read(track, [target], start, span, variation),
            "stem": classes.index(target),
            "clock": clock_of(self._grid(track), start, self.samples // self.hop, self.hop, variation.speed),
            "rolls": np.stack([self._roll(track, stems, start, variation) for stems in (context, [target])]),
        }

    def _read(self, track: Track, stems: Sequence[str], start: int, span: int, variation: Variation) -> np.ndarray:
        """The sum of some stems, varied: (samples,)."""
        margin = 0 if variation == Variation(gain=variation.gain) else MARGIN
        left, right = max(start - margin, 0), min(start + span + margin, track.samples)
        total = np.zeros(self.samples, np.float32)
        for kind in (True, False):  # drums are varied by themselves: they keep their pitch
            if playing := [stem for stem in stems if (stem == "drums") == kind]:
                audio = variation.apply(sum(track.read(stem, left, right) for stem in playing), kind)
                skip = round((start - left) / variation.speed)
                audio = audio[skip : skip + self.samples]
                total[: len(audio)] += audio
        return total

    def _roll(self, track: Track, stems: Sequence[str], start: int, variation: Variation) -> np.ndarray:
        """The keys and strokes of some stems together."""
        frames, second = self.samples // self.hop, variation.speed / SAMPLE_RATE
        roll = np.zeros((PITCHES + len(DRUMS), frames), np.float32)
        for stem in stems:
            if (key := (str(track.path), stem)) not in self.notes:
                self.notes[key] = read_notes(track, stem)
            if self.notes[key] is None:
                return np.full_like(roll, np.nan)
            shift = 0 if stem == "drums" else round(variation.semitones)
            of_stem = note_roll(self.notes[key], start / SAMPLE_RATE, frames, self.hop * second, shift)
            roll = np.maximum(roll, of_stem)
        return roll

    def _grid(self, track: Track) -> BeatGrid:
        if str(track.path) not in self.grids:
            self.grids[str(track.path)] = track_grid(track) or BeatGrid(np.zeros(0), np.zeros(0))
        return self.grids[str(track.path)]


class SeededStream(Sampler[int]):
    """Item numbers 0, 1, 2, ... without end, in epochs of `length`, shared among ranks in turn.

    `consumed()` says how many items all ranks have used so far: asked at the start of every epoch, so that a run
    resumed from a checkpoint goes on with the next item and not with the first.
    """

    def __init__(self, length: int, consumed: Callable[[], int] = lambda: 0, rank: int = 0, world: int = 1):
        self.length, self.consumed, self.rank, self.world = length, consumed, rank, world

    def __len__(self) -> int:
        return self.length // self.world

    def __iter__(self) -> Iterator[int]:
        start = self.consumed() + self.rank
        return iter(range(start, start + self.length, self.world))
