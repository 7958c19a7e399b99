"""A client in Python that does what the Max external does: `OutputBuffers` with sockets and a clock.

Threads: the caller's sends, another one receives.
"""

import errno
import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Mapping
from typing import Self

import numpy as np

from accomp.errors import UserError
from accomp.server import protocol as osc
from accomp.server.output_buffers import OutputBuffers, Setup
from accomp.timeline import SAMPLE_RATE, STEMS, WIRE_RATE, check_rate

log = logging.getLogger(__name__)

CONTROL_GAP_S = 0.03  # between control messages, as the external sends them
LOAD_AGAIN_S = 1.0
LONGEST_SLEEP_S = 0.1  # so that `stop` takes effect soon
PATIENCE = 3  # steps without an answer before that is logged


class Client:
    """A player in Max: sends what is played, receives what the model answers.

    planes    what is played, (N,) float32 each: {"context": ...} or any of the stems that the model does not play; may
              be filled while playing, as long as everything before the playhead is there
    now       the playhead in samples as a sound card counts it; by default the monotonic clock's
    beat      the host's beat at a sample: (beats into the bar, beats per minute, beats in a bar), or None
    """

    def __init__(self, planes: Mapping[str, np.ndarray], setup: Setup, server: tuple[str, int] = ("127.0.0.1", 7000),
                 clientport: int = 8000, now: Callable[[], int] | None = None,
                 beat: Callable[[int], tuple[float, float, int] | None] = lambda sample: None):  # fmt: skip
        if len({len(samples) for samples in planes.values()}) != 1:
            raise UserError("the stems that are played must be equally long; cut them to the shortest")
        check_rate(WIRE_RATE, "what the server plays")
        self.planes, self.setup, self.server, self.clientport = dict(planes), setup, server, clientport
        self._now, self._beat = now, beat
        self._silent = False
        self.output = OutputBuffers(setup, len(next(iter(planes.values()))))
        self.steps: list[dict] = []  # the server's report of each step
        self.about: dict[str, str] = {}  # the server's model, device and the like
        self.dropped: list[int] = []
        self.plan: dict = {}  # what the model intends, once it was asked for by `AskPlan(1)`
        self.ready = threading.Event()
        self._began_s: float | None = None
        self._lock = threading.Lock()
        self.stopped = self._closing = False
        self._rx = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._rx.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self._rx.settimeout(0.1)
        try:
            self._rx.bind(("0.0.0.0", clientport))
        except OSError as error:
            self._rx.close()
            why = f"cannot listen on UDP port {clientport}: {error.strerror}"
            raise UserError(f"{why}; choose another with --clientport") from error
        self._receiver = threading.Thread(target=self._receive, name="receive", daemon=True)
        self._receiver.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_) -> None:
        self.stopped = self._closing = True
        self._receiver.join()
        self._rx.close()

    def send(self, message: osc.Request) -> None:
        """One message from a port of its own, as the external does it."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as tx:
            self._put(tx, message)

    def _put(self, tx: socket.socket, message: osc.Request) -> None:
        """A network that refuses a datagram costs no more than it."""
        data = message.pack()
        try:
            tx.sendto(data, self.server)
        except OSError as error:
            advice = "; choose a package size of 1837 or less" if error.errno == errno.EMSGSIZE else ""
            log.warning("%d bytes could not be sent to %s: %s%s", len(data), self.server[0], error.strerror, advice)

    def load_model(self) -> None:
        """Send every setting, then `/load_model`."""
        for message in (*self.setup.messages(), osc.LoadModel()):
            self.send(message)
            time.sleep(CONTROL_GAP_S)

    def connect(self, timeout_s: float, alive: Callable[[], bool] = lambda: True) -> bool:
        """Wait until the server sends `/ready`, asking each second while it is `alive`; then send the settings."""
        until_s = time.monotonic() + timeout_s
        while not self.ready.is_set():
            if time.monotonic() > until_s or not alive():
                return False
            self.send(osc.LoadModel())
            self.ready.wait(LOAD_AGAIN_S)
        self.load_model()
        return True

    def predict(self, curr: int) -> int:
        """Ask for the answer to what was played up to sample `curr`. The number of the batch."""
        setup = self.setup
        with self._lock:
            batch_id = self.output.predict(curr, self.playhead())
        first = max(0, curr - setup.step.samples)
        played = {name: samples[first:curr] for name, samples in self.planes.items()}
        starts = range(0, curr - first, setup.package)
        if setup.send_mode == 0:  # the same sum once per target, and all of them counted
            copies, planes = len(setup.targets), {"context": sum(played.values())}
            total = copies * len(starts)
        else:
            copies, planes = 1, {stem: played.get(stem, np.zeros(curr - first, np.float32)) for stem in STEMS}
            planes = {stem: samples for stem, samples in planes.items() if stem not in setup.targets}
            total = len(setup.targets) * (len(STEMS) - 1) * len(starts)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as tx:
            for name, samples in [*planes.items()] * copies:
                for start in starts:
                    block = osc.Block(name, batch_id, start, total, samples[start : start + setup.package])
                    self._put(tx, block)
        if (beat := self._beat(curr)) is not None:
            self.send(osc.Clock(*beat, batch_id=batch_id))
        self._report_silence(batch_id)
        return batch_id

    def _report_silence(self, batch_id: int) -> None:
        """Log once that no answers arrive, and once that they do again."""
        silent = batch_id - max((*self.output.answered, *self.dropped), default=0) > PATIENCE
        if silent and not self._silent:
            log.warning("no answer to the last %d steps from %s:%d; is serve.py running there, with --clientport %d?",
                        PATIENCE, *self.server, self.clientport)  # fmt: skip
        elif self._silent and not silent:
            log.info("the server answers again")
        self._silent = silent

    def stop(self) -> None:
        """Have `play` return; from any thread."""
        self.stopped = True

    def playhead(self) -> int:
        """The sample that is heard now; 0 before the music begins."""
        if self._now is not None:
            return self._now()
        return 0 if self._began_s is None else int((time.monotonic() - self._began_s) * SAMPLE_RATE)

    def play(self, on_step: Callable[["Client"], None] = lambda client: None) -> dict[str, np.ndarray]:
        """Play from the first sample to the last, or until `stop`: what is heard of each stem, (N,) float32.

        Every prediction is made at its own moment of the monotonic clock, so that none can delay those after it.
        """
        step, samples = self.setup.step, self.output.samples
        self._began_s = time.monotonic()
        curr = step.samples
        while curr <= samples and curr + step.offset < samples:
            self._sleep_until(curr)
            if self.stopped:
                break
            self.predict(curr)
            on_step(self)
            curr += step.samples
        self._sleep_until(samples)
        on_step(self)
        with self._lock:
            return {stem: heard.copy() for stem, heard in self.output.heard.items()}

    def settle(self, timeout_s: float = 1.0) -> None:
        """Wait for the server's reports of the last steps, but no longer than this."""
        until_s = time.monotonic() + timeout_s
        while len(self.steps) + len(self.dropped) < self.output.batch_id and time.monotonic() < until_s:
            time.sleep(0.01)

    def _sleep_until(self, sample: int) -> None:
        while (left := sample - self.playhead()) > 0 and not self.stopped:
            time.sleep(min(LONGEST_SLEEP_S, max(0.001, left / SAMPLE_RATE)))

    def _receive(self) -> None:
        while not self._closing:
            try:
                data, _ = self._rx.recvfrom(65_536)
                self._handle(osc.parse_reply(data, self.setup.targets))
            except TimeoutError:
                continue
            except (OSError, osc.ProtocolError) as error:  # a closed server port on Windows; noise on the wire
                log.warning("ignored: %s", error)

    def _repeat_settings(self) -> None:
        """Send the settings again: a server that was started anew in mid-song has none of them."""
        if self._began_s is not None:
            for message in self.setup.messages():
                self.send(message)

    def _handle(self, message: osc.Reply) -> None:
        match message:
            case osc.Chunk():
                with self._lock:
                    self.output.receive(message, self.playhead())
            case osc.Ready():
                self.ready.set()
                self._repeat_settings()
            case osc.BatchDropped(batch_id):
                self.dropped.append(batch_id)
                self._repeat_settings()
            case osc.Status(text) | osc.Plan(text):
                try:
                    report = json.loads(text)
                except ValueError:
                    report = None
                if isinstance(message, osc.Plan):
                    self.plan = report if isinstance(report, dict) else {"text": text}
                elif isinstance(report, dict) and "batch_id" in report:
                    self.steps.append(report)
                elif isinstance(report, dict):
                    self.about = report
