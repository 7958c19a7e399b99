"""A plan of one's own: what followed the most similar place of the session is expected to follow again."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from accomp.codec.contract import Codec
from accomp.plan.beats import beat_means, frames_of, unwrapped
from accomp.plan.contract import CHROMA, CONFIDENCE, HARMONY, HARMONY_ROWS, SIMILARITY, plan_rows
from accomp.plan.memory import Memory, phases
from accomp.plan.recall import Match, best_matches, recalled
from accomp.timeline import SAMPLE_RATE

LONGEST_S = 1800.0  # of a session that is searched
UNLIKE = 0.25  # similarity below which the best place says less than what stood four bars before
FOUR_BARS = 16  # beats


class Ahead(NamedTuple):
    """What is known of a player at the live edge: the beats so far, (N, 2 PITCH_CLASSES), and the positions in beats of the
    frames to come, (T,).
    """

    heard: Memory
    beats: np.ndarray
    position: np.ndarray

    def matches(self, profiles: np.ndarray) -> list[Match]:
        """The places most like the last beats by these pitch class profiles (N, PITCH_CLASSES)."""
        now = len(self.beats)  # the last complete beat is now - 1
        return best_matches(profiles, now, int(np.ceil(self.position[-1])) - now + 1)

    def likely(self, matches: list[Match]) -> list[Match]:
        """The same places, or where none of them is much like now, the one four bars before."""
        if matches and matches[0].similarity >= UNLIKE:
            return matches
        if len(self.beats) < FOUR_BARS:
            return []
        return [Match(FOUR_BARS, matches[0].similarity if matches else 0.0)]


class OwnPlan:
    """Keeps the player's and the stems' latents of a session, and when each beat was.

    The player's harmony is compared; where nothing in it has a pitch, each stem's own. With a clock that knows no beat
    nothing is expected.
    """

    def __init__(self, codec: Codec):
        self.codec, self.rows = codec, plan_rows(codec.channels)
        self.most = int(LONGEST_S * SAMPLE_RATE / codec.hop)
        self.reset()

    def reset(self) -> None:
        self.context: list[Memory] = []  # one per item, or one for all
        self.own: list[Memory] = []

    def listen(self, context: Tensor, start: int, clock: Tensor) -> None:
        self.context += [Memory(self.codec, self.most) for _ in context[len(self.context) :]]
        for i, memory in enumerate(self.context):
            memory.write(context[i], start, clock[min(i, len(clock) - 1)])

    def play(self, own: Tensor, start: int) -> None:
        self.own += [Memory(self.codec, self.most) for _ in own[len(self.own) :]]
        for memory, latents in zip(self.own, own, strict=True):
            memory.write(latents, start)

    def ahead(self, start: int, clock: Tensor) -> Tensor:
        rows = torch.zeros(max(len(self.context), len(self.own), 1), self.rows, clock.shape[2])
        players = [at_edge(heard, start, clock[min(i, len(clock) - 1)]) for i, heard in enumerate(self.context)]
        found = [[] if player is None else player.matches(player.beats[:, CHROMA]) for player in players]
        for i in range(len(rows) if players else 0):
            player, matches = players[min(i, len(players) - 1)], found[min(i, len(players) - 1)]
            own = self.own[i] if i < len(self.own) else None
            if player is not None and own is not None and not matches:
                matches = player.matches(own_profiles(player.heard, own))
            matches = player.likely(matches) if player is not None else []
            if matches:
                rows[i] = torch.from_numpy(expected(player, own, matches))
        return rows


def at_edge(heard: Memory, start: int, clock: Tensor) -> Ahead | None:
    """What is known for frames from `start` on, whose clock is (CLOCK_FEATURES, T); None without beats."""
    phase, period = phases(clock, heard.codec.hop)
    position = heard.position
    if heard.stop > start or not len(position) or not np.isfinite(position[-1]) or not np.isfinite(phase).any():
        return None
    before = position[-1] + (start - heard.stop) / np.median(period)
    return Ahead(heard, beat_means(heard.harmony, position), unwrapped(phase, period, before))


def own_profiles(heard: Memory, own: Memory) -> np.ndarray:
    """The pitch class profiles (N, PITCH_CLASSES) of a stem's own part, by the beats of the player."""
    chroma = np.zeros((CHROMA.stop, len(heard.position)), np.float32)
    first, stop = max(own.first, heard.first), min(own.stop, heard.stop)
    if first < stop:
        here = slice(first - heard.first, stop - heard.first)
        chroma[:, here] = own.harmony[CHROMA, first - own.first : stop - own.first]
    return beat_means(chroma, heard.position)


def expected(player: Ahead, own: Memory | None, matches: list[Match]) -> np.ndarray:
    """Rows (plan_rows(C), T) of what followed the matches."""
    rows = np.zeros((plan_rows(player.heard.codec.channels), len(player.position)), np.float32)
    rows[HARMONY] = recalled(player.beats, np.floor(player.position).astype(int), matches).T
    rows[[CONFIDENCE, SIMILARITY]] = max(matches[0].similarity, 0.0)
    frames = player.heard.first + frames_of(player.position - matches[0].lag, player.heard.position)
    latents = player.heard.at(frames)
    rows[HARMONY_ROWS : HARMONY_ROWS + len(latents)] = latents
    if own is not None:
        recalled_own = torch.from_numpy(own.at(frames))
        if not player.heard.codec.rests(recalled_own[None]):  # what is recalled of a rest must not become another
            rows[HARMONY_ROWS + len(latents) :] = recalled_own
    return rows
