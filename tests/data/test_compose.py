"""Composed songs are whole, playable, varied, and the same everywhere."""

import hashlib
import os
import re
import subprocess
import sys

import numpy as np
import pytest

from accomp.data.band.compose import compose
from accomp.data.band.harmony import bars_of, chord, guitar_voicing, piano_voicing
from accomp.data.band.styles import FILLS, GROOVES, KEYS, PROGRESSIONS, STYLES
from accomp.data.midi import song_bytes

SONGS = [compose(index, seconds=60.0) for index in range(22)]


def test_the_same_number_gives_the_same_bytes_in_another_process():
    code = "import hashlib; from accomp.data.band.compose import compose; from accomp.data.midi import song_bytes; "
    code += "print(hashlib.md5(song_bytes(compose(3, 5, 30.0, big_band=True))).hexdigest())"
    env = os.environ | {"PYTHONHASHSEED": "77"}
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert other.stdout.strip() == hashlib.md5(song_bytes(compose(3, 5, 30.0, big_band=True))).hexdigest()


def test_the_embedded_band_is_the_one_that_scores_were_published_on():
    digest = hashlib.sha256(b"".join(song_bytes(compose(index)) for index in range(22))).hexdigest()
    assert digest == "07cf6941c531257be41acda1bf8661c15b86bdccd5cd459322687d6c15a3f248"


def test_numbers_and_seeds_give_different_songs():
    assert len({song_bytes(song) for song in SONGS}) == len(SONGS)
    assert song_bytes(compose(0, seed=1)) != song_bytes(SONGS[0])


@pytest.mark.parametrize("index", range(22))
def test_a_song_is_well_formed(index):
    song = SONGS[index]
    assert {part.name for part in song.parts} == {"drums", "bass", "guitar", "piano"}
    assert 45 < song.seconds(song.end) <= 59.9
    for part in song.parts:
        assert list(part.notes) == sorted(part.notes)
        assert all(0 <= n.start < n.end and 1 <= n.velocity <= 127 for n in part.notes)
        ends: dict[int, int] = {}
        for note in part.notes:
            assert note.start >= ends.get(note.pitch, 0), "a key is struck while it is held"
            ends[note.pitch] = note.end
    ranges = {"bass": (28, 60), "guitar": (40, 88), "piano": (21, 108)}
    for part in song.parts:
        if not part.is_drum:
            low, high = ranges[part.name]
            assert low <= min(n.pitch for n in part.notes)
            assert max(n.pitch for n in part.notes) <= high


@pytest.mark.parametrize("seconds", [8, 13, 30, 90])
def test_a_song_fits_its_length(seconds):
    for index in range(12):
        song = compose(index, seconds=seconds)
        assert song.seconds(song.end) <= seconds


def test_every_class_rests_but_plays_mostly():
    quiet = {"drums": [], "bass": [], "guitar": [], "piano": []}
    for song in SONGS:
        length = int(song.seconds(song.end))
        for part in song.parts:
            spans = song.seconds(np.array([note[:2] for note in part.notes]))
            sounding = {second for a, b in spans for second in range(int(a), int(b) + 1)}
            quiet[part.name].append(1 - len(sounding & set(range(length))) / length)
    for name, shares in quiet.items():
        assert 0.1 < np.mean(shares) < 0.3, name
        assert max(shares) < 0.75, name


def test_all_programs_and_several_metres_and_tempi_are_heard():
    for name, base in (("bass", 32), ("guitar", 24), ("piano", 0)):
        heard = {part.program for song in SONGS for part in song.parts if part.name == name}
        assert heard == set(range(base, base + 8))
    assert {song.metres[0][1:] for song in SONGS} == {(4, 4), (3, 4), (6, 8)}
    bpm = [60e6 / song.tempos[0].us_per_quarter for song in SONGS]
    assert min(bpm) >= 69
    assert max(bpm) <= 151
    assert max(bpm) - min(bpm) > 50
    assert any(len(song.tempos) > 1 for song in SONGS)


def test_bass_sounds_with_the_kick_drum():
    together = []
    for song in SONGS:
        parts = {part.name: part for part in song.parts}
        kicks = np.array([n.start for n in parts["drums"].notes if n.pitch == 36])
        bass = np.array([n.start for n in parts["bass"].notes])
        near = np.abs(bass[:, None] - kicks[None, :]).min(axis=0)
        active = np.abs(bass[:, None] - kicks[None, :]).min(axis=0) < 960
        together.append((near[active] < 40).mean())
    assert np.mean(together) > 0.5


def test_patterns_fit_their_grids_and_name_real_sounds():
    for lines in [*GROOVES.values(), *(fill for fills in FILLS.values() for fill in fills)]:
        assert len({len(line) for line in lines.values()}) == 1
        assert set(lines) <= set(KEYS)
        assert set("".join(lines.values())) <= set("Xxo.")
    letters = {"bass": "R835 7ag.-".replace(" ", ""), "guitar": "DUCMPB23456.-", "piano": "BCcLl1234.-"}
    for style in STYLES:
        grids = {len(GROOVES[name]["kick"]) for name in style.drums}
        assert len(grids) == 1
        for instrument, allowed in letters.items():
            for pattern in (p for half in getattr(style, instrument) for p in half):
                if pattern not in ("walk", "lock"):
                    assert len(pattern) in grids, (style.name, pattern)
                    assert not re.search(f"[^{allowed}]", pattern), (style.name, pattern)


def test_voicings_hold_the_chord_and_move_little():
    for family in PROGRESSIONS.values():
        for progression in family:
            voicing: tuple[int, ...] = ()
            position = 2
            for here in (c for bar in bars_of(progression, 4) for c in bar):
                before, voicing = voicing, piano_voicing(here, voicing, rootless=False)
                assert {p % 12 for p in voicing} <= set(here.classes)
                assert len(voicing) >= 3
                if before:
                    assert abs(np.mean(voicing) - np.mean(before)) <= 5
                grip, position = guitar_voicing(here, position)
                assert grip[0] % 12 == here.root
                assert {p % 12 for p in grip} <= set(here.classes)
                assert len(grip) >= 3


def test_numerals_are_read_as_musicians_write_them():
    assert chord("ii7", 0).classes == (2, 5, 9, 0)
    assert chord("bVII", 2).classes == (0, 4, 7)
    assert chord("V7sus4", 0).classes == (7, 0, 2, 5)
    assert chord("iib5", 9).classes == (11, 2, 5, 9)
