"""Turns a request into an answer by a `Streamer`, cut into datagrams."""

import itertools
import json
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from accomp.beat.transport import Transport
from accomp.server.answers import PacketizedAnswer, packetize
from accomp.server.leading import Direction, Leader, Placed, Span
from accomp.server.report import in_words
from accomp.stream.rules import REST_AFTER, PlayingRules
from accomp.stream.stopwatch import Stopwatch
from accomp.timeline import SAMPLE_RATE, Step

if TYPE_CHECKING:
    from accomp.beat.external import ExternalClock
    from accomp.stream.streamer import Streamer

log = logging.getLogger(__name__)

MEMORY = 15 * SAMPLE_RATE  # samples of context kept for a new streamer
RATIOS = (0.25, 0.125, 0.0625, 0.5, 0.2, 0.1, 1.0)  # of the external's menu, the most frequent first
MENU = tuple(map(Step, RATIOS))
LEAD_S = 8  # seconds of beats that are looked at beyond an answer
WARM_UP_S = 2.0  # after this long no further shape is tried
GATE_FRAME, GATE_FRAMES = 1024, 258  # samples; frames of about 6 s
QUIET = 1e-3  # -60 dBFS: what is softer counts as rest


@dataclass(frozen=True)
class Settings:
    """What the client asked for; a batch is computed with those in force at its first datagram.

    `density` is the share of the model's output that is played; `rest_after` is for how many bars it goes on without the
    player, 0: for ever; `balance_db` how much louder than usual it plays; `latency` is that of the client's audio in samples;
    `plan` says whether what the model intends is reported: 0 no, 1 as JSON, 2 as text.
    """

    step: Step = field(default_factory=Step)
    fade_s: float = 0.02
    package: int = 5120
    stems: tuple[str, ...] = ()
    density: float = 1.0
    rest_after: float = REST_AFTER
    balance_db: float = 0.0
    latency: int = 0
    plan: int = 0

    @property
    def overlap(self) -> int:
        return int(self.fade_s * SAMPLE_RATE)


@dataclass(frozen=True, eq=False)
class StepRequest:
    """One answer to be made.

    `runs` is all context not handed over before, as (absolute start, samples), in which `missing` samples never arrived;
    `instead` is audio to be played in place of the model's, (overlap + step,); `leading` is what the player has asked for,
    with the sample that was heard then.
    """

    session: int
    batch_id: int
    edge: int
    settings: Settings
    arrived_s: float  # of the first datagram
    closed_s: float  # when nothing more was waited for
    transport: Transport | None = None
    instead: np.ndarray | None = None
    missing: int = 0
    runs: tuple[tuple[int, np.ndarray], ...] = ()
    leading: tuple[Placed, ...] = ()

    @property
    def deadline_s(self) -> float:
        """When the client's playhead reaches the first sample of the answer."""
        return self.arrived_s + (self.settings.step.offset - self.settings.overlap) / SAMPLE_RATE


@dataclass(frozen=True)
class StepResult:
    """An answer as it goes out: the datagrams of each stem, the time it took, the estimated beat (bpm, confidence), what the
    model intends, and what is to be said to the player who leads.
    """

    packets: tuple[PacketizedAnswer, ...]
    timings_ms: dict[str, float]  # encode_ms, sample_ms and decode_ms, of what was computed
    beat_estimate: tuple[float, float] = (0.0, 0.0)
    plan: str = ""
    said: tuple[str, ...] = ()


def silence(request: StepRequest) -> tuple[PacketizedAnswer, ...]:
    """Datagrams of silence that overwrite the answer to a request."""
    audio = np.zeros(request.settings.overlap + request.settings.step.samples, np.float32)
    return tuple(packetize(stem, request.batch_id, audio, request.settings.package) for stem in request.settings.stems)


class Gate:
    """Passes the louder share of each stem, measured against its last seconds."""

    def __init__(self):
        self._recent: np.ndarray | None = None  # levels (voices, frames)

    def __call__(self, audio: np.ndarray, share: float) -> np.ndarray:
        """Audio (voices, N) -> the same with its softer frames silent; all of it at share 1, nothing at 0."""
        length = audio.shape[1]
        frames = np.pad(audio, ((0, 0), (0, -length % GATE_FRAME))).reshape(len(audio), -1, GATE_FRAME)
        levels = np.sqrt(np.square(frames).mean(2))
        old = self._recent if self._recent is not None and len(self._recent) == len(audio) else levels[:, :0]
        self._recent = np.concatenate([old, levels], 1)[:, -GATE_FRAMES:]
        if share >= 1:
            return audio
        centres = (np.arange(levels.shape[1]) + 0.5) * GATE_FRAME
        rows = []
        for samples, level, recent in zip(audio, levels, self._recent, strict=True):
            sounding = recent[recent > QUIET]
            least = np.quantile(sounding, 1 - share) if share > 0 and len(sounding) else np.inf
            rows.append(samples * np.interp(np.arange(length), centres, level >= least).astype(np.float32))
        return np.stack(rows)


class InferenceWorker:
    """Computes one request after another, with a new `Streamer` whenever the session, the instruments or the model change.

    A new one is given the last MEMORY samples of context that the old one was given, and goes on in its beat. After an error
    the next request gets a new `Streamer` too. `swap` changes the model between two requests.
    """

    def __init__(self, make_streamer: "Callable[[tuple[str, ...]], Streamer]"):
        self._make = make_streamer
        self._streamer: Streamer | None = None
        self._for: tuple = ()  # what the streamer was made for
        self._lacking: tuple[str, ...] = ()  # the instruments last asked for, when the model could not play all of them
        self._session: int | None = None
        self._history: deque[tuple[int, np.ndarray]] = deque()
        self._gate = Gate()
        self._leader = Leader()
        self._rules = PlayingRules()
        self._clock: ExternalClock | None = None  # of the last streamer of this session

    def swap(self, make_streamer: "Callable[[tuple[str, ...]], Streamer]") -> None:
        """Use another model from the next request on."""
        self._make, self._streamer, self._lacking = make_streamer, None, ()

    def start_afresh(self) -> None:
        """Use a new streamer for the next request, as after an error."""
        self._streamer = None

    def play(self, request: StepRequest) -> StepResult:
        watch = Stopwatch()
        if not set(request.settings.stems) <= set(playable(self._make, request.settings.stems)):
            if self._lacking != request.settings.stems:  # once, not at every step
                log.warning("asked for %s; the model plays %s", request.settings.stems, playable(self._make))
            self._lacking = request.settings.stems
            return StepResult(silence(request), watch.phases_ms)
        self._lacking = ()
        settings, step = request.settings, request.settings.step
        streamer = self._streamer_for(request)
        direction, plan = Direction(), ""
        if request.instead is not None:
            audio = np.tile(request.instead, (len(settings.stems), 1))
        else:
            streamer.clock.transport = request.transport
            self._streamer = None  # and none it stays if the next line raises
            edge, offset = request.edge - settings.latency, step.offset + settings.latency
            direction = self._direct(request, streamer)
            streamer.lively = direction.lively
            streamer.follow(direction.chords)
            audio = streamer.step(edge, step.samples, offset, settings.overlap, watch.record).audio
            self._streamer = streamer
            audio = self._gate(audio, settings.density)
            audio = self._by_the_rules(audio, edge + offset - settings.overlap, streamer, settings)
            audio = audio if direction.gain is None else audio * direction.gain
            if settings.plan:
                intended = streamer.outlook(edge, edge + offset + step.samples) | {"batch_id": request.batch_id}
                intended["notes"] = _audible(intended["notes"], settings.stems, audio, offset - settings.overlap)
                plan = json.dumps(intended) if settings.plan == 1 else in_words(intended)
        voices = zip(settings.stems, audio, strict=True)
        packets = tuple(packetize(stem, request.batch_id, samples, settings.package) for stem, samples in voices)
        return StepResult(packets, watch.phases_ms, streamer.clock.estimate(), plan, direction.said)

    def _by_the_rules(self, audio: np.ndarray, start: int, streamer: "Streamer", settings: Settings) -> np.ndarray:
        """All items have the same player: what holds for the first holds for all. Who let the model begin by itself may
        join it when he likes.
        """
        bar_s, heard, started = streamer.bar_s()[:1], streamer.presence.so_far, self._leader.started
        alone = started is not None and heard.last[0] <= started
        return self._rules(audio, start, heard, bar_s, 0.0 if alone else settings.rest_after, settings.balance_db)

    def _direct(self, request: StepRequest, streamer: "Streamer") -> Direction:
        """How the player who leads wants this answer to be."""
        if not request.leading and not self._leader.leads:
            return Direction()
        self._leader.takes_chords = streamer.takes_chords
        settings, step = request.settings, request.settings.step
        start = request.edge + step.offset
        beats = streamer.beat_lines(request.edge, start + step.samples + LEAD_S * SAMPLE_RATE)
        span = Span(start, start + step.samples, settings.overlap, [x for _, x in request.runs], beats)
        direction = self._leader.direct(request.leading, span)
        for said in direction.said:
            log.info("leading: %s", said)
        return direction

    def _streamer_for(self, request: StepRequest) -> "Streamer":
        """The `Streamer` for this request, given all context up to its edge."""
        wanted = (request.session, request.settings.stems, request.settings.latency)
        if request.session != self._session:
            self._history.clear()
            self._leader = Leader()
            self._rules = PlayingRules()
        if self._for[::2] != wanted[::2]:  # another session or latency: another timeline
            self._clock = None
        if wanted != self._for:
            self._streamer = None
        self._for, self._session = wanted, request.session
        self._history.extend(request.runs)
        while self._history and self._history[0][0] < request.edge - MEMORY:
            self._history.popleft()
        runs = request.runs
        if self._streamer is None:
            self._streamer, runs = self._make(request.settings.stems), self._history
            if self._clock is not None:
                self._streamer.clock.carry(self._clock)
            self._clock = self._streamer.clock
        for start, samples in runs:
            self._streamer.push(start - request.settings.latency, samples)
        return self._streamer


def _audible(notes: dict[str, list], stems: tuple[str, ...], audio: np.ndarray, first: int) -> dict[str, list]:
    """The notes of `outlook` without those that are silenced; the answer (stems, N) begins `first` samples after the edge."""

    def sounds(samples: np.ndarray, at: int, length: int) -> bool:
        return bool(samples[max(at - first, 0) : max(at + length - first, 0)].any())

    voices = dict(zip(stems, audio, strict=True))
    return {stem: [note for note in own if sounds(voices[stem], *note[:2])] for stem, own in notes.items()}


def playable(make_streamer: Callable, otherwise: tuple[str, ...] = ("bass",)) -> tuple[str, ...]:
    """The classes of instruments that a maker's model can play; `otherwise` where the maker does not say."""
    return getattr(make_streamer, "stems", otherwise)


def warm_up(make_streamer: "Callable[[tuple[str, ...]], Streamer]", steps: Iterable[Step] = MENU) -> None:
    """Play to silence with these steps, for WARM_UP_S at most, so that no first step is slow."""
    until_s = time.monotonic() + WARM_UP_S
    streamer = make_streamer(playable(make_streamer)[:1])
    for step, count in itertools.product(steps, (1, 2)):  # a slow model is done after its first
        streamer.warm_up(step.samples, step.offset, count)
        if time.monotonic() > until_s:
            return
