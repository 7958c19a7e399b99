"""Between frames and beats: positions in beats, means over beats, and the frames that lie a number of beats away."""

from typing import NamedTuple

import numpy as np

SURE = 0.05  # length of a phase's vector below which it says nothing


class BeatLine(NamedTuple):
    """A beat: its absolute sample, its number in the bar (0 is the bar line, -1: unknown), and the beats of that bar."""

    sample: int
    number: int
    beats_in_bar: int


def beat_lines(clock: np.ndarray, start: int, hop: int) -> list[BeatLine]:
    """The beats within frames from `start` on, by their clock features (CLOCK_FEATURES, T); none where no clock is."""
    beat, bar = clock[1] + 1j * clock[0], clock[5] + 1j * clock[4]
    if clock.shape[1] < 2 or np.abs(beat).min() < SURE:
        return []
    position = np.unwrap(np.angle(beat)) / (2 * np.pi)
    position += np.ceil(-position[0])
    count = np.arange(np.ceil(position[0]), np.floor(position[-1]) + 1)
    frames = np.interp(count, position, np.arange(len(position)))
    numbers, length = np.full(len(count), -1), 0
    if np.abs(bar).min() >= SURE:
        turns = np.unwrap(np.angle(bar)) / (2 * np.pi)
        length = round(float((position[-1] - position[0]) / max(turns[-1] - turns[0], 1e-9)))
        numbers = np.round(np.interp(frames, np.arange(len(turns)), turns) * length).astype(int) % max(length, 1)
    return [BeatLine(round((start + f) * hop), int(n), length) for f, n in zip(frames, numbers, strict=True)]


def beat_means(rows: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Means of rows (K, T) over the frames of each complete beat: (beats, K), 0 for a beat without a frame.

    `position` (T,) counts beats; frames at which it is negative or NaN belong to none, and the last beat that begins is
    not complete.
    """
    inside = position >= 0  # False for NaN
    if not inside.any():
        return np.zeros((0, len(rows)))
    beat = position[inside].astype(int)
    count = np.maximum(np.bincount(beat), 1)
    return np.stack([np.bincount(beat, row) / count for row in rows[:, inside]], 1)[:-1]


def unwrapped(phase: np.ndarray, period: np.ndarray, before: float) -> np.ndarray:
    """Positions in beats (T,) of frames whose phase in the beat is `phase`, in [0, 1), and whose beat has `period`
    frames.

    `before` is the position of the frame before them, NaN at a session's start. Each position is the one with this phase
    that is nearest to a beat's advance at this tempo. Frames whose phase is NaN continue at the last tempo.
    """
    found = np.empty(len(phase))
    step = 1 / period[0] if len(period) else np.nan
    for i, (p, frames) in enumerate(zip(phase, period, strict=True)):
        if np.isfinite(p):
            step = 1 / frames
            expected = before + step if np.isfinite(before) else p
            before = p + np.round(expected - p)
        else:
            before = before + step
        found[i] = before
    return found


def frames_of(wanted: np.ndarray, position: np.ndarray) -> np.ndarray:
    """The frames (integers) whose `position` (T,), ascending but for small corrections, is nearest to the wanted ones."""
    frames = np.flatnonzero(np.isfinite(position))
    order = np.maximum.accumulate(position[frames])
    return np.round(np.interp(wanted, order, frames)).astype(int)
