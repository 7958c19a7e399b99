"""Inputs for the tests of songs: lead sheets, charts, songs in MMA's tracks, a drummer, and a folder of POP909."""

import json

import numpy as np

from accomp.data.midi import write_song
from accomp.data.song import Metre, Note, Part, Song, Tempo
from accomp.data.songs.sheet import Bar, Sheet


def sheet(names=("C", "Am7", "F", "G7"), beats=4, unit=4, style="pop", times=4, id="a", title="A Song"):
    return Sheet(id, title, style, 120.0, unit, tuple(Bar(beats, ((0.0, name),)) for name in names * times))


def chart(**changes):
    row = {"id": "x-1", "title": "A Song", "style": "Bossa Nova", "genre": "jazz", "tempo": 140, "meter": "4/4"}
    return row | {"bars": [[["Dm7", 2.0], ["G7", 2.0]], [["CM7", 4.0]]] * 4} | changes


def write_charts(path, *rows):
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows))
    return path


def notes(pitch, count=64):
    return tuple(Note(n * 192, n * 192 + 100, pitch, 80) for n in range(count))


def song(*parts):
    return Song(192, (Tempo(0, 500_000),), (Metre(0, 4, 4),), tuple(Part(*part) for part in parts))


def groove_folder(folder):
    """Two bars of a drummer who is 20 ms early, with the rim of the snare; and a fill that must not be used."""
    folder.mkdir()
    strokes = [(0, 36), (480 - 16, 40), (960 - 16, 36), (1920 - 16, 36), (2400 - 16, 38), (2880, 22), (3360, 38)]
    part = Part(0, True, "", tuple(Note(at, at + 20, key, 90) for at, key in strokes))
    write_song(folder / "beat.mid", Song(480, (Tempo(0, 500_000),), (Metre(0, 4, 4),), (part,)))
    header = "style,bpm,beat_type,time_signature,midi_filename,duration\n"
    kinds = ["beat,4-4,beat.mid,30", "fill,4-4,fill.mid,30", "beat,6-8,six.mid,30", "beat,4-4,short.mid,2"]
    (folder / "info.csv").write_text(header + "".join(f"rock,120,{kind}\n" for kind in kinds))
    return folder


def pop_song(folder, beats_s=0.6, longest=1.0, upbeat=2):
    """A folder of POP909: an upbeat, then twelve bars, with a chord a bar and piano chords on the beat."""
    folder.mkdir(parents=True)
    count = upbeat + 48
    times = 0.3 + np.arange(count) * beats_s
    times[count // 2 :] += (longest - 1) * beats_s
    bar = [(n - upbeat) % 4 == 0 for n in range(count)]
    (folder / "beat_midi.txt").write_text("".join(f"{t} 0.0 {float(b)}\n" for t, b in zip(times, bar, strict=True)))
    names = ["C:maj", "A:min", "F:maj", "G:7"] * 3
    starts = [*times[upbeat::4], times[-1] + beats_s]
    rows = [f"0 {starts[0]} N", *(f"{a} {b} {name}" for a, b, name in zip(starts, starts[1:], names, strict=False))]
    (folder / "chord_midi.txt").write_text("\n".join(rows))
    chords = [(60, 64, 67), (57, 60, 64), (53, 57, 60), (55, 59, 65)] * 3
    at = [round(t * 960) for t in times]  # 480 ticks a quarter at 120 bpm: 960 a second
    piano = [Note(at[upbeat + n], at[upbeat + n] + 300, p, 70) for n in range(48) for p in chords[n // 4]]
    melody = [Note(at[n], at[n] + 200, 72, 90) for n in range(upbeat, count - 1)]
    parts = (Part(0, False, "PIANO", tuple(piano)), Part(0, False, "MELODY", tuple(melody)))
    write_song(folder / f"{folder.name}.mid", Song(480, (Tempo(0, 500_000),), (Metre(0, 4, 4),), parts))
    return folder
