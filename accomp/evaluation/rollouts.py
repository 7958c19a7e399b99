"""Playing along with recordings: many stems at once, each against its own context, as the items of one batch.

What an item plays does not depend on the rest of its batch.
"""

import zlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from accomp.beat.clock import Clock, GridClock, NoClock
from accomp.evaluation.songs import Song
from accomp.model import Model
from accomp.plan.chart import ChartPlan
from accomp.plan.contract import NoPlan, Plan
from accomp.stream.paper_protocol import paper_rollout
from accomp.stream.rollout import Rollout, rollout
from accomp.stream.streamer import Streamer, own_plan
from accomp.timeline import Step


class BatchItem(NamedTuple):
    """One stem of one song, played with one seed."""

    song: Song
    stem: str
    seed: int

    @property
    def noise_seed(self) -> int:
        """Of the excerpt alone, so that comparisons of regimes, samplers and models are paired."""
        return zlib.crc32(f"{self.song.name} {self.song.start} {self.stem} {self.seed}".encode())


def play(
    model: Model, items: Sequence[BatchItem], step: Step, overlap: int, sampler: str, clock: str, protocol: str
) -> Rollout:
    """Play along with every item; audio (items, N), N samples of the longest."""
    if protocol == "paper":
        contexts = _padded([item.song.context[item.stem] for item in items])
        seeds = [item.noise_seed for item in items]
        return paper_rollout(model, [item.stem for item in items], contexts, step, sampler, seeds)
    streamer = Streamer(
        model,
        [item.stem for item in items],
        sampler=sampler,
        seed=[item.noise_seed for item in items],
        clock=_clock(clock, model, [item.song for item in items]),
        plan=_plan(clock, model, [item.song for item in items]),
    )
    return rollout(streamer, _padded([item.song.context[item.stem] for item in items]), step, overlap)


def _padded(tracks: Sequence[np.ndarray]) -> np.ndarray:
    """Tracks (N,) of any length as (items, N), silence after the shorter ones."""
    longest = max(map(len, tracks))
    return np.stack([np.pad(track, (0, longest - len(track))) for track in tracks])


def _clock(name: str, model: Model, songs: Sequence[Song]) -> Clock | None:
    """None leaves the choice to the model, which has a beat tracker of its own."""
    if name == "model":
        return None
    return NoClock() if name == "none" else GridClock([song.grid for song in songs], model.codec.hop)


def _plan(name: str, model: Model, songs: Sequence[Song]) -> Plan | None:
    """None leaves the choice to the model."""
    if name == "metronome":
        return NoPlan(model.codec.channels)
    if name != "chart":
        return None
    return ChartPlan([song.chords for song in songs], own_plan(model), model.codec.hop)
