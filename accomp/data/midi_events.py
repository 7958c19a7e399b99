"""The events of a Standard MIDI File, read byte by byte.

mido, and what is built on it, refuses a whole file for one odd event: a key signature of 18 flats, a tempo of two bytes, an
unknown chunk, a RIFF file around it. This reader leaves out what it does not know and keeps the notes. Source: Standard
MIDI Files 1.0 (RP-001).
"""

import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

META = 0xFF
SYSEX = (0xF0, 0xF7)
SYSTEM_SIZES = {0xF1: 1, 0xF2: 2, 0xF3: 1}  # data bytes of system messages, which a file should not hold; others have none
FARTHEST_TICK = 1 << 40  # 36 years of quarter notes at 120 bpm: a track that goes on after this is damaged there


class MetaType(IntEnum):
    """The first data byte of a meta event."""

    TRACK_NAME = 0x03
    END_OF_TRACK = 0x2F
    TEMPO = 0x51
    METRE = 0x58


class Event(NamedTuple):
    """One event; of a meta event the data begin with its type."""

    tick: int
    status: int
    data: bytes


def read_events(file: bytes) -> tuple[int, list[list[Event]]]:
    """Ticks per quarter note, and the events of every track. Raises ValueError, which says why, on what is no such file."""
    start = file.find(b"MThd")
    if start < 0:
        raise ValueError("it has no MIDI header")
    if file.startswith(b"RIFF"):  # .rmi: the MIDI file is one chunk of it, its size in the four bytes before
        file = file[: start + int.from_bytes(file[start - 4 : start], "little")]
    size, kind, count, division = struct.unpack_from(">IHHH", file[start : start + 14].ljust(14, b"\0"), 4)
    if kind > 1 or not 0 < division < 0x8000:
        raise ValueError("only MIDI type 0 and 1 with ticks per quarter note can be used; convert it")
    at, tracks = start + 8 + size, []
    while at + 8 <= len(file):
        name, size = struct.unpack_from(">4sI", file, at)
        if at + 8 + size > len(file):
            if len(tracks) >= count:  # not a chunk, but something behind the last track
                break
            raise ValueError(f"it is cut off inside track {len(tracks) + 1} of {count}")
        if name == b"MTrk":
            tracks.append(_events_of(file[at + 8 : at + 8 + size], len(tracks) + 1))
        at += 8 + size
    if not tracks:
        raise ValueError("it holds no track")
    return division, tracks


def _events_of(track: bytes, number: int) -> list[Event]:
    try:
        return list(_parse(track))
    except IndexError:
        raise ValueError(f"track {number} ends inside an event") from None


def _parse(track: bytes) -> Iterator[Event]:
    """Events of a track; raises IndexError where it ends inside one."""
    at = tick = 0
    running = None
    while at < len(track):
        delta, at = _number(track, at)
        tick += delta
        status = track[at]
        if status < 0x80:
            if running is None:
                raise IndexError
            status = running
        else:
            at += 1
        size, head = 0, b""
        if status == META:
            head = track[at : at + 1]
            size, at = _number(track, at + 1)
        elif status in SYSEX:
            size, at = _number(track, at)
        elif status >= 0xF0:
            size = SYSTEM_SIZES.get(status, 0)
        else:
            # The standard ends running status at a meta event or SysEx; programs that go on with it are read here too.
            running, size = status, 1 if 0xC0 <= status < 0xE0 else 2
        if at + size > len(track):
            raise IndexError
        if tick > FARTHEST_TICK:
            return
        yield Event(tick, status, head + track[at : at + size])
        at += size
        if head and head[0] == MetaType.END_OF_TRACK:
            return


def _number(data: bytes, at: int) -> tuple[int, int]:
    """A number of variable length, seven bits a byte, and where the data go on."""
    value = 0
    while True:
        value = value << 7 | data[at] & 0x7F
        at += 1
        if data[at - 1] < 0x80:
            return value, at
