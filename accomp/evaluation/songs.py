"""The songs to be played along with: every stem, every context and the beats of the same stretch of music."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from accomp.beat.chords import BeatChords
from accomp.beat.grid import BeatGrid
from accomp.data.beats import beat_grid
from accomp.data.chords import track_chords
from accomp.data.slakh import Track, find_tracks
from accomp.errors import UserError
from accomp.metrics.levels import is_silent
from accomp.timeline import STEMS, to_samples, to_seconds

log = logging.getLogger(__name__)


@dataclass
class Data:
    """Which data set, and which songs of it."""

    root: str = "data/band"
    split: str = "test"
    splits: str = "redux"
    on_bad: str = "refuse"


@dataclass(frozen=True)
class Song:
    """A stretch of a track, of which all is played and what follows the first `lead` samples is scored. `truth` maps
    the stems asked for that really play in it to (N,) float32.

    `context` maps the same stems to the sum of all other stems; `grid` holds the beats of the score and `chords` the
    chords of its notes, counted from the stretch's first sample; `partners` maps the same stems to what that instrument
    plays in another track.
    """

    name: str
    start: int
    truth: dict[str, np.ndarray]
    context: dict[str, np.ndarray]
    partners: dict[str, np.ndarray]
    grid: BeatGrid
    chords: BeatChords
    lead: int = 0

    @property
    def stems(self) -> tuple[str, ...]:
        return tuple(self.truth)

    @property
    def samples(self) -> int:
        return len(next(iter(self.truth.values())))

    def beats_until(self, samples: int) -> np.ndarray:
        """Beats of the score between `lead` and the first `samples` of the stretch, in seconds from `lead` on."""
        return _within(self.grid.beats_s, self.lead, samples)

    def downbeats_until(self, samples: int) -> np.ndarray:
        """Those beats that begin a bar."""
        return _within(self.grid.downbeats_s, self.lead, samples)


def _within(seconds: np.ndarray, first: int, last: int) -> np.ndarray:
    return seconds[(seconds >= to_seconds(first)) & (seconds < to_seconds(last))] - to_seconds(first)


def load_songs(
    data: Data, stems: Sequence[str], tracks: int | None, seconds: float | None, listen: float = 0.0
) -> list[Song]:
    """The middle `seconds` of the first `tracks` tracks of the split (None: everything), and `listen` seconds before
    them.

    Tracks that are shorter than both together are left out when `listen` is positive.

    Stems that are silent there are left out, and named in the log. Raises UserError when nothing is left.
    """
    found = find_tracks(Path(data.root), data.split, data.splits, on_bad=data.on_bad)
    songs = []
    for i in range(len(found) if tracks is None else min(tracks, len(found))):
        if listen and found[i].samples < to_samples(listen + (seconds or 0)):
            log.info(
                "%s: shorter than the %g s to be heard and scored, left out", found[i].name, listen + (seconds or 0)
            )
            continue
        song = _load(found, i, stems, None if seconds is None else seconds + listen, to_samples(listen))
        if song.truth:
            songs.append(song)
    if not songs:
        raise UserError(f"no track of {data.root}, split {data.split}, plays {' or '.join(stems)}; choose other stems")
    return songs


def _load(found: Sequence[Track], index: int, stems: Sequence[str], seconds: float | None, lead: int) -> Song:
    track = found[index]
    start, stop = middle(track, seconds)
    audio = {stem: track.read(stem, start, stop) for stem in STEMS}
    playing = [stem for stem in stems if not is_silent(audio[stem])]
    for stem in set(stems) - set(playing):
        log.info("%s: %s is silent there, left out", track.name, stem)
    context = {stem: sum(audio[other] for other in STEMS if other != stem) for stem in playing}
    partners = {stem: _partner(found, index, stem, stop - start) for stem in playing}
    of_track, shift_s = beat_grid(track.midi), to_seconds(start)
    grid = BeatGrid(of_track.beats_s - shift_s, of_track.downbeats_s - shift_s)
    chords = track_chords(track, of_track.beats_s).shifted(shift_s)
    return Song(track.name, start, {stem: audio[stem] for stem in playing}, context, partners, grid, chords, lead)


def middle(track: Track, seconds: float | None) -> tuple[int, int]:
    """First and one-past-last sample of the middle `seconds` of a track (None: all of it)."""
    samples = track.samples if seconds is None else min(track.samples, to_samples(seconds))
    start = (track.samples - samples) // 2
    return start, start + samples


def _partner(found: Sequence[Track], index: int, stem: str, samples: int) -> np.ndarray:
    """The same instrument in the next track that has it, looped to the length asked for."""
    for step in range(1, len(found)):
        other = found[(index + step) % len(found)]
        start, stop = middle(other, to_seconds(samples))
        audio = other.read(stem, start, stop)
        if not is_silent(audio):
            return np.resize(audio, samples)
    raise UserError(f"no other track plays {stem}: a random pairing needs at least two tracks in the split")
