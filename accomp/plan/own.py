"""A plan of one's own: what followed the most similar place of the session is expected to follow again."""

import numpy as np
import torch
from torch import Tensor

from accomp.codec.contract import Codec
from accomp.plan.beats import beat_means, frames_of, unwrapped
from accomp.plan.contract import CONFIDENCE, HARMONY_ROWS, SIMILARITY, harmony, plan_rows
from accomp.plan.recall import Match, best_matches, recalled
from accomp.timeline import PITCH_CLASSES, SAMPLE_RATE

LONGEST_S = 1800.0  # of a session that is remembered


class OwnPlan:
    """Remembers the player's and the stems' latents of a session, and when each beat was.

    The player's harmony is compared; where nothing in it has a pitch, each stem's own. With a clock that knows no beat
    nothing is expected.
    """

    def __init__(self, codec: Codec):
        self.codec, self.rows = codec, plan_rows(codec.channels)
        self.most = int(LONGEST_S * SAMPLE_RATE / codec.hop)
        self.reset()

    def reset(self) -> None:
        self.context: list[Memory] = []  # one per item
        self.own: list[Memory] = []

    def listen(self, context: Tensor, start: int, clock: Tensor) -> None:
        while len(self.context) < len(context):
            self.context.append(Memory(self.codec, self.most))
        for i, memory in enumerate(self.context):
            memory.write(context[i], start, clock[min(i, len(clock) - 1)])

    def play(self, own: Tensor, start: int) -> None:
        while len(self.own) < len(own):
            self.own.append(Memory(self.codec, self.most))
        for memory, latents in zip(self.own, own, strict=True):
            memory.write(latents, start)

    def ahead(self, start: int, clock: Tensor) -> Tensor:
        count = max(len(self.context), len(self.own), 1)
        rows = torch.zeros(count, self.rows, clock.shape[2])
        for i in range(count if self.context else 0):
            heard = self.context[min(i, len(self.context) - 1)]
            own = self.own[i] if i < len(self.own) else Memory(self.codec, self.most)
            rows[i] = expected(heard, own, start, clock[min(i, len(clock) - 1)])
        return rows


class Memory:
    """Latents (C, T) of a session from frame 0 on, their harmony, and where their frames lie, in beats (T,)."""

    def __init__(self, codec: Codec, most: int):
        self.codec, self.most = codec, most
        self.latents = np.zeros((codec.channels, 0), np.float16)
        self.harmony = np.zeros((HARMONY_ROWS - 2, 0), np.float16)
        self.position = np.zeros(0)
        self.first = 0  # frame of the first that is kept

    @property
    def stop(self) -> int:
        return self.first + self.latents.shape[1]

    def write(self, latents: Tensor, start: int, clock: Tensor | None = None) -> None:
        """The latents (C, T) from frame `start` on; frames that were left out are unknown, later ones are forgotten."""
        kept = max(min(start - self.first, self.latents.shape[1]), 0)
        missing = max(start - self.first - kept, 0)
        new = latents.float().cpu()
        rows = harmony(self.codec.keys(new[None])[0].clamp(0, 1).numpy(), self.codec.lowest_pitch)
        self.latents = _joined(self.latents[:, :kept], missing, new.numpy(), self.most)
        self.harmony = _joined(self.harmony[:, :kept], missing, rows, self.most)
        if clock is not None:
            phase, period = phases(clock, self.codec.hop)
            phase, period = np.pad(phase, (missing, 0), constant_values=np.nan), np.pad(period, (missing, 0), "edge")
            position = self.position[:kept]
            positions = unwrapped(phase, period, position[-1] if kept else np.nan)
            self.position = np.concatenate([position, positions])[-self.most :]
        self.first = start + latents.shape[1] - self.latents.shape[1]

    def at(self, frames: np.ndarray) -> np.ndarray:
        """The latents of these absolute frames (C, T), zeros where they are unknown."""
        found = np.zeros((len(self.latents), len(frames)), np.float32)
        inside = (frames >= self.first) & (frames < self.stop)
        found[:, inside] = self.latents[:, frames[inside] - self.first]
        return found


def expected(heard: Memory, own: Memory, start: int, clock: Tensor) -> Tensor:
    """Rows (plan_rows(C), T) of the frames from `start` on, whose clock features are `clock` (CLOCK_FEATURES, T)."""
    rows = torch.zeros(plan_rows(heard.codec.channels), clock.shape[1])
    known = heard.position[np.isfinite(heard.position)]
    phase, period = phases(clock, heard.codec.hop)
    if not len(known) or heard.stop > start or not np.isfinite(phase).any():
        return rows
    position = unwrapped(phase, period, heard.position[-1] + (start - heard.stop) / np.nanmedian(period))
    matches = matched(heard, own, position)
    if not matches:
        return rows
    frames = heard.first + frames_of(position - matches[0].lag, heard.position)
    beats = beat_means(heard.harmony.astype(float), heard.position)
    harmony_rows = recalled(beats, np.floor(position).astype(int), matches).T
    rows[: HARMONY_ROWS - 2] = torch.from_numpy(harmony_rows.astype(np.float32))
    rows[CONFIDENCE] = rows[SIMILARITY] = max(matches[0].similarity, 0.0)
    rows[HARMONY_ROWS:] = torch.from_numpy(np.concatenate([heard.at(frames), own.at(frames)]))
    return rows


def matched(heard: Memory, own: Memory, position: np.ndarray) -> list[Match]:
    """The places most like the last beats that were heard, for frames at these positions (T,) in beats."""
    profiles = beat_means(heard.harmony[:PITCH_CLASSES].astype(float), heard.position)
    now = len(profiles)  # the last complete beat is now - 1
    ahead = int(np.ceil(position[-1])) - now + 1
    matches = best_matches(profiles, now, ahead)
    if not matches and own.latents.shape[1]:
        both = min(len(heard.position), own.stop - heard.first)
        rows = np.zeros((PITCH_CLASSES, len(heard.position)))
        first = max(own.first - heard.first, 0)
        shift = heard.first - own.first
        rows[:, first:both] = own.harmony[:PITCH_CLASSES, first + shift : both + shift]
        matches = best_matches(beat_means(rows, heard.position), now, ahead)
    return matches


def phases(clock: Tensor, hop: int) -> tuple[np.ndarray, np.ndarray]:
    """Clock features (CLOCK_FEATURES, T) -> phase of the beat in [0, 1), NaN without a clock, and frames per beat, (T,)."""
    sin, cos, tempo = (clock[row].double().cpu().numpy() for row in (0, 1, 8))
    confidence = np.hypot(sin, cos)
    known = confidence > 1e-3
    phase = np.where(known, np.arctan2(sin, cos) / (2 * np.pi) % 1.0, np.nan)
    period_s = 0.5 * 2.0 ** (tempo / np.maximum(confidence, 1e-3))
    return phase, period_s * SAMPLE_RATE / hop


def _joined(before: np.ndarray, missing: int, new: np.ndarray, most: int) -> np.ndarray:
    gap = np.zeros((len(new), missing), np.float16)
    return np.concatenate([before, gap, new.astype(np.float16)], 1)[:, -most:]
