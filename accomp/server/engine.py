"""What the server decides, and when: a pure state machine under the caller's clock.

Threading model
    receive   (the caller's thread, `Endpoint.run`) reads the socket, asks the clock and feeds `Core`.
    infer     one worker thread owns the `Performer` and with it the `Streamer`: nobody else ever touches them.
    send      one thread puts answers on the wire, paced, so that a burst never holds up hearing or thinking.
`Core` has no threads, clocks or sockets: every call takes the time and returns what is to be done, as a list of `Send`,
`Work` and `Deliver`. Calls come from all three threads, one at a time, under the `Endpoint`'s lock; none takes long.

Timeline: the client never says where its playhead is, only batch numbers. The first batch of a session ends at one
step, and the live edge then moves by (batch_id - last batch_id) steps, whatever was lost in between. A number that
falls back, or 1 again, is a new session. The playhead is taken to be at the edge when a batch's first datagram arrives:
from there counts `lead_ms`, how long before its playing time an answer has been sent.
"""

import json
import logging
from collections import Counter, OrderedDict, deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace

import numpy as np

from accomp.server import protocol as osc
from accomp.server.blocks import Batch
from accomp.server.performer import MEMORY, Job, Played, Settings
from accomp.timeline import SAMPLE_RATE, WINDOW

log = logging.getLogger(__name__)

STRAGGLER_S = 2.0  # a number that fell back is a late datagram within this time, and a new session after it
RECENT = 8  # batches: numbers further back are never stragglers
LONGEST_JUMP = 64  # batches: beyond it nothing heard before matters
PATIENCE_S = (0.05, 0.25)  # how long a batch may be incomplete, at least and at most
READY_AGAIN_S = 2.0  # until the client has been heard
PING_S = 0.1  # at most one packet test is answered in this time
RATIOS = (1.0, 0.5, 0.25, 0.2, 0.125, 0.1, 0.0625)  # the client's menu


@dataclass(frozen=True)
class Record:
    """How one step went. Times in ms; `missing` in samples; `lead_ms` below 0 is late."""

    batch_id: int
    encode_ms: float
    sample_ms: float
    decode_ms: float
    cycle_ms: float  # from the last datagram of the context to the answer, packed
    lead_ms: float
    missing: int
    stems: tuple[str, ...]
    r: float
    w: float


@dataclass(frozen=True)
class Send:
    """Short messages to the client, at once."""

    datagrams: tuple[bytes, ...]


@dataclass(frozen=True)
class Work:
    """A job for the performer."""

    job: Job


@dataclass(frozen=True)
class Deliver:
    """An answer for the client, paced; `Core.on_sent` wants to know when it is out."""

    job: Job
    played: Played
    ready_s: float


Action = Send | Work | Deliver


@dataclass
class Tally:
    """Counts what goes wrong and mentions each kind at most once a second."""

    counts: Counter = field(default_factory=Counter)
    _quiet_until: dict[str, float] = field(default_factory=dict)

    def note(self, kind: str, detail: str, t: float) -> None:
        self.counts[kind] += 1
        if t >= self._quiet_until.get(kind, t):
            self._quiet_until[kind] = t + 1.0
            log.warning("%s: %s (%d so far)", kind, detail, self.counts[kind])


class Core:
    """Hears datagrams, says what to do.

    sources   the addresses that may speak; everybody else is ignored
    about     what to tell the client about this server when it is ready
    """

    def __init__(self, sources: Iterable[str], about: dict[str, str] | None = None):
        self.sources, self.about = frozenset(sources), dict(about or {})
        self.settings = self._open_settings = Settings()
        self.tally = Tally()
        self.newest_id: int | None = None
        self.steps = self.late = self.dropped = 0
        self.session = 0
        self._ready_again_s: float | None = None  # None: not yet, or the client has been heard
        self.ready = False
        self._refused_id: int | None = None
        self._may_ping_s = float("-inf")
        self._began_s = self._cycle_s = 0.0  # when the performer set to work, and how long it took last time
        self._working: Job | None = None
        self._waiting: Job | None = None
        self._forget()

    # ------------------------------------------------------------------------------------------------------ events

    def on_ready(self, t: float) -> list[Action]:
        """The model is warm."""
        self.ready, self._ready_again_s = True, t + READY_AGAIN_S
        return self._announce()

    def on_datagram(self, data: bytes, address: tuple, t: float) -> list[Action]:
        """One datagram from anybody. Never raises, never answers whom it does not know."""
        if address[0] not in self.sources:
            self.tally.note("stranger", f"ignored a datagram from {address[0]}", t)
            return []
        try:
            message = osc.parse_request(data)
            self._ready_again_s = None
            return self._on_block(message, t) if isinstance(message, osc.Block) else self._on_control(message, t)
        except osc.ProtocolError as error:
            self.tally.note(error.reason, f"ignored a datagram, {error.detail or error.reason}", t)
            return []

    def on_tick(self, t: float) -> list[Action]:
        """Time has passed."""
        if self._open is not None and t >= self._closes_s:
            self.tally.note("incomplete", f"batch {self._open.batch_id} did not arrive whole", t)
            return self._close(t)
        if self._ready_again_s is not None and t >= self._ready_again_s:
            return self.on_ready(t)
        return []

    @property
    def next_deadline(self) -> float | None:
        """When `on_tick` wants to be called, at the latest."""
        times = [self._closes_s if self._open is not None else None, self._ready_again_s]
        return min((s for s in times if s is not None), default=None)

    def on_answer(self, job: Job, played: Played, t: float) -> list[Action]:
        """The performer has played."""
        self._working, self._cycle_s = None, t - self._began_s
        if job.session != self.session or self.newest_id - job.batch_id > 1:
            actions = self._drop(job.batch_id, "overtaken", "the client has moved on", t)
        else:
            actions = [Deliver(job, played, t)]
        return actions + self._next(t)

    def on_failure(self, job: Job, t: float) -> list[Action]:
        """The performer could not play this one."""
        self._working = None
        return self._drop(job.batch_id, "failed", "the model raised an error", t) + self._next(t)

    def on_sent(self, done: Deliver, t: float) -> list[Action]:
        """The last chunk of an answer is on the wire."""
        job, laps_ms, step = done.job, done.played.laps_ms, done.job.settings.step
        record = Record(
            batch_id=job.batch_id,
            **{f"{name}_ms": round(laps_ms.get(name, 0.0), 2) for name in ("encode", "sample", "decode")},
            cycle_ms=round(1e3 * (done.ready_s - job.closed_s), 2),
            lead_ms=round(1e3 * (job.deadline_s - t), 2),
            missing=done.played.missing,
            stems=job.settings.stems,
            r=step.ratio,
            w=step.depth,
        )
        self.steps += 1
        self.late += record.lead_ms < 0
        log.info("step %s", " ".join(f"{k}={'+'.join(v) if k == 'stems' else v}" for k, v in asdict(record).items()))
        counts = {"steps": self.steps, "late": self.late, "dropped": self.dropped}
        return [Send((osc.Status(json.dumps(asdict(record) | counts)).pack(),))]

    # ---------------------------------------------------------------------------------------------------- controls

    def _on_control(self, message: osc.Request, t: float) -> list[Action]:
        settings = self.settings
        match message:
            case osc.UpdateR(ratio):
                settings = replace(settings, step=replace(settings.step, ratio=ratio))
            case osc.W(depth):
                settings = replace(settings, step=replace(settings.step, depth=depth))
            case osc.UpdateFade(seconds):
                settings = replace(settings, fade_s=seconds)
            case osc.UpdatePackageSize(samples):
                settings = replace(settings, package=samples)
            case osc.PredictInstruments():
                settings = replace(settings, stems=message.stems)
            case osc.Verbose(level):
                logging.getLogger("accomp").setLevel(logging.DEBUG if level else logging.INFO)
            case osc.Reset():
                self.tally.note("reset", "everything heard and played is forgotten", t)
                return self._reset(t)
            case osc.LoadModel() if self.ready:
                return [] if self._pinged_lately(t) else self._announce()
            case osc.PacketTest(_, samples) if not self._pinged_lately(t):
                return [Send((osc.PacketTestResponse(np.nan_to_num(samples)).pack(),))]
            case osc.Predict() if self._open is not None:
                return self._close(t)
            case osc.Print():
                counts = dict(self.tally.counts)
                log.info("steps=%d late=%d dropped=%d %s %s", self.steps, self.late, self.dropped, settings, counts)
        self.settings = settings
        return []

    def _announce(self) -> list[Action]:
        return [Send((osc.Ready().pack(), osc.Status(json.dumps({"state": "ready"} | self.about)).pack()))]

    def _pinged_lately(self, t: float) -> bool:
        lately = t < self._may_ping_s
        self._may_ping_s = self._may_ping_s if lately else t + PING_S
        return lately

    def _reset(self, t: float) -> list[Action]:
        """A new session: nothing that was heard, begun or promised counts any more."""
        abandoned = [self._open.batch_id] if self._open is not None else []
        abandoned += [self._waiting.batch_id] if self._waiting is not None else []
        self._forget()
        return [action for i in abandoned for action in self._drop(i, "abandoned", "a new session began", t)]

    def _forget(self) -> None:
        self.session += 1
        self.newest_id = None
        self._edge = self._last_length = 0
        self._jump = 1
        self._open = self._closed = self._waiting = None
        self._arrived_s = self._closes_s = 0.0
        self._seen: OrderedDict[int, float] = OrderedDict()  # batch_id -> time of its first datagram
        self._runs: deque[tuple[int, np.ndarray]] = deque()  # context not yet handed to the performer

    # ----------------------------------------------------------------------------------------------------- batches

    def _on_block(self, block: osc.Block, t: float) -> list[Action]:
        actions: list[Action] = []
        if not self.ready:
            if block.batch_id != self._refused_id:
                self._refused_id = block.batch_id
                actions = self._drop(block.batch_id, "not ready", "the model is still loading", t)
            return actions
        if self._open is None or block.batch_id != self._open.batch_id:
            if self._straggles(block.batch_id, t):
                whole = self._closed is not None and self._closed.batch_id == block.batch_id and self._closed.complete
                if not whole:  # two targets send everything twice: no fault
                    self.tally.note("straggler", f"a datagram of batch {block.batch_id} came too late", t)
                return []
            actions += self._begin(block.batch_id, t)
        self._open.add(block)
        return actions + (self._close(t) if self._open.complete else [])

    def _straggles(self, batch_id: int, t: float) -> bool:
        if self.newest_id is None or not self.newest_id - RECENT < batch_id <= self.newest_id:
            return False
        return t - self._seen.get(batch_id, self._seen[self.newest_id]) < STRAGGLER_S

    def _begin(self, batch_id: int, t: float) -> list[Action]:
        actions: list[Action] = []
        newest = self.newest_id
        if newest is not None and not newest < batch_id <= newest + LONGEST_JUMP:
            self.tally.note("new session", f"batch {batch_id} came after batch {newest}", t)
            actions += self._reset(t)
        elif self._open is not None:
            job = self._settle(t)
            actions += self._drop(job.batch_id, "overtaken", "the next batch came before it was whole", t)
        self._jump = batch_id - self.newest_id if self.newest_id is not None else 1
        if self.settings != self._open_settings:
            log.info("settings: %s", self.settings)
        settings, self.newest_id = self.settings, batch_id
        self._open = Batch(batch_id, settings.step.samples, settings.package, settings.stems)
        self._open_settings, self._arrived_s = settings, t
        slack_s = (settings.step.offset - settings.overlap) / SAMPLE_RATE - 2 * self._cycle_s
        self._closes_s = t + min(settings.step.seconds / 2, max(PATIENCE_S[0], min(PATIENCE_S[1], slack_s)))
        self._seen[batch_id] = t
        while len(self._seen) > RECENT:
            self._seen.popitem(last=False)
        return actions

    def _close(self, t: float) -> list[Action]:
        """Nothing more is waited for: have the open batch answered, or say that it will not be."""
        job = self._settle(t)
        if not job.settings.stems:
            return self._drop(job.batch_id, "no instrument", "send predict_instruments first", t)
        overtaken, self._waiting = self._waiting, job
        actions = self._drop(overtaken.batch_id, "overtaken", "the model is too slow", t) if overtaken else []
        return actions + ([] if self._working is not None else self._next(t))

    def _settle(self, t: float) -> Job:
        """Give the open batch its place on the timeline and put what it holds into the history."""
        batch, settings = self._open, self._settings_by_data(self._open, t)
        step = settings.step.samples
        self._edge += self._jump * step
        length = batch.length if batch.complete else max(step, batch.length)
        self._runs.extend((self._edge - length + start, samples) for start, samples in batch.runs(length))
        while self._runs and self._runs[0][0] < self._edge - MEMORY:
            self._runs.popleft()
        if batch.unclean:
            self.tally.note("unclean audio", f"batch {batch.batch_id}: {batch.unclean} samples replaced", t)
        log.debug("batch %d: %d datagrams in %.1f ms", batch.batch_id, batch.datagrams, 1e3 * (t - self._arrived_s))
        self._open, self._closed, self._last_length = None, batch, batch.length
        return Job(self.session, batch.batch_id, self._edge, settings, self._arrived_s, t)

    def _settings_by_data(self, batch: Batch, t: float) -> Settings:
        """What was said, mended by what was sent: a control message may have been lost, the audio cannot lie.

        A batch shorter than the step is the beginning of a song, unless the one before it was as short.
        """
        settings = self._open_settings
        if batch.package != settings.package:
            self.tally.note("package_size", f"datagrams hold {batch.package} samples, not {settings.package}", t)
            settings = replace(settings, package=batch.package)
        length, step = batch.length, settings.step.samples
        if batch.complete and length != step and (length > step or length == self._last_length):
            ratio = next((r for r in RATIOS if int(WINDOW * r) == length), min(1.0, (length + 0.5) / WINDOW))
            if ratio >= osc.MIN_RATIO:
                self.tally.note("step", f"batches hold {length} samples, r={settings.step.ratio} means {step}", t)
                settings = replace(settings, step=replace(settings.step, ratio=ratio))
        return settings

    def _next(self, t: float) -> list[Action]:
        """Start on the batch that waits, unless it has waited so long that its answer would come too late."""
        job, self._waiting = self._waiting, None
        if job is None:
            return []
        if t > job.closed_s and job.settings.step.depth > 0 and t + self._cycle_s > job.deadline_s:
            return self._drop(job.batch_id, "overtaken", "the model is too slow", t)
        self._working = replace(job, runs=tuple(self._runs))
        self._runs.clear()
        self._began_s = t
        return [Work(self._working)]

    def _drop(self, batch_id: int, kind: str, why: str, t: float) -> list[Action]:
        self.dropped += 1
        self.tally.note(kind, f"batch {batch_id} is not answered, {why}", t)
        return [Send((osc.BatchDropped(batch_id).pack(),))]
