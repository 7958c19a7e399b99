"""What the server decides, and when: a pure state machine under the caller's clock.

Threading model
    receive   (the caller's thread, `Endpoint.run`) reads the socket, asks the clock and feeds `ServerState`.
    infer     one thread owns the `InferenceWorker` and with it the `Streamer`; no other thread uses them.
    send      one thread puts answers on the wire, paced, so that a burst never delays receiving or computing.
    load      one thread reads and warms up another model when it is asked for.
`ServerState` has no threads, clocks or sockets: every call takes the time and returns what is to be done, as a list of actions.
Calls come from all these threads, one at a time, under the `Endpoint`'s lock; none takes long. The order of the calls is
the order of everything: what is recorded and replayed is that order.

Timeline: the client never says where its playhead is, only batch numbers. The first batch of a session ends at one
step, and the live edge then moves by (batch_id - last batch_id) steps, whatever was lost in between. A number that
falls back, or 1 again, is a new session. The playhead is taken to be at the edge when a batch's first datagram arrives:
from there counts `lead_ms`, how long before its playing time an answer has been sent.
"""

import json
import logging
from collections import deque
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from accomp.server import protocol as osc
from accomp.server.actions import Action, Deliver, Load, Send, Silence, Stop, Swap, Work
from accomp.server.answers import HEADERS, header
from accomp.server.calibrate import Calibrator
from accomp.server.controls import LeadingQueue, Players, TransportTimeline, apply, begun_anew
from accomp.server.report import Record, Tally, described
from accomp.server.session import LOSSY_S, Session
from accomp.server.wire import messages
from accomp.server.worker import Settings, StepRequest, StepResult
from accomp.timeline import SAMPLE_RATE

log = logging.getLogger(__name__)

READY_AGAIN_S = 2.0  # until the client has sent something
PING_S = 0.1  # at most one question of a kind is answered in this time
MOST_FAILURES = 8  # in a row: then the device is lost, and the server should be started anew


class ServerState:
    """Takes in what happens and returns the actions that follow.

    sources   the addresses that datagrams are accepted from
    about     what to tell the client about this server
    defaults  the settings that every client begins with
    """

    def __init__(self, sources: Iterable[str], about: dict[str, str] | None = None, defaults: Settings | None = None):
        self.sources, self.about = frozenset(sources), dict(about or {})
        self.settings = self._defaults = defaults or Settings()
        self.tally = Tally()
        self.ready, self._failures = False, 0
        self._session: Session | None = None
        self._ready_again_s: float | None = None  # None: not yet, or the client has sent something
        self._refused_id: int | None = None
        self._began_s = self._cycle_s = 0.0  # when the worker began, and how long it took last time
        self._working: StepRequest | None = None
        self._loading: str | None = None
        self._fresh = False  # the client has introduced itself: its numbers may begin anew
        self._transports, self._leading, self._players = TransportTimeline(), LeadingQueue(), Players()
        self._begin_session()

    @property
    def newest_id(self) -> int | None:
        """The number of the client's newest batch."""
        return self._session.newest_id

    def on_ready(self, t: float) -> list[Action]:
        """The model is warm."""
        self.ready, self._ready_again_s = True, t + READY_AGAIN_S
        return [Send((osc.Ready().pack(),)), *self._send_status({"state": "ready"})]

    def on_datagram(self, data: bytes, ip: str, t: float) -> list[Action]:
        """A datagram. Never raises, never answers an unknown sender."""
        if ip not in self.sources:
            self.tally.note("unknown sender", f"ignored a datagram from {ip}", t)
            return []
        try:
            return [action for message in messages(data) for action in self._on_message(message, ip, t)]
        except osc.ProtocolError as error:
            return self._refuse(error.reason, error.detail, t)

    def _on_message(self, data: bytes, ip: str, t: float) -> list[Action]:
        try:
            message = osc.parse_request(data)
            self._ready_again_s = None
            if not isinstance(message, osc.Block):
                return self._on_control(message, t)
            self._players.check(ip, t)
            return self._on_block(message, t)
        except osc.ProtocolError as error:
            return self._refuse(error.reason, error.detail, t)

    def on_tick(self, t: float) -> list[Action]:
        """Time has passed."""
        if self._session.open is not None and t >= self._session.closes_s:
            self.tally.note("incomplete", f"batch {self._session.open.batch_id} did not arrive whole", t)
            return self._close(t)
        if self._ready_again_s is not None and t >= self._ready_again_s:
            return self.on_ready(t)
        return []

    @property
    def next_deadline(self) -> float | None:
        """When `on_tick` wants to be called, at the latest."""
        times = [self._session.closes_s if self._session.open is not None else None, self._ready_again_s]
        return min((s for s in times if s is not None), default=None)

    def on_answer(self, request: StepRequest, result: StepResult, t: float) -> list[Action]:
        """The worker has computed an answer."""
        self._working, self._cycle_s, self._failures = None, t - self._began_s, 0
        if request.session != self._session.number or self.newest_id - request.batch_id > 1:
            actions = self._drop(request.batch_id, "overtaken", "the client has moved on", t)
        else:
            self._delivered.append(request)
            ordered = self._players.page_plays  # over its socket nothing is lost or reordered
            until_s = t if ordered else self._session.hold_until_s(request, self._began_s, t)
            lossy = not ordered and self._session.reorder_jitter_s >= LOSSY_S
            actions = [Deliver(request, result, t, until_s, lossy)]
            actions += [Send((osc.Plan(result.plan).pack(),))] if result.plan else []
        actions += [action for said in result.said for action in self._send_status({"said": said})]
        return actions + self._next(t)

    def on_failure(self, request: StepRequest, t: float) -> list[Action]:
        """The worker has failed to compute an answer."""
        self._working = None
        self._failures += 1
        actions = self._drop(request.batch_id, "failed", "the model raised an error", t)
        if self._failures >= MOST_FAILURES:
            return [*actions, Stop(f"the model failed {MOST_FAILURES} times in a row; see the log above")]
        return actions + self._next(t)

    def on_sent(self, done: Deliver, t: float) -> list[Action]:
        """The last chunk of an answer is on the wire."""
        text = self.tally.add(Record.of(done.request, done.result, done.ready_s, t))
        return [Send((osc.Status(text).pack(),))]

    def on_loaded(self, name: str, t: float) -> list[Action]:
        """Another model is warm: it is used from the next step on."""
        self._loading = None
        self.about["model"] = name
        log.info("model %s plays from now on", name)
        return [Swap(name), *self.on_ready(t)]

    def on_load_failed(self, name: str, reason: str, t: float) -> list[Action]:
        """The other model could not be loaded; the current one stays."""
        self._loading = None
        return self._refuse("load", f"{name} was not loaded, {reason}; {self.about.get('model')} plays on", t)

    def _on_control(self, message: osc.Request, t: float) -> list[Action]:
        match message:
            case osc.Clock() | osc.Tempo():
                self._transports.receive(message, t)
            case osc.Start() | osc.StopPlaying() | osc.Fill() | osc.Break() | osc.HoldChord() | osc.Lead() | osc.Tap():
                said = self._leading.receive(message, t, self._transports)
                return self._send_status({"said": said}) if said else []
            case osc.Verbose(level):
                logging.getLogger("accomp").setLevel(logging.DEBUG if level else logging.INFO)
            case osc.Reset():
                self.tally.note("reset", "everything received and played is forgotten", t)
                return self._reset(t)
            case osc.Panic():
                self.tally.note("panic", "silence", t)
                return [*map(Silence, self._delivered), *self._reset(t)]
            case osc.LoadModel():
                self._welcome()
                return self.on_ready(t) if self.ready and not self.tally.recently("load_model", t, PING_S) else []
            case osc.AskStatus() if not self.tally.recently("status", t, PING_S):
                return self._send_status(self._report())
            case osc.PacketTest(_, samples) if not self.tally.recently("packet_test", t, PING_S):
                return [Send((osc.PacketTestResponse(np.nan_to_num(samples)).pack(),))]
            case osc.Predict() if self._session.open is not None:
                return self._close(t)
            case osc.Print() if not self.tally.recently("print", t, 10 * PING_S):
                log.info("status %s", json.dumps(self._report()))
            case osc.Calibrate():
                self._calibrator = Calibrator(asked=True)
            case osc.UseModel(name) if self._loading is None and self.ready:
                self._loading = name
                return [Load(name, self.settings.step)]
            case osc.UseModel(name):
                return self._refuse("model", f"{name} must wait for {self._loading or 'the first model'}", t)
            case _:
                self.settings = apply(message, self.settings)
                return self._on_hello(message, t) if isinstance(message, osc.Hello) else []
        return []

    def _welcome(self) -> None:
        """A client begins: nothing that another one asked for holds any longer."""
        self._fresh, self._transports = True, TransportTimeline()
        self.settings = begun_anew(self.settings, self._defaults)

    def _on_hello(self, hello: osc.Hello, t: float) -> list[Action]:
        self._welcome()
        log.info("client %s: %d Hz, T %d samples", hello.client, hello.sample_rate, hello.window)
        if hello.sample_rate != SAMPLE_RATE:
            return self._refuse("sample rate", f"the client's is {hello.sample_rate} Hz; set it to {SAMPLE_RATE} Hz", t)
        return self._send_status(self._report())

    def _report(self) -> dict:
        state = {"state": "ready" if self.ready else "loading", "loading": self._loading or ""}
        state["clock"] = "host" if self._transports.transport is not None else "own"
        return state | described(self.settings) | self.tally.summary()

    def _send_status(self, report: dict) -> list[Action]:
        return [Send((osc.Status(json.dumps(self.about | report)).pack(),))]

    def _refuse(self, kind: str, why: str, t: float) -> list[Action]:
        """Ignore a message: count it, and report it to log and client, at most once a second for each kind."""
        reported = self.tally.note(kind, why, t)
        return self._send_status({"error": f"{kind}: {why}"}) if reported and self.ready else []

    def _reset(self, t: float) -> list[Action]:
        """Begin a new session: drop the open and the waiting batch."""
        abandoned = [batch.batch_id for batch in (self._session.open, self._waiting) if batch is not None]
        self._begin_session()
        return [action for i in abandoned for action in self._drop(i, "abandoned", "a new session began", t)]

    def _begin_session(self) -> None:
        self._session = Session(self._session.number + 1 if self._session else 0, self.tally)
        self._waiting: StepRequest | None = None
        self._delivered: deque[StepRequest] = deque(maxlen=2)  # the client accepts no answers to older ones
        self._calibrator = Calibrator()
        self._transports.reset()

    def _on_block(self, block: osc.Block, t: float) -> list[Action]:
        actions: list[Action] = []
        if not self.ready:
            if block.batch_id != self._refused_id:
                self._refused_id = block.batch_id
                actions = self._drop(block.batch_id, "not ready", "the model is still loading", t)
            return actions
        session = self._session
        if session.open is None or block.batch_id != session.open.batch_id:
            if session.is_late(block.batch_id, t, self._fresh):
                if not session.is_repeated(block.batch_id):
                    self.tally.note("straggler", f"a datagram of batch {block.batch_id} came too late", t)
                return []
            actions += self._begin(block.batch_id, t)
        self._session.add(block, t)
        return actions + (self._close(t) if self._session.open.complete else [])

    def _begin(self, batch_id: int, t: float) -> list[Action]:
        actions: list[Action] = []
        if not self._session.continues(batch_id):
            self.tally.note("new session", f"batch {batch_id} came after batch {self.newest_id}", t)
            actions += self._reset(t)
        elif self._session.open is not None:
            request = self._session.close(self._transports, t)
            actions += self._drop(request.batch_id, "overtaken", "the next batch came before it was whole", t)
        self._session.begin(batch_id, self.settings, self._cycle_s, t)
        self._fresh = False
        return actions

    def _close(self, t: float) -> list[Action]:
        """Close the open batch, complete or not: have it answered, or report that it is dropped."""
        request = self._session.close(self._transports, t)
        actions = self._measure(request, t)
        if not request.settings.stems:
            return [*actions, *self._drop(request.batch_id, "no instrument", "send predict_instruments first", t)]
        request = replace(request, instead=self._calibrator.instead(request))
        overtaken, self._waiting = self._waiting, request
        actions += self._drop(overtaken.batch_id, "overtaken", "the model is too slow", t) if overtaken else []
        return actions + ([] if self._working is not None else self._next(t))

    def _measure(self, request: StepRequest, t: float) -> list[Action]:
        """Continue the calibration, if there is one; report its result."""
        done, latency = self._calibrator.take(request, self._session.runs[-1])
        if not done:
            return []
        if latency is None:
            return self._refuse("calibration", "no click came back; connect output with input and use w = 1", t)
        self.settings = replace(self.settings, latency=latency)
        log.info("calibration: a latency of %d samples, compensated from now on", latency)
        return self._send_status(self._report())

    def _next(self, t: float) -> list[Action]:
        """Start the waiting batch, unless its answer would come too late."""
        request, self._waiting = self._waiting, None
        if request is None:
            return []
        if t > request.closed_s and request.settings.step.depth > 0 and t + self._cycle_s > request.deadline_s:
            return self._drop(request.batch_id, "overtaken", "the model is too slow", t)
        leading = self._leading.take(request.edge, request.arrived_s)
        self._working = replace(request, runs=tuple(self._session.runs), missing=self._session.missing, leading=leading)
        self._session.runs.clear()
        self._session.missing, self._began_s = 0, t
        s = request.settings
        headers = [header(stem, request.batch_id, s.overlap + s.step.samples, s.package) for stem in s.stems]
        return [Work(self._working), Send(tuple(headers) * HEADERS)]

    def _drop(self, batch_id: int, kind: str, why: str, t: float) -> list[Action]:
        self.tally.dropped += 1
        self.tally.note(kind, f"batch {batch_id} is not answered, {why}", t)
        return [Send((osc.BatchDropped(batch_id).pack(),))]
