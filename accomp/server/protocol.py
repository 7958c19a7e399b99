"""The words that client and server say to each other: every OSC message of the Max external `multi_track`.

Each message is a frozen dataclass with `pack() -> bytes` (OSC 1.0, big-endian, the very type tags the external sends or
demands) and `unpack`, reached through `parse_request` (what a server may hear) and `parse_reply` (what a client may
hear). Parsing is strict and takes constant or linear time: literal addresses only, every length checked before anything
is read, bundles refused, nothing trusted. What does not fit raises `ProtocolError`; `reason` is one of a fixed few.

Scalars may come as i, f, d, T or F (Max, Pd and plain scripts differ) and samples as any mix of f and i. A float32
scalar is read as the shortest decimal that gives it, because 0.02f truncated to samples is 881 and 0.02 is 882.
"""

import math
import struct
from dataclasses import astuple, dataclass
from typing import ClassVar, Self

import numpy as np

from accomp.timeline import STEMS, WINDOW

MAX_DATAGRAM = 65_507  # bytes of UDP payload over IPv4
MAX_FLOATS = 13_095  # samples in one audio datagram; the external fails or crashes above
MIN_PACKAGE = 128  # samples; the external's own lower limit
MIN_RATIO = 1 / 128  # 47 ms: shorter steps are not music
MAX_DATAGRAMS = len(STEMS) ** 2 * -(-WINDOW // MIN_PACKAGE)  # of one batch, whatever its settings
INT32 = 2**31


class ProtocolError(ValueError):
    """A datagram that is not a message: `reason` is the kind of fault (few and fixed), `detail` what was found."""

    def __init__(self, reason: str, detail: str = ""):
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason, self.detail = reason, detail


# ---------------------------------------------------------------------------------------------- OSC, read and written


def _pad(text: bytes) -> bytes:
    return text + b"\0" * (4 - len(text) % 4)


def _write(address: str, tags: str, payload: bytes = b"") -> bytes:
    data = _pad(address.encode()) + _pad(b"," + tags.encode()) + payload
    if len(data) > MAX_DATAGRAM:
        raise ProtocolError("size", f"{address} would take {len(data)} bytes")
    return data


def _write_samples(address: str, numbers: tuple[int, ...], samples: np.ndarray) -> bytes:
    payload = struct.pack(f">{len(numbers)}i", *numbers) + np.asarray(samples).astype(">f4").tobytes()
    return _write(address, "i" * len(numbers) + "f" * len(samples), payload)


def _read_string(data: bytes, offset: int) -> tuple[bytes, int]:
    end = data.find(b"\0", offset)
    stop = (end + 4) & ~3
    if end < 0 or data[end:stop].strip(b"\0"):
        raise ProtocolError("string", "not ended or not padded with zeros")
    return data[offset:end], stop


@dataclass(frozen=True)
class _Body:
    """A message opened but not yet understood: its sizes are known to fit, its arguments start at `offset`."""

    address: bytes
    tags: bytes  # without the comma
    data: bytes
    offset: int

    @classmethod
    def open(cls, data: bytes) -> Self:
        if not 4 <= len(data) <= MAX_DATAGRAM or len(data) % 4:
            raise ProtocolError("size", f"{len(data)} bytes")
        if data.startswith(b"#bundle\0"):
            raise ProtocolError("bundle", "bundles are not part of this protocol")
        address, offset = _read_string(data, 0)
        if address[:1] != b"/":
            raise ProtocolError("address", repr(address[:32]))
        if offset == len(data):  # the form without type tags
            return cls(address, b"", data, offset)
        tags, offset = _read_string(data, offset)
        if tags[:1] != b",":
            raise ProtocolError("tags", "no type tag string")
        tags = tags[1:]
        if tags != b"s" and tags.translate(None, b"ifdTF"):
            raise ProtocolError("tags", "only i, f, d, T and F are read, or one s")
        size = 4 * (tags.count(b"i") + tags.count(b"f")) + 8 * tags.count(b"d")
        if tags == b"s":
            size = _read_string(data, offset)[1] - offset
        if offset + size != len(data):
            raise ProtocolError("size", f"{len(data) - offset} bytes of arguments where the tags say {size}")
        return cls(address, tags, data, offset)

    def scalars(self, kinds: str, more: bool = False) -> tuple[list, int]:
        """The first arguments as i(nteger), d(ouble) or T(ruth), and the offset after them; `more` may follow."""
        if len(self.tags) < len(kinds) or (len(self.tags) > len(kinds) and not more):
            raise ProtocolError("arguments", f"{len(self.tags)} where {len(kinds)} belong")
        values, offset = [], self.offset
        for tag, kind in zip(self.tags.decode(), kinds, strict=False):  # tags may be longer
            value: float = tag == "T"
            if tag in "ifd":
                (value,) = struct.unpack_from(">" + tag, self.data, offset)
                offset += struct.calcsize(">" + tag)
            elif tag == "s":
                raise ProtocolError("arguments", "text where a number belongs")
            if not math.isfinite(value):
                raise ProtocolError("arguments", "a number that is not finite")
            if tag == "f":
                value = float(str(np.float32(value)))
            values.append(_as(kind, value))
        return values, offset

    def samples(self, first: int, offset: int) -> np.ndarray:
        """Every argument from number `first` on, as float32 samples; integers are taken by value, never by bits."""
        tags = self.tags[first:]
        if tags.translate(None, b"if"):
            raise ProtocolError("tags", "samples must be f or i")
        samples = np.frombuffer(self.data, ">f4", len(tags), offset).astype(np.float32)
        if b"i" in tags:
            whole = np.frombuffer(tags, np.uint8) == ord("i")
            samples[whole] = np.frombuffer(self.data, ">i4", len(tags), offset)[whole]
        return samples


def _as(kind: str, value: float) -> float:
    if kind == "T":
        return value != 0
    if kind == "d":
        return float(value)
    if value != int(value) or not -INT32 <= value < INT32:
        raise ProtocolError("arguments", "a whole number of 32 bits belongs here")
    return int(value)


def _within(what: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ProtocolError("range", f"{what} must lie in [{low:g}, {high:g}], got {value:g}")


# ------------------------------------------------------------------------------------------------- client -> server


@dataclass(frozen=True)
class _Scalars:
    """A message of a few numbers: its fields in order, sent under `tags`."""

    address: ClassVar[str]
    tags: ClassVar[str] = ""

    def pack(self) -> bytes:
        carried = [(t, v) for t, v in zip(self.tags, astuple(self), strict=True)]
        payload = b"".join(struct.pack(">" + tag, value) for tag, value in carried if tag != "T")
        return _write(self.address, "".join("F" if t == "T" and not v else t for t, v in carried), payload)

    @classmethod
    def unpack(cls, body: _Body) -> Self:
        return cls(*body.scalars(cls.tags)[0])


@dataclass(frozen=True)
class _Trigger:
    """A message that only says "now"; what it carries is of no account."""

    address: ClassVar[str]
    packed: ClassVar[bytes]

    def pack(self) -> bytes:
        return self.packed

    @classmethod
    def unpack(cls, body: _Body) -> Self:
        return cls()


@dataclass(frozen=True)
class UpdatePackageSize(_Scalars):
    """How many samples one datagram carries, both ways."""

    address, tags = "/update_package_size", "i"
    samples: int

    def __post_init__(self):
        _within("package_size", self.samples, MIN_PACKAGE, MAX_FLOATS)


@dataclass(frozen=True)
class UpdateR(_Scalars):
    """The step ratio r: how much of the window is predicted at a time."""

    address, tags = "/update_r", "d"
    ratio: float

    def __post_init__(self):
        _within("r", self.ratio, MIN_RATIO, 1)


@dataclass(frozen=True)
class W(_Scalars):
    """The depth w: how many steps ahead the answer starts."""

    address, tags = "/w", "d"
    depth: float

    def __post_init__(self):
        _within("w", self.depth, -1, 8)


@dataclass(frozen=True)
class UpdateFade(_Scalars):
    """The overlap of neighbouring answers in seconds, over which the client crossfades."""

    address, tags = "/update_fade", "d"
    seconds: float

    def __post_init__(self):
        _within("fade", self.seconds, 0, 1)


@dataclass(frozen=True)
class PredictInstruments(_Scalars):
    """Which instruments the model is to play."""

    address, tags = "/predict_instruments", "i" * len(STEMS)
    bass: int = 0
    drums: int = 0
    guitar: int = 0
    piano: int = 0

    @property
    def stems(self) -> tuple[str, ...]:
        return tuple(stem for stem in STEMS if getattr(self, stem))


@dataclass(frozen=True)
class Verbose(_Scalars):
    """How talkative the log is: 0 or 1."""

    address, tags = "/verbose", "i"
    level: int


@dataclass(frozen=True)
class LoadModel(_Trigger):
    """Asks the server to be ready with its model."""

    address, packed = "/load_model", _write("/load_model", "")


@dataclass(frozen=True)
class Reset(_Trigger):
    """Asks the server to forget everything it heard and played."""

    address, packed = "/reset", _write("/reset", "i", struct.pack(">i", 1))


@dataclass(frozen=True)
class Print(_Trigger):
    """Asks the server to say how things stand."""

    address, packed = "/print", _write("/print", "T")


@dataclass(frozen=True)
class Predict(_Trigger):
    """Answer now with what has come in so far (the external never sends it)."""

    address, packed = "/predict", _write("/predict", "")


@dataclass(frozen=True, eq=False)
class PacketTest:
    """Samples to be sent back, so that the client can time the round trip."""

    address: ClassVar[str] = "/packet_test"
    number: int
    samples: np.ndarray

    def pack(self) -> bytes:
        return _write_samples(self.address, (self.number,), self.samples)

    @classmethod
    def unpack(cls, body: _Body) -> Self:
        numbers, offset = body.scalars("i", more=True)
        return cls(*numbers, body.samples(1, offset))


@dataclass(frozen=True, eq=False)
class Block:
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
        _within("batch_id", self.batch_id, 0, INT32 - 1)
        _within("total_chunks", self.total, 1, MAX_DATAGRAMS)
        _within("samples in a datagram", len(self.samples), 1, MAX_FLOATS)
        _within("start_index", self.start, 0, WINDOW - len(self.samples))

    def pack(self) -> bytes:
        return _write_samples("/" + self.plane, (self.batch_id, self.start, self.total), self.samples)

    @classmethod
    def unpack(cls, body: _Body) -> Self:
        numbers, offset = body.scalars("iii", more=True)
        return cls(body.address[1:].decode(), *numbers, body.samples(3, offset))


# ------------------------------------------------------------------------------------------------- server -> client


@dataclass(frozen=True)
class Ready(_Trigger):
    """The server listens, its model is loaded and warm."""

    address, packed = "/ready", _write("/ready", "T")


@dataclass(frozen=True)
class ServerPredicted(_Trigger):
    """Every chunk of the answer has been sent."""

    address, packed = "/server_predicted", _write("/server_predicted", "T")


@dataclass(frozen=True)
class BatchDropped(_Scalars):
    """This batch will not be answered."""

    address, tags = "/batch_dropped", "i"
    batch_id: int


@dataclass(frozen=True, eq=False)
class Chunk:
    """A run of what the model plays: chunk number `index` (no sample offset) of `total` for one stem of one batch."""

    stem: str
    batch_id: int
    index: int
    total: int
    samples: np.ndarray

    def pack(self) -> bytes:
        return _write_samples("/" + self.stem, (self.batch_id, self.index, self.total), self.samples)

    @classmethod
    def unpack(cls, body: _Body) -> Self:
        if body.tags[:3] != b"iii" or body.tags[3:].strip(b"f"):
            raise ProtocolError("tags", "the external takes i, i, i and then only f")
        numbers, offset = body.scalars("iii", more=True)
        return cls(body.address[1:].decode(), *numbers, body.samples(3, offset))


@dataclass(frozen=True, eq=False)
class PacketTestResponse:
    """The samples of a packet test, with their true count in front (a wrong one silences the external for good)."""

    address: ClassVar[str] = "/packet_test_response"
    samples: np.ndarray

    def pack(self) -> bytes:
        return _write_samples(self.address, (len(self.samples),), self.samples)

    @classmethod
    def unpack(cls, body: _Body) -> Self:
        (count,), offset = body.scalars("i", more=True)
        samples = body.samples(1, offset)
        if count != len(samples):
            raise ProtocolError("arguments", f"count {count} for {len(samples)} samples")
        return cls(samples)


@dataclass(frozen=True)
class Status:
    """How the last step went, as JSON text. An extension: the external ignores addresses it does not know."""

    address: ClassVar[str] = "/status"
    text: str

    def pack(self) -> bytes:
        return _write(self.address, "s", _pad(self.text.encode("ascii")))

    @classmethod
    def unpack(cls, body: _Body) -> Self:
        text = _read_string(body.data, body.offset)[0] if body.tags == b"s" else b"\xff"
        if not text.isascii():
            raise ProtocolError("arguments", "one ASCII string belongs here")
        return cls(text.decode())


Request = UpdatePackageSize | UpdateR | W | UpdateFade | PredictInstruments | Verbose | LoadModel | Reset | Print
Request = Request | Predict | PacketTest | Block
Reply = Ready | ServerPredicted | BatchDropped | Chunk | PacketTestResponse | Status

_REQUESTS = {kind.address.encode(): kind for kind in Request.__args__ if kind is not Block}
_REQUESTS |= {b"/" + plane.encode(): Block for plane in ("context", *STEMS)}
_REPLIES = {kind.address.encode(): kind for kind in Reply.__args__ if kind is not Chunk}
_REPLIES |= {b"/" + stem.encode(): Chunk for stem in STEMS}


def _parse(data: bytes, kinds: dict) -> Request | Reply:
    body = _Body.open(data)
    if body.address not in kinds:
        raise ProtocolError("unknown address", repr(body.address[:32]))
    return kinds[body.address].unpack(body)


def parse_request(data: bytes) -> Request:
    """What a client said to the server, or `ProtocolError`."""
    return _parse(data, _REQUESTS)


def parse_reply(data: bytes) -> Reply:
    """What a server said to the client, or `ProtocolError`. A bundle of one message is opened: some servers use it."""
    if data.startswith(b"#bundle\0") and len(data) > 20 and int.from_bytes(data[16:20], "big") == len(data) - 20:
        data = data[20:]
    return _parse(data, _REPLIES)
