"""Songs from MIDI files and to MIDI files.

MIDI channels are shared by all tracks of a file, so program changes and controllers are followed per channel, wherever
they are written. A part is what one instrument plays: the notes of one (track, channel, program).
"""

import io
from collections import defaultdict, deque
from pathlib import Path

import mido

from accomp.data.midi_events import META, Event, MetaType, read_events
from accomp.data.song import Control, Metre, Note, Part, Song, Tempo
from accomp.disk import write_whole
from accomp.errors import UserError

DRUM_CHANNEL = 9  # counted from 0; General MIDI's channel 10
LONGEST_S = 4 * 3600.0  # a longer song is a damaged one
FASTEST_US_PER_QUARTER = 60_000  # 1,000 quarter notes per minute
LARGEST_NUMERATOR, LARGEST_DENOMINATOR = 64, 32


def read_song(path: Path) -> Song:
    """Read a MIDI file; raises UserError when it is not one or is damaged beyond reading.

    What is not music is left out: events that cannot be read, tempos above 1,000 bpm, metres such as 4/2^40.
    """
    try:
        ticks_per_quarter, tracks = read_events(path.read_bytes())
    except FileNotFoundError:
        raise UserError(f"{path}: no such MIDI file") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not a readable MIDI file: {error}") from error
    song = _song_of(ticks_per_quarter, tracks)
    if (end_s := float(song.seconds(song.end))) > LONGEST_S:
        raise UserError(f"{path}: its last note ends after {end_s / 3600:.0f} hours; a damaged MIDI file")
    return song


def _song_of(ticks_per_quarter: int, tracks: list[list[Event]]) -> Song:
    """Goes through the events of all tracks in time order and keeps what sounds."""
    tempos, metres = {0: Tempo(0, 500_000)}, {0: Metre(0, 4, 4)}
    programs, controls = [0] * 16, defaultdict(list)
    notes: dict[tuple[int, int, int], list[Note]] = defaultdict(list)  # by track, channel, program
    sounding: dict[tuple[int, int, int], deque] = defaultdict(deque)  # by track, channel, pitch
    tick = 0

    def end(track: int, channel: int, pitch: int) -> None:
        if sounding[track, channel, pitch]:
            start, velocity, program = sounding[track, channel, pitch].popleft()
            notes[track, channel, program].append(Note(start, max(tick, start + 1), pitch, velocity))

    for track, (tick, status, data) in _in_time_order(tracks):
        if status == META:
            _set(tick, data, ticks_per_quarter, tempos, metres)
            continue
        channel, values = status & 0x0F, [min(value, 127) for value in data]
        match status & 0xF0:
            case 0x90 if values[1] > 0:
                sounding[track, channel, values[0]].append((tick, values[1], programs[channel]))
            case 0x80 | 0x90:
                end(track, channel, values[0])
            case 0xB0:
                controls[channel].append(Control(tick, *values))
            case 0xC0:
                programs[channel] = values[0]
            case 0xE0:
                controls[channel].append(Control(tick, -1, values[0] + (values[1] << 7) - 8192))
    for key, begun in list(sounding.items()):  # what is never ended sounds to the last event
        for _ in range(len(begun)):
            end(*key)
    parts = []
    for (track, channel, program), played in sorted(notes.items()):
        here = tuple(controls[channel])
        parts.append(Part(program, channel == DRUM_CHANNEL, _name_of(tracks[track]), tuple(sorted(played)), here))
    in_order = (tuple(events[at] for at in sorted(events)) for events in (tempos, metres))
    return Song(ticks_per_quarter, *in_order, tuple(parts))


def _in_time_order(tracks: list[list[Event]]) -> list[tuple[int, Event]]:
    """(track, event). Within one tick settings come first, so that a note finds its instrument whatever track sets it."""
    events = [(number, event) for number, track in enumerate(tracks) for event in track]
    return sorted(events, key=lambda item: (item[1].tick, item[1].status & 0xE0 == 0x80, item[0]))


def _set(tick: int, data: bytes, ticks_per_quarter: int, tempos: dict[int, Tempo], metres: dict[int, Metre]) -> None:
    """Enter a tempo or a metre, unless the event is too short or no music is like this."""
    kind, values = data[0], data[1:]
    if kind == MetaType.TEMPO and len(values) >= 3:
        tempo = Tempo(tick, int.from_bytes(values[:3], "big"))
        if tempo.us_per_quarter >= FASTEST_US_PER_QUARTER:
            tempos[tick] = tempo
    elif kind == MetaType.METRE and len(values) >= 2:
        metre = Metre(tick, values[0], 2 ** values[1])
        possible = 0 < metre.numerator <= LARGEST_NUMERATOR and metre.denominator <= LARGEST_DENOMINATOR
        if possible and metre.denominator <= 4 * ticks_per_quarter:  # a unit of the metre is at least one tick
            metres[tick] = metre


def _name_of(track: list[Event]) -> str:
    names = (event.data[1:] for event in track if event.status == META and event.data[0] == MetaType.TRACK_NAME)
    return next(names, b"").decode("latin-1")


def song_bytes(song: Song) -> bytes:
    """A type 1 MIDI file: one track for tempo and metre, then one per part. The same song gives the same bytes."""
    midi = mido.MidiFile(type=1, ticks_per_beat=song.ticks_per_quarter)
    settings = [(t.tick, mido.MetaMessage("set_tempo", tempo=int(t.us_per_quarter))) for t in song.tempos]
    for metre in song.metres:
        time = {"numerator": metre.numerator, "denominator": metre.denominator}
        settings.append((metre.tick, mido.MetaMessage("time_signature", **time)))
    midi.tracks.append(_track(settings))
    melodic = [channel for channel in range(16) if channel != DRUM_CHANNEL]
    used = 0
    for part in song.parts:
        channel = DRUM_CHANNEL if part.is_drum else melodic[used % len(melodic)]
        used += not part.is_drum
        midi.tracks.append(_track(_part_messages(part, channel)))
    buffer = io.BytesIO()
    midi.save(file=buffer)
    return buffer.getvalue()


def write_song(path: Path, song: Song) -> None:
    """Write a song as a MIDI file, whole or not at all."""
    write_whole(path, song_bytes(song))


def _part_messages(part: Part, channel: int) -> list[tuple[int, mido.Message]]:
    messages = []
    if part.name:
        messages.append((0, mido.MetaMessage("track_name", name=part.name)))
    messages.append((0, mido.Message("program_change", channel=channel, program=part.program)))
    for control in part.controls:
        if control.number < 0:
            message = mido.Message("pitchwheel", channel=channel, pitch=control.value)
        else:
            message = mido.Message("control_change", channel=channel, control=control.number, value=control.value)
        messages.append((control.tick, message))
    for note in part.notes:
        on = mido.Message("note_on", channel=channel, note=note.pitch, velocity=note.velocity)
        messages.append((note.start, on))
        messages.append((note.end, mido.Message("note_off", channel=channel, note=note.pitch, velocity=0)))
    return messages


def _track(messages: list[tuple[int, mido.Message]]) -> mido.MidiTrack:
    """Ticks to deltas; within one tick settings first, then note ends, then beginnings."""
    rank = {"note_off": 1, "note_on": 2}
    track, before = mido.MidiTrack(), 0
    for tick, message in sorted(messages, key=lambda item: (item[0], rank.get(item[1].type, 0))):
        message.time = tick - before
        track.append(message)
        before = tick
    return track
