"""Datagrams into a batch of audio, and an answer into datagrams.

A batch is what the client sends for one request: one plane (the sum of what is played, "context") or one plane per
stem, each cut into chunks that may arrive in any order, more than once, or never. Its memory is fixed beforehand by the
longest window, never by a number in a packet. Nothing here raises on bad audio: it is cleaned and counted.
"""

from dataclasses import dataclass, field

import numpy as np

from accomp.server.protocol import MIN_PACKAGE, Block, Chunk, ProtocolError
from accomp.timeline import STEMS, WINDOW

LOUDEST = 4.0  # input beyond +12 dBFS is not audio
HEADERS = 2  # empty chunks in front of an answer, of which one has to arrive


@dataclass(eq=False)
class Plane:
    """One channel of a batch as far as it has arrived."""

    samples: np.ndarray = field(default_factory=lambda: np.zeros(WINDOW, np.float32))
    filled: np.ndarray = field(default_factory=lambda: np.zeros(WINDOW, bool))
    chunks: dict[int, int] = field(default_factory=dict)  # start -> samples
    end: int = 0

    def add(self, start: int, samples: np.ndarray) -> None:
        if len(self.chunks) >= -(-WINDOW // MIN_PACKAGE) and start not in self.chunks:
            raise ProtocolError("too many chunks", f"more than {len(self.chunks)} in one plane")
        stop = start + len(samples)
        self.samples[start:stop] = samples
        self.filled[start:stop] = True
        self.chunks[start] = max(len(samples), self.chunks.get(start, 0))
        self.end = max(self.end, stop)


class Batch:
    """The datagrams of one request, gathered.

    step       samples that the client should send, by what it said last
    package    samples per datagram, likewise
    targets    stems that the model plays
    """

    def __init__(self, batch_id: int, step: int, package: int, targets: tuple[str, ...]):
        self.batch_id, self.step, self.stated_package, self.targets = batch_id, step, package, targets
        self.planes: dict[str, Plane] = {}
        self.datagrams = 0
        self.unclean = 0  # samples that were not finite or far too loud
        self._total = 0

    def add(self, block: Block) -> None:
        """Place one datagram; the same one twice changes nothing."""
        if self._total and block.total != self._total:
            raise ProtocolError("mixed batch", f"total_chunks {block.total} after {self._total}")
        if self.planes and (block.plane == "context") != ("context" in self.planes):
            raise ProtocolError("mixed batch", "a summed context and single stems in one batch")
        self._total = block.total
        clean = np.clip(np.nan_to_num(block.samples, nan=0.0, posinf=0.0, neginf=0.0), -LOUDEST, LOUDEST)
        self.unclean += int(np.count_nonzero(clean != block.samples))
        self.planes.setdefault(block.plane, Plane()).add(block.start, clean)
        self.datagrams += 1

    @property
    def expected_planes(self) -> tuple[str, ...]:
        if "context" in self.planes:
            return ("context",)
        return tuple(stem for stem in STEMS if stem not in self.targets)

    @property
    def package(self) -> int:
        """Samples per datagram, from the data where they tell: every chunk but a plane's last is full."""
        several = [plane.chunks.values() for plane in self.planes.values() if len(plane.chunks) > 1]
        longest = max(map(max, several), default=0)
        return longest if longest >= MIN_PACKAGE else self.stated_package

    @property
    def length(self) -> int:
        """Samples from the start of the batch to the last one that arrived."""
        return max((plane.end for plane in self.planes.values()), default=0)

    @property
    def complete(self) -> bool:
        """Whether everything is here, by any of the signs that a client gives (two targets count every chunk twice)."""
        return all(name in self.planes and self._whole(self.planes[name]) for name in self.expected_planes)

    def _whole(self, plane: Plane) -> bool:
        count = len(plane.chunks)
        announced = count * max(1, len(self.targets)) * (1 if "context" in self.planes else len(STEMS) - 1)
        short_tail = count > 1 and plane.chunks[max(plane.chunks)] < plane.chunks.get(0, 0)
        counted_out = self.datagrams >= self._total and plane.end == self.step
        return (announced == self._total or short_tail or counted_out) and bool(plane.filled[: plane.end].all())

    def runs(self, length: int) -> list[tuple[int, np.ndarray]]:
        """What is known of the first `length` samples: the runs without a gap, planes summed, as (start, samples)."""
        total, known = np.zeros(length, np.float32), np.zeros(length + 2, np.int8)
        for plane in self.planes.values():
            total += plane.samples[:length]
            known[1:-1] |= plane.filled[:length]
        borders = np.flatnonzero(np.diff(known))
        return [(int(a), total[a:b]) for a, b in zip(borders[::2], borders[1::2], strict=True)]


@dataclass(frozen=True)
class Parcel:
    """One stem's answer on the wire: the header, to be sent first and more than once, and the chunks in order."""

    header: bytes
    chunks: tuple[bytes, ...]


def parcel(stem: str, batch_id: int, audio: np.ndarray, package: int) -> Parcel:
    """Cut an answer (N,) into chunks of `package` samples; what is not finite is silence, what is too loud is clipped.

    The external notes where to write only when it sees chunk 0, and writes whatever overtook it in the wrong place. So
    an empty chunk 0 goes first, HEADERS times; it places the rest and is counted in the total.
    """
    audio = np.clip(np.nan_to_num(audio, nan=0.0, posinf=0.0, neginf=0.0), -1, 1)
    starts = range(0, len(audio), package)
    total = len(starts) + HEADERS
    chunks = [Chunk(stem, batch_id, k, total, audio[start : start + package]) for k, start in enumerate(starts)]
    return Parcel(Chunk(stem, batch_id, 0, total, audio[:0]).pack(), tuple(chunk.pack() for chunk in chunks))
