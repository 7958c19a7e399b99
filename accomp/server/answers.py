"""An answer as datagrams, in an order and at times with which the Max external places them correctly.

The external stores where to write only when it receives a stem's chunk 0, and writes chunks that arrive before it to the
place of its last batch. So an empty chunk 0, the header, is sent first: when the model begins to compute, again before the
audio, repeatedly while the audio is held back because datagrams have been reordered, and before every chunk where datagrams
have been lost.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from accomp.server.protocol import Chunk, parse_reply

HEADERS = 2  # at a time, of which one has to arrive
AT_ONCE, BYTES_PER_S = 100_000, 10e6  # of memory at the client: Pd has 208 kB, and reads every few milliseconds
RESEND_S = 0.02  # chunks sent this recently may have reached a client that was just beginning its next batch
AGAIN_S = 0.01  # between headers while the audio is held back


@dataclass(frozen=True)
class PacketizedAnswer:
    """One stem's answer on the wire: the header, and the chunks in order."""

    header: bytes
    chunks: tuple[bytes, ...]


def header(stem: str, batch_id: int, samples: int, package: int) -> bytes:
    """The empty chunk 0 of an answer of so many samples; it counts in the total."""
    return Chunk(stem, batch_id, 0, -(-samples // package) + HEADERS, np.zeros(0, np.float32)).pack()


def packetize(stem: str, batch_id: int, audio: np.ndarray, package: int) -> PacketizedAnswer:
    """Cut an answer (N,) into chunks of `package` samples; what is not finite is silence, what is too loud is clipped."""
    audio = np.clip(np.nan_to_num(audio, nan=0.0, posinf=0.0, neginf=0.0), -1, 1)
    starts = range(0, len(audio), package)
    total = len(starts) + HEADERS
    chunks = [Chunk(stem, batch_id, k, total, audio[start : start + package]) for k, start in enumerate(starts)]
    return PacketizedAnswer(header(stem, batch_id, len(audio), package), tuple(chunk.pack() for chunk in chunks))


def samples_of(answer: PacketizedAnswer) -> np.ndarray:
    """The answer (N,) that was cut into these chunks."""
    return np.concatenate([parse_reply(datagram).samples for datagram in answer.chunks])


def memory(datagram: bytes) -> int:
    """The most that a waiting datagram takes of the client's receive buffer, in bytes; Linux allots powers of two."""
    return 256 + (1 << (len(datagram) + 400).bit_length())


class PacedSender:
    """Decides which datagrams of an answer to send next, and when; pure: the caller has the clock and the socket.

    Until `hold_until_s` only headers are sent, then everything as one short burst; on a `lossy` network every chunk comes
    right after a header, so that a loss which ends within an answer leaves no chunk without one. A client that begins its
    next batch within an answer places the rest by the last header of its previous batch: so the headers are sent again, and
    what may have been misplaced is repeated.
    """

    def __init__(self, packets: Sequence[PacketizedAnswer], hold_until_s: float = 0.0, lossy: bool = False):
        self._headers = deque(answer.header for answer in packets)
        self._hold_until_s = hold_until_s
        self._queue: deque[tuple[bytes, tuple[bytes, ...]]] = deque()  # each with the header that places it
        for p in packets:
            together = [(p.header, chunk) if lossy else (chunk,) for chunk in p.chunks]
            self._queue.extend((p.header, datagrams) for datagrams in (*[(p.header,)] * HEADERS, *together))
        self._recent: deque[tuple[float, bytes, tuple[bytes, ...]]] = deque()
        self._rolled_over = False
        self._credit, self._last_s = float(AT_ONCE), float("-inf")

    def __bool__(self) -> bool:
        return bool(self._queue)

    def take(self, t: float, moved_on: bool) -> tuple[float, tuple[bytes, ...]]:
        """The next datagrams, and how many seconds to wait before them. `moved_on`: the client has begun its next batch."""
        if t < self._hold_until_s and not moved_on:
            self._headers.rotate()
            return AGAIN_S / len(self._headers), (self._headers[0],)
        if moved_on and not self._rolled_over:
            self._rolled_over = True
            young = [(h, ds) for at_s, h, ds in self._recent if t - at_s < RESEND_S]
            again = [(h, (h,)) for h in dict.fromkeys([*(h for h, _ in young), self._queue[0][0]])]
            self._queue.extendleft(reversed([*again, *young]))
        head, datagrams = self._queue.popleft()
        self._credit = min(AT_ONCE, self._credit + (t - self._last_s) * BYTES_PER_S) - sum(map(memory, datagrams))
        self._last_s, wait_s = t, max(0.0, -self._credit / BYTES_PER_S)
        self._recent.append((t + wait_s, head, datagrams))
        return wait_s, datagrams
