"""A recording of everything that a server received, decided and answered: one file, valid up to wherever it ends.

The file is a JSON line about the server, then events: kind (1 byte), time in seconds (float64), length (uint32), payload. It
is written by a thread of its own from a bounded queue. The first failure (a full disk, a disk that cannot keep up) ends the
recording and nothing else.
"""

import json
import logging
import struct
import threading
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from accomp.errors import UserError
from accomp.server.actions import Deliver
from accomp.server.worker import StepRequest, StepResult

log = logging.getLogger(__name__)

KINDS = ("on_ready", "on_datagram", "on_tick", "on_answer", "on_failure", "on_sent", "on_loaded", "on_load_failed")
HEAD = struct.Struct(">BdI")
LONGEST_EVENT = 1 << 26  # bytes; no answer is longer
MOST_WAITING = 32 << 20  # bytes that may wait for the disk


class Recorder:
    """Writes a new file in `folder`. Raises UserError when that cannot be begun; never afterwards."""

    def __init__(self, folder: Path, about: dict):
        self.path = folder / time.strftime("%Y-%m-%d_%H-%M-%S.accomp")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("xb", buffering=0)
            self._file.write(json.dumps(about).encode() + b"\n")
        except OSError as error:
            raise UserError(f"cannot record to {self.path}: {error.strerror}; choose another --record folder") from error
        self._queue: deque[tuple[str, tuple, float]] = deque()
        self._waiting = 0  # bytes in the queue
        self._change = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._write, name="record", daemon=True)
        self._thread.start()

    def put(self, event: str, args: tuple, t: float) -> None:
        """Queue an event; never waits."""
        if self._ended:
            return
        size = _size(args)
        with self._change:
            if self._waiting + size > MOST_WAITING:
                log.warning("recording: ended, the disk cannot keep up; %s is whole up to here", self.path)
                self._ended = True
            else:
                self._queue.append((event, args, t))
                self._waiting += size
            self._change.notify()

    def close(self) -> None:
        """Write the queue and end."""
        with self._change:
            self._ended = True
            self._change.notify()
        self._thread.join(5)

    def _write(self) -> None:
        with self._file:
            while True:
                with self._change:
                    self._change.wait_for(lambda: self._queue or self._ended)
                    events = list(self._queue)
                    self._queue.clear()
                    self._waiting = 0
                    last = self._ended
                try:
                    for event, args, t in events:
                        whole, data = self._file.tell(), pack(event, args, t)
                        if self._file.write(data) != len(data):
                            self._file.truncate(whole)
                            raise OSError(28, "no space left")
                except OSError as error:
                    log.warning("recording: ended, %s; %s is whole up to here", error.strerror, self.path)
                    self._ended = True
                    return
                if last:
                    return


def _size(args: tuple) -> int:
    result = next((a for a in args if isinstance(a, StepResult)), None)
    return sum(len(a) for a in args if isinstance(a, bytes)) + (sum(map(len, wire(result))) if result else 0) + 64


def wire(result: StepResult) -> list[bytes]:
    """An answer's datagrams, each once."""
    return [datagram for answer in result.packets for datagram in (answer.header, *answer.chunks)]


def pack(event: str, args: tuple, t: float) -> bytes:
    """An event as bytes: of a request only its number is kept, for the rest follows from what came before."""
    payload = b""
    for arg in args:
        match arg:
            case bytes():
                part = arg
            case str():
                part = arg.encode()
            case StepRequest(batch_id=batch_id) | Deliver(request=StepRequest(batch_id=batch_id)):
                part = struct.pack(">i", batch_id)
            case StepResult():
                part = b"".join(struct.pack(">I", len(d)) + d for d in wire(arg))
        payload += struct.pack(">I", len(part)) + part
    return HEAD.pack(KINDS.index(event), t, len(payload)) + payload


def read(path: Path) -> tuple[dict, Iterator[tuple[str, float, list[bytes]]]]:
    """The server of a recording, and its events as (name, time, parts). Stops where the file was cut off."""
    try:
        file = path.open("rb")
        about = json.loads(file.readline(1 << 16))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: no recording of serve.py --record ({error})") from error
    if not isinstance(about, dict):
        raise UserError(f"{path}: no recording of serve.py --record")
    return about, _events(file, path)


def _events(file, path: Path) -> Iterator[tuple[str, float, list[bytes]]]:
    with file:
        while len(head := file.read(HEAD.size)) == HEAD.size:
            kind, t, length = HEAD.unpack(head)
            if kind >= len(KINDS) or length > LONGEST_EVENT:
                raise UserError(f"{path}: damaged recording")
            payload = file.read(length)
            if len(payload) < length:
                return
            yield KINDS[kind], t, _parts(payload)


def _parts(payload: bytes) -> list[bytes]:
    parts, at = [], 0
    while at + 4 <= len(payload):
        (length,) = struct.unpack_from(">I", payload, at)
        parts.append(payload[at + 4 : at + 4 + length])
        at += 4 + length
    return parts
