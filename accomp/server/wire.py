"""OSC 1.0 as bytes: read strictly, written exactly.

Every length and type tag is checked here, in linear time, before anything is read: literal addresses only, no wildcards, no
allocation from a number in a packet. What does not fit raises `ProtocolError`. The few arguments of a control message are
then read and written by python-osc. Audio is read and written here, 20 to 1,000 times as fast; bundles too, because
python-osc's parser never returns from a bundle whose element has length -4.

Numbers may come as i, h, f, d, T or F (Max, Pd and plain scripts differ), in arrays or not, and samples as any mix of f and
i. A float32 number is read as the shortest decimal that gives it: 0.02f truncated to samples is 881 and 0.02 is 882.

The messages themselves, each of one of the forms below, are in protocol.py.
"""

import math
import struct
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from functools import lru_cache
from typing import ClassVar, Self

import numpy as np
from pythonosc.osc_message import OscMessage, ParseError
from pythonosc.osc_message_builder import OscMessageBuilder

MAX_DATAGRAM = 65_507  # bytes of UDP payload over IPv4
MOST_SCALARS = 16  # arguments of a message other than samples
DEEPEST = 4  # bundles within bundles
MOST_IN_BUNDLE = 256  # messages
BUNDLE = b"#bundle\0"
BUNDLE_HEAD = len(BUNDLE) + 8  # and a time tag
SIZES = {"i": 4, "h": 8, "f": 4, "d": 8, "T": 0, "F": 0}  # bytes of one argument
BRACKETS = {ord("["): None, ord("]"): None}  # of arrays; they take no room
LONGEST_TEXT = 64  # bytes of a name
LONGEST_PAGE = 60_000  # bytes of a message that is all text
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


def write(address: str, tags: str, values: tuple = ()) -> bytes:
    """A message of a few values as bytes."""
    builder = OscMessageBuilder(address)
    for tag, value in zip(tags, values, strict=True):
        builder.add_arg(value, tag)
    return _sized(address, builder.build().dgram)


def write_samples(address: str, numbers: tuple[int, ...], samples: np.ndarray) -> bytes:
    """A message of integers and samples (N,) as bytes."""
    tags = b"," + b"i" * len(numbers) + b"f" * len(samples)
    payload = struct.pack(f">{len(numbers)}i", *numbers) + np.asarray(samples).astype(">f4").tobytes()
    return _sized(address, pad(address.encode()) + pad(tags) + payload)


def _sized(address: str, data: bytes) -> bytes:
    if len(data) > MAX_DATAGRAM:
        raise ProtocolError("size", f"{address} would take {len(data)} bytes")
    return data


def messages(data: bytes) -> list[bytes]:
    """A datagram's messages: itself, or what a bundle holds, in order and regardless of its time tag."""
    if not data.startswith(BUNDLE):
        return [data]
    if len(data) > MAX_DATAGRAM:
        raise ProtocolError("size", f"{len(data)} bytes")
    found = []
    for message in _unbundle(data, DEEPEST):
        found.append(message)
        if len(found) > MOST_IN_BUNDLE:
            raise ProtocolError("bundle", f"more than {MOST_IN_BUNDLE} messages")
    return found


def _unbundle(data: bytes, depth: int) -> Iterator[bytes]:
    if depth == 0:
        raise ProtocolError("bundle", f"more than {DEEPEST} bundles within each other")
    at = BUNDLE_HEAD
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big", signed=True)
        if size <= 0 or size % 4 or at + 4 + size > len(data):
            raise ProtocolError("bundle", f"an element of {size} bytes where {len(data) - at - 4} are left")
        element = data[at + 4 : at + 4 + size]
        yield from _unbundle(element, depth - 1) if element.startswith(BUNDLE) else (element,)
        at += 4 + size


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
    so that every byte is checked.
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
    tags: str  # without the comma
    data: bytes
    offset: int

    @classmethod
    def open(cls, data: bytes) -> Self:
        if data[:1] != b"/":
            raise ProtocolError("address", f"{data[:32]!r} is no OSC message: it does not begin with /")
        if len(data) > MAX_DATAGRAM or len(data) % 4:
            raise ProtocolError("size", f"{len(data)} bytes, which is no multiple of 4 up to {MAX_DATAGRAM}")
        address, offset = read_string(data, 0)
        if offset == len(data):  # the form without type tags
            return cls(address, "", data, offset)
        if data[offset : offset + 1] != b",":
            raise ProtocolError("tags", "no type tags; let the sender write them, as OSC 1.0 asks")
        tags, offset = read_string(data, offset)
        return cls(address, tags[1:].decode("latin-1"), data, offset)

    def values(self) -> list[tuple[str, object]]:
        """The arguments with their tags, for a message of a few; those of arrays in their place."""
        if len(self.tags) > MOST_SCALARS or self.tags.strip("ihfdTFs[]"):
            raise ProtocolError("tags", f"only i, h, f, d, T, F and s are read here, at most {MOST_SCALARS} of them")
        if not self.tags:
            values, size = [], 0
        else:
            try:
                values = list(_flat(OscMessage(self.data)))
            except (ParseError, ValueError) as error:
                raise ProtocolError("arguments", "they are cut short, or no text") from error
            values = list(zip(self.tags.translate(BRACKETS), values, strict=True))
            size = sum(SIZES[tag] if tag in SIZES else len(pad(value.encode())) for tag, value in values)
        if self.offset + size != len(self.data):
            raise ProtocolError("size", f"{len(self.data) - self.offset} bytes of arguments where the tags say {size}")
        return values

    def scalars(self, kinds: str) -> list:
        """The arguments as i(nteger), d(ouble) or s(tring)."""
        values = self.values()
        if len(values) != len(kinds):
            raise ProtocolError("arguments", f"{len(values)} where {len(kinds)} belong")
        if any((tag == "s") != (kind == "s") for (tag, _), kind in zip(values, kinds, strict=True)):
            raise ProtocolError("arguments", "text where a number belongs, or a number for a text")
        return [
            _text(value) if kind == "s" else _number(kind, tag, value) for kind, (tag, value) in zip(kinds, values, strict=True)
        ]

    def audio(self, count: int) -> tuple[list[int], np.ndarray]:
        """The first `count` arguments as integers and all others as samples (N,) float32; both in any mix of i and f.

        Integers are taken by value, never by bits.
        """
        if self.tags.strip("if"):
            raise ProtocolError("tags", "samples must be f or i")
        if len(self.tags) < count or self.offset + 4 * len(self.tags) != len(self.data):
            raise ProtocolError("size", f"{len(self.data) - self.offset} bytes of {len(self.tags)} arguments")
        values = np.frombuffer(self.data, BIG_ENDIAN, offset=self.offset).astype(np.float64)
        integer = np.frombuffer(self.tags.encode(), np.uint8) == ord("i")
        values[integer] = np.frombuffer(self.data, ">i4", offset=self.offset)[integer]
        numbers = [_number("i", tag, value) for tag, value in zip(self.tags, values[:count].tolist(), strict=False)]
        return numbers, values[count:].astype(NATIVE)


def _flat(values: list) -> Iterator:
    """Arguments with those of arrays in their place."""
    for value in values:
        if isinstance(value, list):
            yield from _flat(value)
        else:
            yield value


def _text(text: str) -> str:
    if not 0 < len(text) <= LONGEST_TEXT or not text.isascii() or not text.isprintable():
        raise ProtocolError("arguments", f"a text has 1 to {LONGEST_TEXT} printable ASCII characters")
    return text


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
    least: ClassVar[int | None] = None  # how many must be given; None: all

    def __post_init__(self):
        for (what, low, high), value in zip(self.limits, astuple(self), strict=False):
            within(what, value, low, high)

    def pack(self) -> bytes:
        return write(self.address, self.tags, astuple(self))

    @classmethod
    def unpack(cls, body: Body) -> Self:
        """With fewer values than tags, from `least` on, the last ones keep their defaults."""
        count = len(body.values()) if cls.least is not None else len(cls.tags)
        if not (cls.least or 0) <= count <= len(cls.tags):
            raise ProtocolError("arguments", f"{count} where {cls.least} to {len(cls.tags)} belong")
        return cls(*body.scalars(cls.tags[:count]))


@dataclass(frozen=True)
class Trigger:
    """A message without a value; whatever arguments it has are ignored."""

    address: ClassVar[str]
    packed: ClassVar[bytes]

    def pack(self) -> bytes:
        return self.packed

    @classmethod
    def unpack(cls, body: Body) -> Self:
        body.values()  # whole, whatever they are
        return cls()


@dataclass(frozen=True)
class Text:
    """A message of one text of any length, in ASCII."""

    address: ClassVar[str]
    text: str

    def pack(self) -> bytes:
        return write(self.address, "s", (self.text,))

    @classmethod
    def unpack(cls, body: Body) -> Self:
        text, end = read_string(body.data, body.offset) if body.tags == "s" else (b"\xff", 0)
        if not text.isascii() or end != len(body.data) or len(text) > LONGEST_PAGE:
            raise ProtocolError("arguments", "one ASCII string belongs here")
        return cls(text.decode())
