"""OSC 1.0 as bytes: read strictly, written exactly.

Reading takes constant or linear time and trusts nothing: literal addresses only, every length checked before anything is
read, no bundles, no wildcards, no allocation from a number in a packet. What does not fit raises `ProtocolError`.

Numbers may come as i, f, d, T or F (Max, Pd and plain scripts differ) and samples as any mix of f and i. A float32 number
is read as the shortest decimal that gives it, because 0.02f truncated to samples is 881 and 0.02 is 882.

The messages themselves, each of one of the forms below, are in protocol.py.
"""

import math
import struct
from dataclasses import astuple, dataclass
from functools import lru_cache
from typing import ClassVar, Self

import numpy as np

MAX_DATAGRAM = 65_507  # bytes of UDP payload over IPv4
MOST_WITH_TEXT = 8  # arguments of a message that carries text
LONGEST_TEXT = 64  # bytes of a name
INT32 = 2**31
PADDING = bytes(4)
THREE = struct.Struct(">iii")
BIG_ENDIAN = np.dtype(">f4")
NATIVE = np.dtype(np.float32)


class ProtocolError(ValueError):
    """A datagram that is not a message: `reason` is the kind of fault (few and fixed), `detail` what was found."""

    def __init__(self, reason: str, detail: str = ""):
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason, self.detail = reason, detail


def pad(text: bytes) -> bytes:
    return text + b"\0" * (4 - len(text) % 4)


def write(address: str, tags: str, payload: bytes = b"") -> bytes:
    data = pad(address.encode()) + pad(b"," + tags.encode()) + payload
    if len(data) > MAX_DATAGRAM:
        raise ProtocolError("size", f"{address} would take {len(data)} bytes")
    return data


def write_samples(address: str, numbers: tuple[int, ...], samples: np.ndarray) -> bytes:
    payload = struct.pack(f">{len(numbers)}i", *numbers) + np.asarray(samples).astype(">f4").tobytes()
    return write(address, "i" * len(numbers) + "f" * len(samples), payload)


def read_string(data: bytes, offset: int) -> tuple[bytes, int]:
    end = data.find(b"\0", offset)
    stop = (end + 4) & ~3
    if end < 0 or data[end:stop] != PADDING[: stop - end]:
        raise ProtocolError("string", "not ended or not padded with zeros")
    return data[offset:end], stop


@lru_cache(64)
def _audio_head(address: bytes, size: int) -> tuple[bytes | None, int]:
    """How a datagram of three integers and else only floats begins if it has `size` bytes, and how many floats it holds."""
    words = size // 4 - len(pad(address)) // 4 - 5  # of samples and, four to a word, of their tags
    count = words - words // 5
    head = pad(address) + pad(b",iii" + b"f" * count)
    return (head, count) if count >= 0 and len(head) + 12 + 4 * count == size else (None, 0)


def read_audio(address: bytes, data: bytes) -> tuple[int, int, int, np.ndarray] | None:
    """The arguments of a message of three integers and floats, quickly: None if it is anything else, right or wrong.

    `address` is what `data` begins with, and is known. Hundreds of these arrive in a step: whole tag strings are compared,
    so that nothing is believed unchecked.
    """
    head, count = _audio_head(address, len(data))
    if head is None or not data.startswith(head):
        return None
    offset = len(head)
    return *THREE.unpack_from(data, offset), np.frombuffer(data, BIG_ENDIAN, count, offset + 12).astype(NATIVE)


@dataclass(slots=True)
class Body:
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
        address, offset = read_string(data, 0)
        if address[:1] != b"/":
            raise ProtocolError("address", repr(address[:32]))
        if offset == len(data):  # the form without type tags
            return cls(address, b"", data, offset)
        tags, offset = read_string(data, offset)
        if tags[:1] != b",":
            raise ProtocolError("tags", "no type tag string")
        tags = tags[1:]
        few = tags.translate(None, b"f")  # samples are many, everything else is few
        if few.translate(None, b"idTFs") or (b"s" in few and len(tags) > MOST_WITH_TEXT):
            raise ProtocolError("tags", "only i, f, d, T, F and a few s are read")
        size = 4 * (len(tags) - len(few) + few.count(b"i")) + 8 * few.count(b"d")
        if b"s" not in few and offset + size != len(data):
            raise ProtocolError("size", f"{len(data) - offset} bytes of arguments where the tags say {size}")
        return cls(address, tags, data, offset)

    def scalars(self, kinds: str, more: bool = False) -> tuple[list, int]:
        """The first arguments as i(nteger), d(ouble) or s(tring), and the offset after them; `more` may follow."""
        if len(self.tags) < len(kinds) or (len(self.tags) > len(kinds) and not more):
            raise ProtocolError("arguments", f"{len(self.tags)} where {len(kinds)} belong")
        values, offset = [], self.offset
        for tag, kind in zip(self.tags.decode(), kinds, strict=False):  # tags may be longer
            if (tag == "s") != (kind == "s"):
                raise ProtocolError("arguments", "text where a number belongs, or a number for a text")
            if tag == "s":
                text, offset = read_string(self.data, offset)
                values.append(_text(text))
                continue
            value: float = tag == "T"
            if tag in "ifd":
                size = 8 if tag == "d" else 4
                if offset + size > len(self.data):
                    raise ProtocolError("size", "arguments are missing")
                (value,) = struct.unpack_from(">" + tag, self.data, offset)
                offset += size
            values.append(_number(kind, tag, value))
        if not more and offset != len(self.data):
            raise ProtocolError("size", f"{len(self.data) - offset} bytes too many")
        return values, offset

    def samples(self, first: int, offset: int) -> np.ndarray:
        """Every argument from number `first` on, as float32 samples; integers are taken by value, never by bits."""
        tags = self.tags[first:]
        if tags.translate(None, b"if") or b"s" in self.tags:
            raise ProtocolError("tags", "samples must be f or i")
        samples = np.frombuffer(self.data, BIG_ENDIAN, len(tags), offset).astype(NATIVE)
        if b"i" in tags:
            whole = np.frombuffer(tags, np.uint8) == ord("i")
            samples[whole] = np.frombuffer(self.data, ">i4", len(tags), offset)[whole]
        return samples


def _text(text: bytes) -> str:
    if not 0 < len(text) <= LONGEST_TEXT or not text.isascii() or not text.decode().isprintable():
        raise ProtocolError("arguments", f"a text has 1 to {LONGEST_TEXT} printable ASCII characters")
    return text.decode()


def _number(kind: str, tag: str, value: float) -> float:
    if not math.isfinite(value):
        raise ProtocolError("arguments", "a number that is not finite")
    if tag == "f":
        value = float(str(np.float32(value)))
    if kind == "d":
        return float(value)
    if value != int(value) or not -INT32 <= value < INT32:
        raise ProtocolError("arguments", "a whole number of 32 bits belongs here")
    return int(value)


def within(what: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ProtocolError("range", f"{what} must lie in [{low:g}, {high:g}], got {value:g}")


@dataclass(frozen=True)
class Scalars:
    """A message of a few values: its fields in order, sent under `tags`; `limits` are (name, lowest, highest)."""

    address: ClassVar[str]
    tags: ClassVar[str] = ""
    limits: ClassVar[tuple[tuple[str, float, float], ...]] = ()

    def __post_init__(self):
        for (what, low, high), value in zip(self.limits, astuple(self), strict=False):
            within(what, value, low, high)

    def pack(self) -> bytes:
        values = zip(self.tags, astuple(self), strict=True)
        payload = (pad(value.encode("ascii")) if tag == "s" else struct.pack(">" + tag, value) for tag, value in values)
        return write(self.address, self.tags, b"".join(payload))

    @classmethod
    def unpack(cls, body: Body) -> Self:
        return cls(*body.scalars(cls.tags)[0])


@dataclass(frozen=True)
class Trigger:
    """A message that only says "now"; what it carries is of no account."""

    address: ClassVar[str]
    packed: ClassVar[bytes]

    def pack(self) -> bytes:
        return self.packed

    @classmethod
    def unpack(cls, body: Body) -> Self:
        return cls()


class Audio:
    """A message of a name (its address), three whole numbers and samples: its fields in this order."""

    def pack(self) -> bytes:
        name, *numbers, samples = vars(self).values()
        return write_samples("/" + name, tuple(numbers), samples)

    @classmethod
    def unpack(cls, body: Body) -> Self:
        numbers, offset = body.scalars("iii", more=True)
        return cls(body.address[1:].decode(), *numbers, body.samples(3, offset))
