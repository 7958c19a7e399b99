"""The one who plays: turns a job into an answer on a `Streamer`, cut up and ready for the wire."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from accomp.server.blocks import Parcel, parcel
from accomp.timeline import SAMPLE_RATE, Step

if TYPE_CHECKING:
    from accomp.stream.streamer import Streamer

MEMORY = 15 * SAMPLE_RATE  # samples of context kept, so that a new instrument knows what has been played


@dataclass(frozen=True)
class Settings:
    """What the client asked for; a batch is played by those that held at its first datagram."""

    step: Step = field(default_factory=Step)
    fade_s: float = 0.02
    package: int = 5120
    stems: tuple[str, ...] = ()

    @property
    def overlap(self) -> int:
        return int(self.fade_s * SAMPLE_RATE)


@dataclass(frozen=True, eq=False)
class Job:
    """One answer to be made. `runs` is all context not handed over before, as (absolute start, samples)."""

    session: int
    batch_id: int
    edge: int
    settings: Settings
    arrived_s: float  # of the first datagram
    closed_s: float  # when nothing more was waited for
    runs: tuple[tuple[int, np.ndarray], ...] = ()

    @property
    def deadline_s(self) -> float:
        """When the client's playhead reaches the first sample of the answer."""
        return self.arrived_s + (self.settings.step.offset - self.settings.overlap) / SAMPLE_RATE


@dataclass(frozen=True)
class Played:
    """An answer as it goes out: one parcel per stem, context samples that had never arrived, and the time it took."""

    parcels: tuple[Parcel, ...]
    missing: int
    laps_ms: dict[str, float]


class Performer:
    """Plays one job after another, on a fresh `Streamer` whenever the session or the instruments change.

    A new instrument hears the last MEMORY samples of context that the old one heard. After an error the next job starts
    on a fresh `Streamer` too.
    """

    def __init__(self, make_streamer: "Callable[[tuple[str, ...]], Streamer]"):
        self._make = make_streamer
        self._streamer: Streamer | None = None
        self._session: int | None = None
        self._stems: tuple[str, ...] = ()
        self._history: deque[tuple[int, np.ndarray]] = deque()

    def warm_up(self) -> None:
        """Play to silence as a client does that asks for nothing special, so that the first step is as quick as any."""
        step = Step()
        self._make(("bass",)).warm_up(step.samples, step.offset)

    def play(self, job: Job) -> Played:
        began_s = time.perf_counter()
        laps_ms: dict[str, float] = {}

        def lap(name: str) -> None:
            laps_ms[name] = 1e3 * (time.perf_counter() - began_s) - sum(laps_ms.values())

        settings, step = job.settings, job.settings.step
        streamer = self._hear(job)
        self._streamer = None  # and none it stays if the next line raises
        answer = streamer.step(job.edge, step.samples, step.offset, settings.overlap, lap=lap)
        self._streamer = streamer
        voices = zip(settings.stems, answer.audio, strict=True)
        parcels = tuple(parcel(stem, job.batch_id, audio, settings.package) for stem, audio in voices)
        return Played(parcels, answer.missing, laps_ms)

    def _hear(self, job: Job) -> "Streamer":
        """The `Streamer` for this job, knowing all context up to its edge."""
        if job.session != self._session:
            self._history.clear()
        if (job.session, job.settings.stems) != (self._session, self._stems):
            self._streamer = None
        self._session, self._stems = job.session, job.settings.stems
        self._history.extend(job.runs)
        while self._history and self._history[0][0] < job.edge - MEMORY:
            self._history.popleft()
        streamer = self._streamer or self._make(job.settings.stems)
        for start, samples in job.runs if self._streamer else self._history:
            streamer.push(start, samples)
        return streamer
