"""What a plan says in a training excerpt: right most of the time, and wrong in the ways in which plans are wrong.

Of the recalled kind is what followed the most similar place of the song, found by the harmony of the context with the
errors of a transcriber; so the denoiser learns how much a similarity is worth. Of the known kind are the pitch classes of
the score, as a lead sheet gives them, with a few mistakes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from accomp.plan.beats import beat_means, frames_of
from accomp.plan.contract import CHROMA, CONFIDENCE, HARMONY, HARMONY_ROWS, SIMILARITY, plan_rows
from accomp.plan.recall import Match, best_matches, recalled

if TYPE_CHECKING:
    from accomp.data.latent_excerpts import LatentTrack

NOTHING = 0.1  # sum of the harmony of sixteen beats in which nothing has a pitch
SOUNDS = 0.3  # share of a beat from which a pitch class belongs to its chord


@dataclass(frozen=True)
class Expectation:
    """Draws the plan of an excerpt.

    Args:
        earliest: frames before the excerpt's end at which the plan is made at the earliest
        absent: probability of no plan
        known: probability of the known kind, the others are of the recalled kind
        chroma_noise: standard deviation of the errors in the harmony that is compared, as a transcriber makes them
        wrong_beats: share of the beats of the known kind that have the harmony of another beat
        wrong_own: probability that what the stem played at the recalled place is that of another place
        no_own: probability that it is unknown
    """

    earliest: int = 132
    absent: float = 0.15
    known: float = 0.35
    chroma_noise: float = 0.15
    wrong_beats: float = 0.05
    wrong_own: float = 0.35
    no_own: float = 0.15

    def __call__(self, track: LatentTrack, mix: str, target: str, start: int, stop: int, rng: np.random.Generator) -> dict:
        """`plan` (plan_rows(C), T) of frames [start, stop), zeros before frame `since`, at which it was made."""
        frames = stop - start
        since = frames - int(rng.integers(1, min(self.earliest, frames) + 1))
        plan = np.zeros((plan_rows(track.shape[1]), frames), np.float32)
        position, kind = track.position, rng.random()
        if kind >= self.absent and np.isfinite(position[start + since : stop]).all():
            here = np.arange(start + since, stop)
            matches = self._matches(track, mix, target, start + since, stop, rng)
            if matches:
                self._recall(plan[:, since:], track, mix, target, here, matches, rng)
            if kind < self.absent + self.known:
                self._know(plan[:, since:], track, here, rng)
        return {"plan": plan, "since": since}

    def _matches(
        self, track: LatentTrack, mix: str, target: str, edge: int, stop: int, rng: np.random.Generator
    ) -> list[Match]:
        """The most similar places, by the context, or where that has no pitch by the target."""
        position = track.position
        now, end = int(position[edge]), int(np.ceil(position[stop - 1]))
        for heard in (mix, target):
            profiles = beat_means(track.harmony(heard, 0, track.frames)[CHROMA], position)
            if now <= len(profiles) and profiles[max(now - 16, 0) : now].sum() > NOTHING:
                noisy = (profiles + self.chroma_noise * rng.standard_normal(profiles.shape)).clip(0, 1)
                return best_matches(noisy, now, end - now + 1, after=end + 1)
        return []

    def _recall(
        self, plan: np.ndarray, track: LatentTrack, mix: str, target: str, here: np.ndarray, matches: list[Match],
        rng: np.random.Generator,
    ) -> None:  # fmt: skip
        position, channels = track.position, track.shape[1]
        frames = frames_of(position[here] - matches[0].lag, position)
        first, last = int(frames.min()), int(frames.max()) + 1
        if mix:
            beats = beat_means(track.harmony(mix, 0, track.frames), position)
            plan[HARMONY] = recalled(beats, np.floor(position[here]).astype(int), matches).T
            plan[HARMONY_ROWS : HARMONY_ROWS + channels] = track.read(mix, first, last)[:, frames - first]
        plan[CONFIDENCE] = plan[SIMILARITY] = max(matches[0].similarity, 0.0)
        draw = rng.random()
        if draw < self.no_own:
            return
        if draw < self.no_own + self.wrong_own:
            length = last - first
            first = int(rng.integers(max(track.frames - length, 0) + 1))
            last = first + length
            frames = np.minimum(frames - frames.min() + first, track.frames - 1)
        plan[HARMONY_ROWS + channels :] = track.read_target(target, first, last)[:, frames - first]

    def _know(self, plan: np.ndarray, track: LatentTrack, here: np.ndarray, rng: np.random.Generator) -> None:
        """The harmony of all stems together, beat by beat, as a chord chart gives it."""
        position = track.position
        everybody = "+".join(track.stems)
        beats = beat_means(track.harmony(everybody, 0, track.frames), position)
        if not len(beats):
            return
        of_beat = np.arange(len(beats))
        wrong = rng.random(len(beats)) < self.wrong_beats
        of_beat[wrong] = rng.integers(len(beats), size=wrong.sum())
        index = of_beat[np.clip(position[here].astype(int), 0, len(beats) - 1)]
        rows = beats[index].T
        plan[HARMONY] = rows if rng.random() < 0.5 else rows > SOUNDS
        plan[CONFIDENCE] = 1
