"""The OSC messages that carry audio: the player's to the server, the model's to the client, and the packet test's."""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from accomp.server.wire import INT32, Body, ProtocolError, within, write_samples
from accomp.timeline import STEMS, WINDOW

MAX_FLOATS = 13_095  # samples in one audio datagram; the external fails or crashes above
MIN_PACKAGE = 128  # samples; the external's own lower limit
MAX_DATAGRAMS = len(STEMS) ** 2 * -(-WINDOW // MIN_PACKAGE)  # of one batch, whatever its settings


class Audio:
    """A message of a name (its address), three whole numbers and samples: its fields in this order."""

    def pack(self) -> bytes:
        name, *numbers, samples = vars(self).values()
        return write_samples("/" + name, tuple(numbers), samples)

    @classmethod
    def unpack(cls, body: Body) -> Self:
        numbers, samples = body.audio(3)
        return cls(body.address[1:].decode(), *numbers, samples)


@dataclass(frozen=True, eq=False)
class PacketTest:
    """Samples to be sent back, so that the client can time the round trip."""

    address: ClassVar[str] = "/packet_test"
    number: int
    samples: np.ndarray

    def pack(self) -> bytes:
        return write_samples(self.address, (self.number,), self.samples)

    @classmethod
    def unpack(cls, body: Body) -> Self:
        (number,), samples = body.audio(1)
        return cls(number, samples)


@dataclass(eq=False)  # not frozen: hundreds of these arrive in a step
class Block(Audio):
    """A run of what the player played: samples that begin at `start` of the plane of one batch.

    plane    "context" (the sum of what is played), or one stem
    total    datagrams in the whole batch as the client counts them
    """

    plane: str
    batch_id: int
    start: int
    total: int
    samples: np.ndarray

    def __post_init__(self):
        within("batch_id", self.batch_id, 0, INT32 - 1)
        within("total_chunks", self.total, 1, MAX_DATAGRAMS)
        within("samples in a datagram", len(self.samples), 1, MAX_FLOATS)
        within("start_index", self.start, 0, WINDOW - len(self.samples))


@dataclass(frozen=True, eq=False)
class Chunk(Audio):
    """A run of what the model plays: chunk number `index` (no sample offset) of `total` for one stem of one batch."""

    stem: str
    batch_id: int
    index: int
    total: int
    samples: np.ndarray

    @classmethod
    def unpack(cls, body: Body) -> Self:
        raise ProtocolError("tags", "the external takes i, i, i and then only f")


@dataclass(frozen=True, eq=False)
class PacketTestResponse:
    """The samples of a packet test, with their true count in front (a wrong one silences the external for good)."""

    address: ClassVar[str] = "/packet_test_response"
    samples: np.ndarray

    def pack(self) -> bytes:
        return write_samples(self.address, (len(self.samples),), self.samples)

    @classmethod
    def unpack(cls, body: Body) -> Self:
        (count,), samples = body.audio(1)
        if count != len(samples):
            raise ProtocolError("arguments", f"count {count} for {len(samples)} samples")
        return cls(samples)
