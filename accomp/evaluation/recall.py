"""Baselines with a live edge that know only the past: they repeat it, or hold the last chord of the context.

At every step each of them says which earlier samples to play instead of those to come. `loop_*` repeats the last bar
that ended before the edge; `four_bars_before_*` plays what stood at the same place four bars before; `nearest_*` what
followed the place in the past that is most like the last sixteen beats. `*_context` takes it from the player,
`*_stem` from the true stem. `held_triad` holds the triad that fits the last two seconds of the player best. Beats and
bars are those of the score.
"""

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import numpy as np

from accomp.beat.grid import BeatGrid
from accomp.beat.pitch_profile import TRIADS, chroma
from accomp.plan.recall import best_matches
from accomp.stream.rollout import lay
from accomp.timeline import SAMPLE_RATE, Step, to_samples

BARS_BACK = 4
TRIAD_S = 2.0
TRIAD_LOW = 48  # MIDI note C3, the lowest root of a held triad

LIVE = (
    "loop_context", "loop_stem", "four_bars_before_context", "four_bars_before_stem", "nearest_context", "nearest_stem",
    "held_triad",
)  # fmt: skip

NEED_SCORE = LIVE[:-1]

Places = Callable[[int, np.ndarray], np.ndarray | None]  # edge, samples to play -> earlier samples to play instead


def play_past(source: np.ndarray, places: Places, step: Step, overlap: int) -> np.ndarray:
    """Step by step, what `places` takes from the past of `source` (N,); silence where it takes nothing."""
    played = np.zeros((1, len(source)), np.float32)
    for edge in range(step.samples, len(source) + step.samples, step.samples):
        start = edge + step.offset
        if start >= len(source):
            break
        samples = np.arange(max(start - overlap, 0), start + step.samples)
        taken = places(min(edge, len(source)), samples)
        if taken is not None and taken.min() >= 0:
            lay(played, samples[0], source[None, np.minimum(taken, len(source) - 1)], overlap)
    return played[0]


def last_bar(grid: BeatGrid, edge: int, samples: np.ndarray) -> np.ndarray | None:
    """The last bar that was complete at the edge, over and over."""
    bars = np.round(grid.downbeats_s * SAMPLE_RATE).astype(int)
    known = bars[(bars >= 0) & (bars <= edge)]
    if len(known) < 2:
        return None
    first, last = known[-2:]
    return first + (samples - first) % (last - first)


def bars_before(grid: BeatGrid, edge: int, samples: np.ndarray) -> np.ndarray | None:
    """The same place BARS_BACK bars before; nothing when that is not before the edge."""
    return _moved(grid.downbeats_s, BARS_BACK, edge, samples)


def nearest(grid: BeatGrid, profiles: np.ndarray, edge: int, samples: np.ndarray) -> np.ndarray | None:
    """What followed the place most like the last beats before the edge, by pitch class profiles (beats, 12)."""
    beats = grid.beats_s * SAMPLE_RATE
    now = int(np.searchsorted(beats, edge, side="right")) - 1  # beats before `now` are complete
    ahead = int(np.searchsorted(beats, samples[-1])) - now
    bars = np.diff(np.searchsorted(grid.beats_s, grid.downbeats_s - 0.01))
    matches = best_matches(profiles, now, ahead, int(np.median(bars)) if len(bars) else 1, most=1)
    return _moved(grid.beats_s, matches[0].lag, edge, samples) if matches else None


def _moved(borders_s: np.ndarray, count: int, edge: int, samples: np.ndarray) -> np.ndarray | None:
    """The samples `count` beats or bars earlier, stretched as the tempo asks; None if not all lie before the edge."""
    borders = borders_s * SAMPLE_RATE
    if len(borders) < count + 2:
        return None
    number = np.arange(len(borders))
    place = _extended(samples, borders, number) - count
    taken = np.round(_extended(place, number, borders)).astype(int)
    return taken if place[0] >= 0 and taken[-1] < edge else None


def _extended(x: np.ndarray, known: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Linear interpolation that goes on beyond both ends with the last slope."""
    inside = np.interp(x, known, values)
    before = values[0] + (x - known[0]) * (values[1] - values[0]) / (known[1] - known[0])
    after = values[-1] + (x - known[-1]) * (values[-1] - values[-2]) / (known[-1] - known[-2])
    return np.where(x < known[0], before, np.where(x > known[-1], after, inside))


def beat_chroma(audio: np.ndarray, grid: BeatGrid) -> np.ndarray:
    """Pitch class profiles of the beats of audio (N,) that lie inside it, (beats, 12)."""
    borders = np.clip(np.round(grid.beats_s * SAMPLE_RATE).astype(int), 0, len(audio))
    profiles = [chroma(audio[a:b]) if b - a > 1024 else np.zeros(12) for a, b in pairwise(borders)]
    return np.array(profiles).reshape(-1, 12)


def held_triad(context: np.ndarray, step: Step, overlap: int) -> np.ndarray:
    """At every step the triad of the last TRIAD_S seconds of the context (N,), as soft tones at its level, (N,)."""
    played = np.zeros((1, len(context)), np.float32)
    for edge in range(step.samples, len(context) + step.samples, step.samples):
        start = edge + step.offset
        if start >= len(context):
            break
        recent = context[max(edge - to_samples(TRIAD_S), 0) : edge]
        samples = np.arange(max(start - overlap, 0), start + step.samples)
        profile = chroma(recent)
        notes = max(TRIADS, key=lambda notes, profile=profile: profile[notes].sum())
        tone = sum(_tone(TRIAD_LOW + note, samples) for note in notes)
        lay(played, samples[0], (tone * recent.std() / max(tone.std(), 1e-9))[None].astype(np.float32), overlap)
    return played[0]


def _tone(pitch: int, samples: np.ndarray) -> np.ndarray:
    angle = 2 * np.pi * 440 * 2 ** ((pitch - 69) / 12) * samples / SAMPLE_RATE
    return np.sin(angle) + np.sin(2 * angle) / 4


def recall(name: str, context: np.ndarray, truth: np.ndarray, grid: BeatGrid, step: Step, overlap: int) -> np.ndarray:
    """What the baseline `name`, one of LIVE, plays to a context (N,), from that or from the true stem (N,)."""
    if name == "held_triad":
        return held_triad(context, step, overlap)
    kind, _, source = name.rpartition("_")
    places = {
        "loop": partial(last_bar, grid),
        "four_bars_before": partial(bars_before, grid),
        "nearest": partial(nearest, grid, beat_chroma(context, grid) if kind == "nearest" else None),
    }[kind]
    return play_past(truth if source == "stem" else context, places, step, overlap)
