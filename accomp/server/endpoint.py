"""The socket and the threads around a `ServerState` (threading model: see state.py)."""

import contextlib
import gc
import logging
import select
import socket
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from accomp.errors import UserError
from accomp.server import protocol as osc
from accomp.server.actions import Action, Deliver, Load, Send, Silence, Stop, Swap, Work
from accomp.server.answers import PacedSender
from accomp.server.record import Recorder
from accomp.server.state import ServerState
from accomp.server.worker import InferenceWorker, StepRequest, silence, warm_up
from accomp.timeline import Step

if TYPE_CHECKING:
    from accomp.server.web import WebPort

log = logging.getLogger(__name__)

RECEIVE_BUFFER = 4 << 20  # bytes asked for; the system may give less
BACKLOG = 4096  # datagrams: no more can have waited while the model was loading
LONGEST_WAIT_S = 0.2
LOOPBACK, LOOPBACK_6 = "127.0.0.1", "::1"

MakeStreamer = Callable  # (stems) -> Streamer


def bind(ip: str, port: int) -> socket.socket:
    """The socket to receive on. Never shared (no SO_REUSEADDR): two servers on one port would each get half the audio."""
    rx = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    rx.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    try:
        rx.bind((ip, port))
    except (OSError, OverflowError) as error:
        rx.close()
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise UserError(
            f"cannot listen on {ip} UDP port {port}: {why}; stop what uses it (lsof -i UDP:{port}) or choose another "
            "with --serverport and --server_ip"
        ) from error
    return rx


def listen(ip: str, port: int, sources: Iterable[str]) -> list[socket.socket]:
    """The sockets to receive on: `bind`'s, and one on ::1 for a client here that says "localhost" and gets that address."""
    sockets = [bind(ip, port)]
    if LOOPBACK in sources and ip in (LOOPBACK, "0.0.0.0"):
        rx = None
        with contextlib.suppress(OSError):  # there is no IPv6 here
            rx = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
            rx.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
            rx.bind((LOOPBACK_6, sockets[0].getsockname()[1]))
            return [*sockets, rx]
        if rx is not None:
            rx.close()
    return sockets


def sources_of(client_ip: str) -> set[str]:
    """The addresses a client may send from: its own, and loopback when it is on this machine. UserError if unknown."""
    try:
        address = socket.gethostbyname(client_ip)
    except (OSError, UnicodeError) as error:
        raise UserError(f"--client_ip {client_ip}: no such host; give the address of the client's machine") from error
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:  # not an address of this machine
            return {address}
    return {address, LOOPBACK}


class Endpoint:
    """Runs a server on bound sockets until `stop` is called; answers go to `client` (ip, port) and nowhere else.

    load       makes a streamer's maker of a model's name, or raises UserError; None: there is only one model
    recorder   is given every event, in order
    web        the port of the page, which is a client too
    """

    def __init__(self, state: ServerState, worker: InferenceWorker, rx: Sequence[socket.socket], client: tuple[str, int],
                 load: Callable[[str], MakeStreamer] | None = None, recorder: Recorder | None = None,
                 web: "WebPort | None" = None):  # fmt: skip
        self._state, self._worker, self._rx, self._client = state, worker, list(rx), client
        for each in self._rx:
            each.setblocking(False)
        self._load_model, self._recorder, self._web = load, recorder, web
        self._tx = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._tx.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, RECEIVE_BUFFER)
        self._lock = threading.RLock()
        self._infer = ThreadPoolExecutor(1, "infer")
        self._send = ThreadPoolExecutor(1, "send")
        self._load = ThreadPoolExecutor(1, "load")
        self._warm: dict[str, MakeStreamer] = {}
        self._stopping = False
        self._reason = ""

    def warm_up(self, make: MakeStreamer) -> None:
        """Play to silence on the thread that will play to music; raises what the model raises."""
        self._infer.submit(warm_up, make).result()

    def run(self) -> None:
        """Serve. What arrived while the model was loading is handled first: settings are kept, audio is refused.

        Raises UserError when the model failed so often that there is no point in going on.
        """
        try:
            for _ in range(BACKLOG):
                if not self._receive(0):
                    break
            self._do("on_ready")
            if self._web is not None:
                self._web.start(lambda data: self._do("on_datagram", data, "web"))
            while not self._stopping:
                due_s = self._state.next_deadline
                if due_s is not None and time.monotonic() >= due_s:
                    self._do("on_tick")
                    due_s = self._state.next_deadline
                wait_s = LONGEST_WAIT_S if due_s is None else due_s - time.monotonic()
                self._receive(min(LONGEST_WAIT_S, max(0.0005, wait_s)))
        finally:
            if self._web is not None:
                self._web.stop()
            for pool in (self._load, self._infer, self._send):  # the step in hand is finished
                pool.shutdown(wait=True, cancel_futures=True)
            if self._recorder is not None:
                self._recorder.close()
            self._tx.close()
            for rx in self._rx:
                rx.close()
        if self._reason:
            raise UserError(self._reason)

    def stop(self, reason: str = "") -> None:
        """Have `run` end, within LONGEST_WAIT_S and the step in hand; from any thread."""
        self._reason, self._stopping = reason, True

    def _receive(self, wait_s: float) -> bool:
        """Take in a datagram of each socket that has one; whether any had."""
        ready, _, _ = select.select(self._rx, (), (), wait_s)
        for rx in ready:
            try:
                data, (ip, *_) = rx.recvfrom(65_536)
            except OSError as error:  # Windows reports the client's closed port here; Linux a datagram that was damaged
                log.debug("receive: %s", error)
            else:
                self._do("on_datagram", data, LOOPBACK if ip == LOOPBACK_6 else ip)
        return bool(ready)

    def _do(self, event: str, *args) -> None:
        """Report an event to the state now, and carry out the actions that follow, before any other event."""
        with self._lock:
            t = time.monotonic()
            if self._recorder is not None:
                self._recorder.put(event, args, t)
            for action in getattr(self._state, event)(*args, t):
                self._act(action)

    def _act(self, action: Action) -> None:
        match action:
            case Send(datagrams):
                for datagram in datagrams:
                    self._put(datagram)
            case Stop(reason):
                self.stop(reason)
            case _ if self._stopping:
                pass  # the pools are closing
            case Work(request):
                future = self._infer.submit(self._worker.play, request)
                future.add_done_callback(lambda done: self._played(request, done))
            case Deliver():
                self._send.submit(self._deliver, action)
            case Silence(request):
                self._send.submit(lambda: self._put_all(PacedSender(silence(request)), request))
            case Load(name, step):
                self._load.submit(self._read_model, name, step)
            case Swap(name):
                self._infer.submit(self._worker.swap, self._warm.pop(name))

    def _played(self, request: StepRequest, future: Future) -> None:
        """On the infer thread: hand on the answer. Whatever the model raised, only this step is lost."""
        if future.cancelled():
            return
        if error := future.exception():
            log.error("batch %d: the model failed", request.batch_id, exc_info=error)
            self._do("on_failure", request)
        else:
            self._do("on_answer", request, future.result())

    def _read_model(self, name: str, step: Step) -> None:
        """On the load thread. Whatever the new model raises, the current one goes on."""
        try:
            if self._load_model is None:
                raise UserError("this server has only one model")
            make = self._load_model(name)
            warm_up(make, [step])
        except UserError as error:
            self._do("on_load_failed", name, str(error))
        except Exception as error:  # in the code of any model; the current one must go on
            log.exception("model %s", name)
            self._do("on_load_failed", name, type(error).__name__)
        else:
            gc.freeze()  # as at the start; what the old model leaves is freed by its last reference
            self._warm[name] = make
            self._do("on_loaded", name)

    def _deliver(self, action: Deliver) -> None:
        """On the send thread."""
        self._put_all(PacedSender(action.result.packets, action.hold_until_s, action.lossy), action.request)
        self._put(osc.ServerPredicted().pack())
        self._do("on_sent", action)

    def _put_all(self, sender: PacedSender, request: StepRequest) -> None:
        while sender:
            wait_s, datagrams = sender.take(time.monotonic(), self._state.newest_id != request.batch_id)
            if wait_s:
                time.sleep(wait_s)
            for datagram in datagrams:
                self._put(datagram)

    def _put(self, datagram: bytes) -> None:
        if self._web is not None:
            self._web.send(datagram)
        try:
            self._tx.sendto(datagram, self._client)
        except OSError as error:  # no receiver, no route, no room: UDP guarantees nothing, and the session goes on
            with self._lock:
                self._state.tally.note("send", str(error), time.monotonic())
