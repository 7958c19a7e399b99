"""A network that loses, repeats, delays and shuffles; and a whole session over it under a clock of its own."""

import heapq
import itertools
import random
from dataclasses import dataclass, field

import numpy as np

from accomp.server import protocol as osc
from accomp.server.actions import Deliver, Send, Work
from accomp.server.answers import PacedSender
from accomp.server.output_buffers import OutputBuffers, Setup
from accomp.server.state import ServerState
from accomp.server.worker import InferenceWorker
from accomp.timeline import SAMPLE_RATE, STEMS

LEAVES_S = 2e-5  # between two datagrams of a burst


@dataclass
class Wire:
    """One direction. `loss` is the share that is lost, singly or in bursts of `burst_s`; delays reach `jitter_s`."""

    seed: int = 0
    loss: float = 0.0
    burst_s: float = 0.0
    repeat: float = 0.0
    jitter_s: float = 0.0
    calm_s: float = 1.6  # before this moment nothing happens: the session begins
    carried: int = 0
    lost: int = 0
    _bad: bool = False
    _until_s: float = 0.0

    def __post_init__(self):
        self._rng = random.Random(self.seed)

    def carry(self, t: float) -> list[float]:
        """When copies of a datagram sent at `t` arrive."""
        rng = self._rng
        if t < self.calm_s:
            self._until_s = self.calm_s
            return [t + 1e-4]
        while self.burst_s and self.loss and t >= self._until_s:
            self._bad = not self._bad
            mean_s = self.burst_s if self._bad else self.burst_s * (1 - self.loss) / self.loss
            self._until_s += rng.expovariate(1 / mean_s)
        if self._bad if self.burst_s else rng.random() < self.loss:
            self.lost += 1
            return []
        self.carried += 1
        copies = 1 + sum(rng.random() < self.repeat for _ in range(2))
        return [t + 1e-4 + rng.random() * self.jitter_s for _ in range(copies)]


@dataclass
class Session:
    """A client of `setup` that plays for `steps` steps over `up` and `down` to a state whose model takes `cycle_s`.

    `make` makes its streamers; `talk(session, batch_id)` may say more before each batch.
    """

    setup: Setup
    make: object
    up: Wire = field(default_factory=Wire)
    down: Wire = field(default_factory=Wire)
    cycle_s: object = 0.05  # seconds, or a function of the batch
    talk: object = None
    context: object = None  # (start, stop) -> what is played
    t: float = 0.0

    def __post_init__(self):
        self.state, self.worker = ServerState({"127.0.0.1"}, {"model": "fake"}), InferenceWorker(self.make)
        self.events, self.order = [], itertools.count()
        self.dropped, self.leads, self.touched, self.slowest_s = [], {}, set(), 0.0
        self.tick_at = None

    def at(self, t, action, *args):
        heapq.heappush(self.events, (t, next(self.order), action, args))

    def play(self, steps):
        """Play; the output that the client ends up with."""
        step = self.setup.step.samples
        self.output = OutputBuffers(self.setup, (steps + 10) * step + self.setup.step.offset)
        self.act(self.state.on_ready(self.t))
        for message in self.setup.messages():
            self.hear(message.pack())
        for i in range(1, steps + 1):
            self.at(i * step / SAMPLE_RATE, self.predict, i * step)
        self.run()
        return self.output

    def run(self):
        while self.events:
            self.t, _, action, args = heapq.heappop(self.events)
            action(*args)
            self.watch()

    def watch(self):
        due = self.state.next_deadline
        if self.state._session.open is not None and due != self.tick_at:
            self.tick_at = due
            self.at(max(due, self.t), self.tick)

    def tick(self):
        self.tick_at = None
        self.act(self.state.on_tick(self.t))

    def playhead(self):
        return int(self.t * SAMPLE_RATE)

    def hear(self, data):
        self.act(self.state.on_datagram(data, "127.0.0.1", self.t))

    def predict(self, curr):
        batch_id, step = self.output.predict(curr, self.playhead()), self.setup.step.samples
        if self.talk is not None:
            self.talk(self, batch_id)
        audio = self.context(curr - step, curr) if self.context else np.zeros(step, np.float32)
        starts = range(0, step, self.setup.package)
        copies = len(self.setup.targets)
        for n, start in enumerate([*starts] * copies):
            chunk = audio[start : start + self.setup.package]
            block = osc.Block("context", batch_id, start, len(starts) * copies, chunk)
            self.send(self.up, self.t + n * LEAVES_S, batch_id, self.hear, block.pack())

    def send(self, wire, t, batch_id, receive, data):
        arrivals = wire.carry(t)
        if not arrivals:
            self.touched.add(batch_id)
        for arrival in arrivals:
            self.at(arrival, receive, data)

    def act(self, actions):
        for action in actions:
            match action:
                case Send(datagrams):
                    for data, message in [(d, osc.parse_reply(d)) for d in datagrams]:
                        if isinstance(message, osc.Chunk):
                            self.send(self.down, self.t, 0, self.receive, data)
                        if isinstance(message, osc.BatchDropped):
                            self.dropped.append(message.batch_id)
                case Work(request):
                    cycle_s = self.cycle_s(request) if callable(self.cycle_s) else self.cycle_s
                    self.at(self.t + cycle_s, self.answer, request)
                case Deliver():
                    self.at(self.t, self.put, action, PacedSender(action.result.packets, action.hold_until_s, action.lossy))

    def answer(self, request):
        self.act(self.state.on_answer(request, self.worker.play(request), self.t))

    def put(self, action, sender):
        if not sender:
            self.leads[action.request.batch_id] = action.request.deadline_s - self.t
            self.act(self.state.on_sent(action, self.t))
            return
        wait_s, datagrams = sender.take(self.t, self.state.newest_id != action.request.batch_id)
        for n, datagram in enumerate(datagrams):
            self.send(self.down, self.t + wait_s + n * LEAVES_S, action.request.batch_id, self.receive, datagram)
        self.at(self.t + wait_s + len(datagrams) * LEAVES_S, self.put, action, sender)

    def receive(self, datagram):
        chunk = osc.parse_reply(datagram)
        if isinstance(chunk, osc.Chunk):
            self.output.receive(chunk, self.playhead())

    def misplaced(self, tune):
        """Steps in which something was heard that is neither what belongs there, nor silence, nor a crossfade of the two."""
        wrong, setup = set(), self.setup
        for voice, stem in enumerate(s for s in STEMS if s in setup.targets):
            want = tune(np.arange(self.output.samples)) + np.float32(voice / 64)
            got = self.output.heard[stem]
            right = np.isclose(got, want, atol=1e-6) | (got == 0)
            fading = np.arange(self.output.samples) % setup.step.samples >= setup.step.samples - setup.fade
            between = (got * want >= -1e-6) & (np.abs(got) <= np.abs(want) + 1e-6)
            wrong |= set((np.flatnonzero(~(right | (fading & between))) // setup.step.samples).tolist())
        return wrong
