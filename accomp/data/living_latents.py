"""Excerpts of latents as a living player plays: in another tempo or metre, with changes of tempo, with rests.

Frames are left out or repeated, so that nothing has to be rendered or encoded anew; beats are exact, notes begin up to
half a frame (23 ms) off, as people play. `accomp.data.living` makes the same of songs, exactly.
"""

from dataclasses import dataclass

import numpy as np
from torch.utils.data import Dataset

from accomp.beat.grid import BeatGrid
from accomp.codec.note_codec import DRUM_ROWS, NOTE_ROWS, NOTE_SCALE
from accomp.data.excerpts import clock_of, usable
from accomp.data.latent_excerpts import LatentStore
from accomp.errors import UserError
from accomp.timeline import SAMPLE_RATE

REST_S = (1.5, 10.0)
BEATS_IN_BAR = 4  # of the songs that are brought into another metre
METRES = (2, 3, 5, 6, 7)


@dataclass(frozen=True)
class Timeline:
    """An excerpt's frames: `kept` (K,) the frames of the song that are left, `at` (T,) which of these each frame shows,
    `rests` (T,) whether nobody plays, and the beats, in frames from the excerpt's start.
    """

    kept: np.ndarray
    at: np.ndarray
    rests: np.ndarray
    beats: np.ndarray
    downbeats: np.ndarray

    def grid(self, frame_s: float) -> BeatGrid:
        return BeatGrid(self.beats * frame_s, self.downbeats * frame_s)

    def show(self, latents: np.ndarray, silence: np.ndarray) -> np.ndarray:
        """A song's latents of notes (C, frames) along the timeline, (C, T); `silence` (C, 1) where it rests.

        A note that begins in a frame that is left out begins in the next; in a frame that is repeated it begins once.
        """
        latents = latents[:, self.kept]
        shown = latents[:, self.at]
        step = np.diff(self.at, prepend=self.at[0] - 1)
        begins = slice(NOTE_ROWS.start, DRUM_ROWS.stop)
        for j in np.flatnonzero(step > 1):
            shown[begins, j] = latents[begins, self.at[j - 1] + 1 : self.at[j] + 1].max(1)
        again = step == 0
        shown[NOTE_ROWS, again] = np.minimum(shown[NOTE_ROWS, again], NOTE_SCALE)
        shown[DRUM_ROWS, again] = 0
        shown[:, self.rests] = silence
        return shown


@dataclass(frozen=True)
class Living:
    """Draws timelines.

    Args:
        tempo: the tempo is drawn from the song's own times 1 / (1 + tempo) to 1 + tempo
        step, ramp: probability that the tempo changes, at once or evenly, by up to `change` of it
        metre: probability of another metre, for songs in 4/4
        rest: probability of a rest of some seconds
        transpose: semitones by which the keys are moved at most, up or down
        unheard: probability that no key is heard, and that no stroke is
        lost: share of the keys that is lost in each frame at most, as by a transcriber
    """

    tempo: float = 0.3
    step: float = 0.25
    ramp: float = 0.25
    change: float = 0.45
    metre: float = 0.35
    rest: float = 0.35
    transpose: int = 6
    unheard: float = 0.15
    lost: float = 0.3

    def __call__(self, grid: BeatGrid, song_frames: int, frames: int, frame_s: float, rng: np.random.Generator) -> Timeline:
        """A timeline of `frames` frames through a song of `song_frames`; shorter changes where the song is too short."""
        kept, beats, downbeats = self._metre(grid, song_frames, frame_s, rng)
        speed = self._speed(frames, rng)
        place = np.concatenate([[0.0], np.cumsum(speed)])  # in kept frames, at the start of each frame and at the end
        if place[-1] > len(kept):
            speed, place = np.ones(frames), np.arange(frames + 1.0)
        if len(kept) < frames:
            kept, beats, downbeats = np.arange(song_frames), grid.beats_s / frame_s, grid.downbeats_s / frame_s
        place += rng.uniform(0, max(len(kept) - place[-1], 0))
        at = np.arange(frames + 1.0)
        where = [np.interp(x, place, at, left=np.nan, right=np.nan) for x in (beats, downbeats)]
        where = [x[np.isfinite(x)] for x in where]
        rests = np.zeros(frames, bool)
        if rng.random() < self.rest:
            length = int(rng.uniform(*REST_S) / frame_s)
            first = int(rng.integers(max(frames - length // 2, 1)))
            rests[first : first + length] = True
        middle = place[:-1] + speed / 2  # of each frame; what begins in a frame begins on average there
        return Timeline(kept, np.minimum(middle.astype(int), len(kept) - 1), rests, *where)

    def vary(self, context: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Latents of notes (C, T) as others would have played or heard them; how the energy is spread stays."""
        keys = context[NOTE_ROWS]
        semitones = int(rng.integers(-self.transpose, self.transpose + 1))
        moved = np.zeros_like(keys)
        moved[max(semitones, 0) : len(keys) + min(semitones, 0)] = keys[max(-semitones, 0) : len(keys) - max(semitones, 0)]
        lost = rng.random(keys.shape) < rng.uniform(0, self.lost)
        context[NOTE_ROWS] = moved * ~lost * (rng.random() >= self.unheard)
        context[DRUM_ROWS] *= rng.random() >= self.unheard
        return context

    def _metre(
        self, grid: BeatGrid, song_frames: int, frame_s: float, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The song's frames that are kept, and where beats and downbeats lie among them."""
        beats, downbeats = grid.beats_s / frame_s, grid.downbeats_s / frame_s
        first = np.searchsorted(beats, downbeats - 1e-6)
        in_four = len(first) > 2 and (np.diff(first) == BEATS_IN_BAR).all()
        if rng.random() >= self.metre or not in_four:
            return np.arange(song_frames), beats, downbeats
        length = METRES[rng.integers(len(METRES))]
        bars = 1 if length < BEATS_IN_BAR else 2
        pieces, where, whole, done = [], [], [], 0
        for i in range(first[0], len(beats) - bars * BEATS_IN_BAR, bars * BEATS_IN_BAR):
            start, stop = int(beats[i]), min(int(beats[i + length]), song_frames)
            if stop <= start:
                break
            whole.append(beats[i] - start + done)
            where.extend(beats[i : i + length] - start + done)
            pieces.append(np.arange(start, stop))
            done += stop - start
        if not pieces:
            return np.arange(song_frames), beats, downbeats
        return np.concatenate(pieces), np.array(where), np.array(whole)

    def _speed(self, frames: int, rng: np.random.Generator) -> np.ndarray:
        """How many of the song's frames pass in each frame, (T,)."""
        low, high = -np.log1p(self.tempo), np.log1p(self.tempo)
        speed = np.full(frames, np.exp(rng.uniform(low, high)))
        kind, change = rng.random(), np.exp(rng.uniform(-1, 1) * np.log1p(self.change))
        at = int(rng.integers(frames))
        if kind < self.step:
            speed[at:] *= change
        elif kind < self.step + self.ramp:
            length = int(rng.integers(1, frames))
            speed *= change ** ((np.arange(frames) - at) / length).clip(0, 1)
        return speed.clip(0.5, 2.0)


class LivingExcerpts(Dataset):
    """Excerpts for a beat tracker: `context` (C, T) float32, a mix of any of the stems, and its `clock`
    (CLOCK_FEATURES, T), zeros in rests.
    """

    def __init__(self, store: LatentStore, frames: int, seed: int, living: Living = Living()):
        if len(store.silence) < DRUM_ROWS.stop:
            raise UserError(
                f"data.living needs latents that are notes, these have {len(store.silence)} channels: set it to null"
            )
        self.store, self.frames, self.seed, self.living = store, frames, seed, living
        need = f"has a beat and is as long as an excerpt of {frames} frames (data.frames)"
        self.tracks = usable(store.tracks, lambda t: t.frames >= frames and len(t.grid.beats_s) > 1, need)

    def __getitem__(self, index: int) -> dict:
        rng = np.random.default_rng((self.seed, index))
        track = self.tracks[rng.integers(len(self.tracks))]
        frame_s = self.store.hop / SAMPLE_RATE
        timeline = self.living(track.grid, track.frames, self.frames, frame_s, rng)
        mixes = track.mixes_without("")
        mix = "+".join(mixes[rng.integers(len(mixes))])
        context = self.living.vary(timeline.show(track.read(mix, 0, track.frames), self.store.silence), rng)
        clock = clock_of(timeline.grid(frame_s), 0, self.frames, self.store.hop)
        return {"context": context, "clock": clock * ~timeline.rests}
