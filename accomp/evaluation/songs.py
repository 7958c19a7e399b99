"""The songs to be played along with: every stem, every context and the beats of the same stretch of music."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from accomp.audio import is_silent
from accomp.beat.chords import BeatChords
from accomp.beat.grid import BeatGrid
from accomp.data.beats import track_grid
from accomp.data.chords import track_chords
from accomp.data.slakh import find_tracks
from accomp.data.track import Track
from accomp.errors import UserError
from accomp.timeline import SAMPLE_RATE, to_samples, to_seconds

log = logging.getLogger(__name__)


@dataclass
class Data:
    """Which data set, and which songs of it."""

    root: str = "data/band"
    split: str = "test"
    sample_rate: int = SAMPLE_RATE
    splits: str = "redux"
    stems: Any = None  # the classes of instruments that the data has, see `accomp.data.classes`; None: the four
    on_bad: str = "refuse"
    length_s: list[float] | None = None  # of the songs that are used: at least, and less than


class Sounds(Mapping[str, np.ndarray]):
    """What is heard for each stem, (N,) float32: read from disk whenever it is asked for, the last one kept.

    A whole test set does not fit into memory, and processes that score it are given where it lies.
    """

    def __init__(self, sources: dict[str, Sequence["Source"]], samples: int):
        self.sources, self.samples = sources, samples
        self.last: tuple[str, np.ndarray] | None = None

    def __getitem__(self, stem: str) -> np.ndarray:
        sources, last = self.sources[stem], self.last
        if last is None or last[0] != stem:
            audio = sum((source.read() for source in sources), np.zeros(self.samples, np.float32))
            self.last = last = stem, audio
        return last[1]

    def __iter__(self) -> Iterator[str]:
        return iter(self.sources)

    def __len__(self) -> int:
        return len(self.sources)

    def __getstate__(self) -> dict:
        return self.__dict__ | {"last": None}


@dataclass(frozen=True)
class Source:
    """A stem of a track from sample `start` on, over and over to a length of `samples` where the track ends before."""

    track: Track
    stem: str
    start: int
    samples: int

    def read(self) -> np.ndarray:
        stop = min(self.start + self.samples, self.track.samples)
        return np.resize(self.track.read(self.stem, self.start, stop), self.samples)


@dataclass(frozen=True)
class Song:
    """A stretch of a track, of which all is played and what follows the first `lead` samples is scored. `truth` maps
    the stems asked for that really play in it to (N,) float32.

    `context` maps the same stems to the sum of all other stems; `grid` holds the beats of the score and `chords` the
    chords of its notes, counted from the stretch's first sample, or None where there is no score; `partners` maps the same
    stems to what that instrument plays in another track.
    """

    name: str
    start: int
    truth: Mapping[str, np.ndarray]
    context: Mapping[str, np.ndarray]
    partners: Mapping[str, np.ndarray]
    grid: BeatGrid | None
    chords: BeatChords | None
    lead: int = 0

    @property
    def stems(self) -> tuple[str, ...]:
        return tuple(self.truth)

    @property
    def samples(self) -> int:
        truth = self.truth
        return truth.samples if isinstance(truth, Sounds) else len(next(iter(truth.values())))

    def beats_until(self, samples: int) -> np.ndarray | None:
        """Beats of the score between `lead` and the first `samples` of the stretch, in seconds from `lead` on."""
        return None if self.grid is None else _within(self.grid.beats_s, self.lead, samples)

    def downbeats_until(self, samples: int) -> np.ndarray | None:
        """Those beats that begin a bar."""
        return None if self.grid is None else _within(self.grid.downbeats_s, self.lead, samples)


def _within(seconds: np.ndarray, first: int, last: int) -> np.ndarray:
    return seconds[(seconds >= to_seconds(first)) & (seconds < to_seconds(last))] - to_seconds(first)


@dataclass(frozen=True)
class Choice:
    """Which songs of a data set are played: at most `tracks`, of these `names`, and of those the `shard` of `shards`."""

    tracks: int | None = None
    names: Sequence[str] | None = None
    shard: int | None = None
    shards: int = 1

    def of(self, found: Sequence[Track]) -> list[int]:
        """Numbers of the tracks that are chosen. Raises UserError when a name is not there."""
        known = {track.name: i for i, track in enumerate(found)}
        if self.names is not None and (absent := set(self.names) - known.keys()):
            raise UserError(f"songs={sorted(absent)}: not in the data set; it has {', '.join(known)}"[:500])
        chosen = list(known.values()) if self.names is None else [known[name] for name in self.names]
        return chosen[: self.tracks][self.shard or 0 :: self.shards if self.shard is not None else 1]


def load_songs(data: Data, stems: Sequence[str], choice: Choice, seconds: float | None, listen: float = 0.0) -> list[Song]:
    """The middle `seconds` of the tracks chosen (None: everything), and `listen` seconds before them.

    Tracks that are shorter than both together are left out when `listen` is positive; so are stems that are silent there.
    Both are named in the log. Raises UserError when nothing is left, unless these are the songs of a shard.
    """
    found = find_tracks(Path(data.root), data.split, data.splits, on_bad=data.on_bad, stems=data.stems)
    if data.length_s is not None:
        shortest, longest = data.length_s
        found = [track for track in found if shortest <= to_seconds(track.samples) < longest]
    songs = []
    for i in tqdm(choice.of(found), desc="songs", unit="song", disable=None, leave=False):
        if listen and found[i].samples < to_samples(listen + (seconds or 0)):
            log.info("%s: shorter than the %g s to be heard and scored, left out", found[i].name, listen + (seconds or 0))
            continue
        song = _load(found, i, stems, None if seconds is None else seconds + listen, to_samples(listen))
        if song.truth:
            songs.append(song)
    if not songs and choice.shard is None:
        raise UserError(f"no track of {data.root}, split {data.split}, plays {' or '.join(stems)}; choose other stems")
    return songs


def _load(found: Sequence[Track], index: int, stems: Sequence[str], seconds: float | None, lead: int) -> Song:
    track = found[index]
    start, stop = middle(track, seconds)
    samples = stop - start
    playing = [stem for stem in stems if track.stem_files[stem] and not is_silent(track.read(stem, start, stop))]
    for stem in set(stems) - set(playing):
        log.info("%s: %s is silent there, left out", track.name, stem)
    own = {stem: Source(track, stem, start, samples) for stem in track.stem_files}
    truth = Sounds({stem: [own[stem]] for stem in playing}, samples)
    context = Sounds({stem: [own[other] for other in own if other != stem] for stem in playing}, samples)
    partners = Sounds({stem: [_partner(found, index, stem, samples)] for stem in playing}, samples)
    of_track, shift_s = track_grid(track), to_seconds(start)
    if of_track is None:
        return Song(track.name, start, truth, context, partners, None, None, lead)
    grid = BeatGrid(of_track.beats_s - shift_s, of_track.downbeats_s - shift_s)
    chords = None if track.midi is None else track_chords(track, of_track.beats_s).shifted(shift_s)
    return Song(track.name, start, truth, context, partners, grid, chords, lead)


def middle(track: Track, seconds: float | None) -> tuple[int, int]:
    """First and one-past-last sample of the middle `seconds` of a track (None: all of it)."""
    samples = track.samples if seconds is None else min(track.samples, to_samples(seconds))
    start = (track.samples - samples) // 2
    return start, start + samples


def _partner(found: Sequence[Track], index: int, stem: str, samples: int) -> Source:
    """The same instrument in the next track that has it."""
    for step in range(1, len(found)):
        other = found[(index + step) % len(found)]
        start, stop = middle(other, to_seconds(samples))
        if other.stem_files[stem] and not is_silent(other.read(stem, start, stop)):
            return Source(other, stem, start, samples)
    raise UserError(f"no other track plays {stem}: a random pairing needs at least two tracks in the split")
