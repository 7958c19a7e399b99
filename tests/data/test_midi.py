"""Songs survive writing and reading; odd events cost no note; damaged files are refused with a reason."""

import contextlib
import struct

import mido
import numpy as np
import pretty_midi
import pytest
from clicks import click_track
from hypothesis import given, settings
from hypothesis import strategies as st

from accomp.data.band.compose import compose
from accomp.data.beats import grid_of
from accomp.data.midi import read_song, song_bytes, write_song
from accomp.data.song import Metre, Note, Tempo
from accomp.errors import UserError

QUARTER = 480


@given(index=st.integers(0, 50), seconds=st.integers(5, 20))
@settings(max_examples=10, deadline=None)
def test_what_is_written_is_read_back(tmp_path_factory, index, seconds):
    song = compose(index, seconds=seconds, big_band=True)
    path = tmp_path_factory.mktemp("midi") / "song.mid"
    write_song(path, song)
    again = read_song(path)
    assert (again.tempos, again.metres) == (song.tempos, song.metres)
    assert [p.notes for p in again.parts] == [p.notes for p in song.parts]
    assert [(p.program, p.is_drum) for p in again.parts] == [(p.program, p.is_drum) for p in song.parts]
    assert song_bytes(again) == path.read_bytes()


def test_a_program_change_on_another_track_counts_for_the_channel(tmp_path):
    midi = mido.MidiFile(ticks_per_beat=QUARTER)
    midi.tracks.append(mido.MidiTrack([mido.Message("program_change", channel=2, program=33)]))
    on = mido.Message("note_on", channel=2, note=40, velocity=80)
    midi.tracks.append(mido.MidiTrack([on, mido.Message("note_off", channel=2, note=40, time=9)]))
    midi.save(tmp_path / "song.mid")
    part = read_song(tmp_path / "song.mid").parts[0]
    assert part.program == 33
    assert part.notes == (Note(0, 9, 40, 80),)


def test_a_note_without_length_and_one_without_end_are_still_notes(tmp_path):
    midi = mido.MidiFile(ticks_per_beat=QUARTER)
    messages = [("note_on", 38, 0), ("note_off", 38, 0), ("note_on", 38, 50), ("note_off", 40, 100)]
    midi.tracks.append(mido.MidiTrack(mido.Message(kind, channel=9, note=n, time=t) for kind, n, t in messages))
    midi.save(tmp_path / "song.mid")
    assert [note[:2] for note in read_song(tmp_path / "song.mid").parts[0].notes] == [(0, 1), (50, 150)]


NOTES = tuple(Note(480 * i, 480 * i + 400, 60 + i, 90) for i in range(8))
KEEPS_TIME = ((Tempo(0, 400_000),), (Metre(0, 3, 4),))
DEFAULT_TIME = ((Tempo(0, 500_000),), (Metre(0, 4, 4),))
TEMPO, METRE = b"\0\xff\x51\x03\x06\x1a\x80", b"\0\xff\x58\x04\x03\x02\x18\x08"  # 400,000 us per quarter; 3/4
END = b"\0\xff\x2f\0"


def chunk(name, data):
    return name + struct.pack(">I", len(data)) + data


def number(value):
    """A number below 2^14 as MIDI writes it."""
    return bytes([0x80 | value >> 7, value & 0x7F]) if value > 0x7F else bytes([value])


def melody(between=b"", running=False, ends=True):
    """A track of NOTES as bytes; before every second note an event; with running status no status byte is repeated."""
    on, off = (b"", b"") if running else (b"\x90", b"\x80")
    track, velocity_off = b"\0\x90" if running else b"", b"\0" if running else b"\x40"
    for index, note in enumerate(NOTES):
        before = 0 if index == 0 else 80
        extra = between if index % 2 else b""
        status = b"" if running and index == 0 else number(before) + on
        if extra:  # the event comes at the note's own tick
            status, extra = b"\0" + on, number(before) + extra
        track += extra + status + bytes([note.pitch, note.velocity])
        track += number(400) + off + bytes([note.pitch]) + velocity_off
    return track + (END if ends else b"")


def midi_file(settings=TEMPO + METRE + END, notes=None, *, count=2, kind=1, division=480, head=b"", between=b"", tail=b""):
    header = struct.pack(">HHH", kind, count, division) + head
    tracks = chunk(b"MTrk", settings) + between + chunk(b"MTrk", melody() if notes is None else notes)
    return chunk(b"MThd", header) + tracks + tail


def meta(kind, content):
    return bytes([0, 0xFF, kind, len(content)]) + content


def riff(file, tail=b""):
    return b"RIFF" + struct.pack("<I", len(file) + 12) + b"RMIDdata" + struct.pack("<I", len(file)) + file + tail


def with_setting(*events):
    return midi_file(TEMPO + METRE + b"".join(events) + END)


ODD = {
    "nothing odd": midi_file(),
    "key of 18 flats": with_setting(meta(0x59, b"\xee\x01")),
    "key mode 255": with_setting(meta(0x59, b"\xfe\xff")),
    "key without content": with_setting(meta(0x59, b"")),
    "tempo of two bytes": with_setting(meta(0x51, b"\x07\xa1")),
    "tempo 0": with_setting(meta(0x51, bytes(3))),
    "tempo of 57,600 bpm": with_setting(meta(0x51, (1041).to_bytes(3, "big"))),
    "metre of two bytes is a metre": midi_file(TEMPO + meta(0x58, b"\x03\x02") + END),
    "metre of one byte": with_setting(meta(0x58, b"\x04")),
    "metre 0/4": with_setting(meta(0x58, b"\0\x02\x18\x08")),
    "metre 4/2^40": with_setting(meta(0x58, b"\x04\x28\x18\x08")),
    "metre 2/2^33": with_setting(meta(0x58, b"\x02\x21\x18\x08")),
    "metre 255/2^12": with_setting(meta(0x58, b"\xff\x0c\x18\x08")),
    "a name in Shift JIS": with_setting(meta(0x03, b"\x83h\x83\x89\x83\x80")),
    "an unknown meta event": with_setting(meta(0x7A, b"what")),
    "an unknown chunk before the tracks": midi_file()[:14] + chunk(b"XFIH", b"abcd") + midi_file()[14:],
    "an unknown chunk between tracks": midi_file(between=chunk(b"XFKM", b"abc")),
    "a RIFF file": riff(midi_file()),
    "a RIFF file with more behind it": riff(midi_file(), b"LIST" + struct.pack("<I", 4) + b"INFO"),
    "128 bytes before the header": bytes(128) + midi_file(),
    "bytes behind the last track": midi_file(tail=b"and so on, and so on"),
    "a header of 10 bytes": midi_file(head=bytes(4)),
    "a header that promises 9 tracks": midi_file(count=9),
    "no end of track": midi_file(TEMPO + METRE, melody(ends=False)),
    "events behind the end of track": midi_file(notes=melody() + b"\0\x90"),
    "running status after a text": midi_file(notes=melody(b"\xff\x01\x01%", running=True)),
    "running status after SysEx": midi_file(notes=melody(b"\xf0\x05\x7e\x7f\x09\x01\xf7", running=True)),
    "system messages": midi_file(notes=melody(b"\xf2\x01\x02\0\xf6")),
    "the end at a tick of 56 bits": midi_file(notes=melody(ends=False) + b"\xff" * 7 + b"\x7f" + END[1:]),
    "aftertouch": midi_file(notes=melody(b"\xd0\x10\0\xa0\x3c\x10")),
}


@pytest.mark.parametrize("content", ODD.values(), ids=ODD)
def test_odd_events_cost_no_note_and_no_time(tmp_path, content):
    (tmp_path / "odd.mid").write_bytes(content)
    song = read_song(tmp_path / "odd.mid")
    assert [part.notes for part in song.parts] == [NOTES]
    assert (song.tempos, song.metres) == KEEPS_TIME
    assert len(grid_of(song).beats_s) == 10  # 8 quarters make 3 bars of 3/4, and the closing bar line


@pytest.mark.parametrize("value, read", [(0xFD, 127), (0x80, 127), (0x7F, 127), (0, 0)])
def test_data_bytes_beyond_127_are_taken_as_127(tmp_path, value, read):
    (tmp_path / "odd.mid").write_bytes(midi_file(notes=b"\0\xc0" + bytes([value]) + melody()))
    (part,) = read_song(tmp_path / "odd.mid").parts
    assert (part.program, part.notes) == (read, NOTES)


def test_without_settings_the_time_is_120_bpm_in_four(tmp_path):
    (tmp_path / "song.mid").write_bytes(midi_file(END))
    song = read_song(tmp_path / "song.mid")
    assert (song.tempos, song.metres) == DEFAULT_TIME


BAD = {
    "empty": (b"", "no MIDI header"),
    "a page of HTML": (b"<!DOCTYPE html><title>404</title>", "no MIDI header"),
    "a header alone": (b"MThd", "ticks per quarter note"),
    "no track": (midi_file()[:14], "no track"),
    "cut off": (midi_file()[:-20], "cut off inside track 2 of 2"),
    "a track that ends inside an event": (midi_file(notes=melody(ends=False) + b"\0\x90\x40"), "track 2 ends inside"),
    "a track that ends inside a text": (
        midi_file(notes=melody(ends=False) + b"\0\xff\x01\x7fab"),
        "track 2 ends inside",
    ),
    "no status before the first note": (midi_file(notes=b"\0\x3c\x40" + END), "track 2 ends inside"),
    "SMPTE time": (midi_file(division=0xE728), "ticks per quarter note"),
    "no ticks": (midi_file(division=0), "ticks per quarter note"),
    "type 2": (midi_file(kind=2), "type 0 and 1"),
    "a note of years": (midi_file(notes=b"\0\x90\x3c\x40\xff\xff\xff\x7f\x80\x3c\0" + END), "hours"),
}


@pytest.mark.parametrize("content, why", BAD.values(), ids=BAD)
def test_damaged_files_are_refused_by_name_and_say_why(tmp_path, content, why):
    path = tmp_path / "bad.mid"
    path.write_bytes(content)
    with pytest.raises(UserError, match=rf"bad\.mid.*{why}"):
        read_song(path)


def test_other_programs_read_the_same_notes(tmp_path):
    """pretty_midi reads what is written here as it is meant."""
    song = compose(4, seconds=15)
    write_song(tmp_path / "song.mid", song)
    other = pretty_midi.PrettyMIDI(str(tmp_path / "song.mid"))
    ours = [(p.is_drum, p.program, n.pitch, *song.seconds(n[:2])) for p in song.parts for n in p.notes]
    theirs = [(i.is_drum, i.program, n.pitch, n.start, n.end) for i in other.instruments for n in i.notes]
    np.testing.assert_allclose(sorted(theirs), sorted(ours), atol=1e-9)
    np.testing.assert_allclose(other.get_downbeats()[:4], grid_of(song).downbeats_s[:4], atol=1e-6)


@given(st.binary(max_size=60), st.integers(0, 400))
@settings(max_examples=150, deadline=None)
def test_random_damage_gives_a_song_or_a_user_error(tmp_path_factory, noise, at):
    whole = song_bytes(click_track(16, 120))
    path = tmp_path_factory.mktemp("midi") / "noisy.mid"
    path.write_bytes(whole[:at] + noise + whole[at + len(noise) :])
    with contextlib.suppress(UserError):
        assert read_song(path).end >= 0
