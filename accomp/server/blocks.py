"""Datagrams into a batch of audio.

A batch is what the client sends for one request: one plane (the sum of what is played, "context") or one plane per
stem, each cut into chunks that may arrive in any order, more than once, or never. Its memory is fixed beforehand by the
longest window, never by a number in a packet. Nothing here raises on bad audio: it is cleaned and counted.
"""

from dataclasses import dataclass, field

import numpy as np

from accomp.server.protocol import MIN_PACKAGE, Block, ProtocolError
from accomp.timeline import STEMS, WINDOW

LOUDEST = 4.0  # input beyond +12 dBFS is an error
BEFORE = 4410  # samples of the batch before that may help to fill a gap
BRIDGED = 4410  # the longest gap that is filled throughout (0.1 s)
FADE = 441  # samples of the fade-out at the start of a longer gap, and of the fade-in at its end


def conceal(samples: np.ndarray, filled: np.ndarray) -> np.ndarray:
    """The samples (N,) with every gap filled so that it does not click.

    A gap is covered by what lies before it played backwards, fading out, and what lies after it played backwards, fading in:
    no discontinuity at either end, and a similar spectrum. In a long gap each fade is short and silence lies between.
    """
    samples = np.where(filled, samples, 0)
    borders = np.flatnonzero(np.diff(np.concatenate([[True], filled, [True]]).astype(np.int8)))
    for start, stop in zip(borders[::2], borders[1::2], strict=True):
        gap = stop - start
        reach = gap if gap <= BRIDGED else FADE
        fade = 1 - (np.arange(reach, dtype=np.float32) + 1) / (reach + 1)
        before, after = samples[max(0, start - reach) : start][::-1].copy(), samples[stop : stop + reach][::-1].copy()
        samples[start : start + len(before)] += before * fade[: len(before)]
        samples[stop - len(after) : stop] += after * fade[: len(after)][::-1]
    return samples


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

    step       samples that the client should send, by its last settings
    package    samples per datagram, likewise
    targets    stems that the model plays
    """

    def __init__(self, batch_id: int, step: int, package: int, targets: tuple[str, ...]):
        self.batch_id, self.step, self.stated_package, self.targets = batch_id, step, package, targets
        self.planes: dict[str, Plane] = {}
        self.datagrams = 0
        self.unclean = 0  # samples that were not finite or beyond LOUDEST
        self._total = 0

    def add(self, block: Block) -> None:
        """Place one datagram; the same one twice changes nothing."""
        if self._total and block.total != self._total:
            raise ProtocolError("mixed batch", f"total_chunks {block.total} after {self._total}")
        if self.planes and (block.plane == "context") != ("context" in self.planes):
            raise ProtocolError("mixed batch", "a summed context and single stems in one batch")
        clean = block.samples
        if not np.abs(clean).max() <= LOUDEST:  # nor where one of them is no number
            clean = np.clip(np.nan_to_num(clean, nan=0.0, posinf=0.0, neginf=0.0), -LOUDEST, LOUDEST)
        self.planes.setdefault(block.plane, Plane()).add(block.start, clean)
        self.unclean += 0 if clean is block.samples else int(np.count_nonzero(clean != block.samples))
        self._total = block.total
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
        """Whether everything has arrived, by any of several criteria (with two targets a client counts every chunk twice)."""
        return all(name in self.planes and self._whole(self.planes[name]) for name in self.expected_planes)

    def _whole(self, plane: Plane) -> bool:
        count = len(plane.chunks)
        announced = count * max(1, len(self.targets)) * (1 if "context" in self.planes else len(STEMS) - 1)
        short_tail = count > 1 and plane.chunks[max(plane.chunks)] < plane.chunks.get(0, 0)
        counted_out = self.datagrams >= self._total and plane.end == self.step
        return (announced == self._total or short_tail or counted_out) and bool(plane.filled[: plane.end].all())

    def audio(self, length: int, before: "Batch | None" = None) -> tuple[np.ndarray, int]:
        """The first `length` samples, planes summed and gaps concealed, and how many were missing from one plane or more.

        `before` is the batch that ended where this one begins.
        """
        total, whole = np.zeros(length, np.float32), np.ones(length, bool)
        for name in self.expected_planes:
            plane = self.planes.get(name)
            if plane is None:
                whole[:] = False
                continue
            samples, filled = plane.samples[:length], plane.filled[:length]
            if not filled.all():
                whole &= filled
                old = before.planes.get(name) if before is not None else None
                tail = slice(max(0, old.end - BEFORE), old.end) if old is not None else slice(0, 0)
                known = (old.samples[tail], old.filled[tail]) if old is not None else (samples[:0], filled[:0])
                joined = (np.concatenate([k, new]) for k, new in zip(known, (samples, filled), strict=True))
                samples = conceal(*joined)[len(known[0]) :]
            total += samples
        return total, length - int(np.count_nonzero(whole))
