"""The socket and the threads: feeds the core what arrives, and does what it says (threading model: see engine.py)."""

import logging
import socket
import threading
import time
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor

from accomp.errors import UserError
from accomp.server import protocol as osc
from accomp.server.blocks import HEADERS, Parcel
from accomp.server.engine import Action, Core, Deliver, Send, Work
from accomp.server.performer import Job, Performer

log = logging.getLogger(__name__)

RECEIVE_BUFFER = 4 << 20  # bytes asked for; the system may give less
BACKLOG = 4096  # datagrams: no more can have waited while the model was loading
LONGEST_WAIT_S = 0.2
PACE_BYTES, PACE_S = 25_000, 0.001  # clients with a small buffer lose datagrams that come any faster
RESEND_S = 0.02  # chunks this young may have met a client that was just changing to its next batch


def bind(ip: str, port: int) -> socket.socket:
    """The server's ear. Never shared (no SO_REUSEADDR): two servers on one port would each hear half the music."""
    ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    ear.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    try:
        ear.bind((ip, port))
    except (OSError, OverflowError) as error:
        ear.close()
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise UserError(
            f"cannot listen on {ip} UDP port {port}: {why}; stop what uses it (lsof -i UDP:{port}) or choose another "
            "with --serverport and --server_ip"
        ) from error
    return ear


def sources_of(client_ip: str) -> set[str]:
    """The addresses a client may speak from: its own, and loopback when it is on this machine. UserError if unknown."""
    try:
        address = socket.gethostbyname(client_ip)
    except (OSError, UnicodeError) as error:
        raise UserError(f"--client_ip {client_ip}: no such host; give the address of the client's machine") from error
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:  # not an address of this machine
            return {address}
    return {address, "127.0.0.1"}


class Endpoint:
    """Runs a server on a bound socket until `stop` is called; answers go to `client` (ip, port) and nowhere else."""

    def __init__(self, core: Core, performer: Performer, ear: socket.socket, client: tuple[str, int]):
        self._core, self._performer, self._ear, self._client = core, performer, ear, client
        self._mouth = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._mouth.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, RECEIVE_BUFFER)
        self._lock = threading.Lock()
        self._infer = ThreadPoolExecutor(1, "infer")
        self._send = ThreadPoolExecutor(1, "send")
        self._stopping = False

    def warm_up(self) -> None:
        """Play to silence on the thread that will play to music; raises what the performer raises."""
        self._infer.submit(self._performer.warm_up).result()

    def run(self) -> None:
        """Serve. What came in while the model was loading is heard first: settings are kept, audio is refused."""
        try:
            self._ear.setblocking(False)
            for _ in range(BACKLOG):
                if not self._receive():
                    break
            self._do("on_ready")
            while not self._stopping:
                self._do("on_tick")
                due_s = self._core.next_deadline
                wait_s = LONGEST_WAIT_S if due_s is None else due_s - time.monotonic()
                self._ear.settimeout(min(LONGEST_WAIT_S, max(0.0005, wait_s)))
                self._receive()
        finally:
            for pool in (self._infer, self._send):  # the step in hand is finished
                pool.shutdown(wait=True, cancel_futures=True)
            self._mouth.close()
            self._ear.close()

    def stop(self) -> None:
        """Have `run` end, within LONGEST_WAIT_S and the step in hand; from any thread."""
        self._stopping = True

    def _receive(self) -> bool:
        try:
            data, address = self._ear.recvfrom(65_536)
        except (TimeoutError, BlockingIOError):
            return False
        except OSError as error:  # Windows reports the client's closed port here
            log.debug("receive: %s", error)
            return False
        self._do("on_datagram", data, address)
        return True

    def _do(self, event: str, *args) -> None:
        """Tell the core what happened, now, and carry out what it says."""
        with self._lock:
            actions: Iterable[Action] = getattr(self._core, event)(*args, time.monotonic())
        for action in actions:
            match action:
                case Send(datagrams):
                    for datagram in datagrams:
                        self._put(datagram)
                case Work(job) if not self._stopping:
                    future = self._infer.submit(self._performer.play, job)
                    future.add_done_callback(lambda done, job=job: self._played(job, done))
                case Deliver():
                    self._send.submit(self._deliver, action)

    def _played(self, job: Job, future: Future) -> None:
        """On the infer thread: hand on the answer. Whatever the model raised costs this step and no other."""
        if future.cancelled():
            return
        if error := future.exception():
            log.error("batch %d: the model failed", job.batch_id, exc_info=error)
            self._do("on_failure", job)
        else:
            self._do("on_answer", job, future.result())

    def _deliver(self, action: Deliver) -> None:
        """On the send thread."""
        for parcel in action.played.parcels:
            self._put_paced(parcel, action.job.batch_id)
        self._put(osc.ServerPredicted().pack())
        self._do("on_sent", action)

    def _put_paced(self, parcel: Parcel, batch_id: int) -> None:
        """Send one stem's answer as one short burst.

        When the client begins its next batch in mid-answer, it places the rest by what it last noted about its previous
        batch: say the header again, repeat what may have been misplaced, go on.
        """
        queue = deque([parcel.header] * HEADERS + list(parcel.chunks))
        recent: deque[tuple[float, bytes]] = deque()
        rolled_over, burst = False, 0
        while queue:
            now_s = time.monotonic()
            if not rolled_over and self._core.newest_id != batch_id:
                rolled_over = True
                queue.extendleft([*(d for at_s, d in reversed(recent) if now_s - at_s < RESEND_S), parcel.header])
            datagram = queue.popleft()
            if burst and burst + len(datagram) > PACE_BYTES:
                time.sleep(PACE_S * (1 if burst <= PACE_BYTES else 2))
                burst = 0
            self._put(datagram)
            recent.append((now_s, datagram))
            burst += len(datagram)

    def _put(self, datagram: bytes) -> None:
        try:
            self._mouth.sendto(datagram, self._client)
        except OSError as error:  # nobody there, no route, no room: UDP promises nothing, and the music goes on
            self._core.tally.note("send", str(error), time.monotonic())
