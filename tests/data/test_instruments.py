"""Sampled instruments play what is written: the pitch, the time, the level, and the same again for the same seed."""

import csv
import random

import numpy as np
import pytest
import soundfile

from accomp.data.band.instruments import InstrumentPack, SampledInstrument, faded, read_table
from accomp.data.song import Metre, Note, Part, Song, Tempo
from accomp.errors import UserError
from accomp.metrics.pitch import yin
from accomp.timeline import SAMPLE_RATE

HEADER = ["file", "pitch", "low", "high", "velocity_low", "velocity_high", "round_robin", "articulation"]


def sine(pitch: float, seconds: float = 2.0, level: float = 0.5) -> np.ndarray:
    t = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return level * np.sin(2 * np.pi * 440 * 2 ** ((pitch - 69) / 12) * t)


def folder(path, rows):
    """An instrument of sines: rows of (pitch that sounds, low, high, velocity low, velocity high, articulation)."""
    path.mkdir(parents=True)
    with (path / "samples.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(HEADER)
        for number, (pitch, low, high, soft, loud, articulation) in enumerate(rows):
            soundfile.write(path / f"{number}.flac", sine(pitch), SAMPLE_RATE)
            table.writerow([f"{number}.flac", pitch, low, high, soft, loud, 1, articulation])


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    root = tmp_path_factory.mktemp("pack")
    folder(root / "bass_a", [(40.2, 28, 45, 1, 127, "sustain"), (50, 46, 60, 1, 127, "sustain")])
    folder(root / "bass_b", [(40, 28, 60, 1, 127, "sustain")])
    folder(root / "drums_a", [(60, 36, 36, 1, 127, "kick"), (90, 42, 42, 1, 127, "hat"), (91, 46, 46, 1, 127, "open")])
    folder(root / "percussion", [(80, 56, 56, 1, 127, "bell")])
    return root


def song(notes, is_drum=False, program=33):
    part = Part(program, is_drum, "part", tuple(Note(*note) for note in notes))
    return Song(480, (Tempo(0, 500_000),), (Metre(0, 4, 4),), (part,)), part


@pytest.mark.parametrize("pitch", [30, 40, 45, 46, 57])
def test_a_note_sounds_at_its_pitch_whatever_its_sample_was_tuned_to(pack, pitch):
    hz, _ = yin(SampledInstrument(pack / "bass_a").note(pitch, 100).astype(np.float32))
    assert np.nanmedian(hz[4:-12]) == pytest.approx(440 * 2 ** ((pitch - 69) / 12), rel=2e-3)


def test_notes_out_of_range_return_by_octaves_and_drums_do_not(pack):
    bass = SampledInstrument(pack / "bass_a")
    np.testing.assert_array_equal(bass.note(20, 100), bass.note(32, 100))
    np.testing.assert_array_equal(bass.note(63, 100), bass.note(51, 100))
    assert SampledInstrument(pack / "drums_a").note(50, 100, fold=False) is None


def test_a_note_fades_after_its_end():
    sound = faded(np.ones(1000, np.float32), 100, 0.01)
    assert len(sound) == 100 + 441 and (sound[:100] == 1).all()
    assert (np.diff(sound[100:]) < 0).all() and sound[-1] == 0


@pytest.mark.parametrize("velocity", [32, 64])
def test_level_follows_velocity(pack, velocity):
    bass = SampledInstrument(pack / "bass_b")
    ratio = np.abs(bass.note(40, velocity)).max() / np.abs(bass.note(40, 127)).max()
    assert ratio == pytest.approx((velocity / 127) ** 1.5, rel=0.02)


def test_a_part_begins_and_ends_where_it_is_written(pack):
    written, part = song([(480, 960, 40, 100), (1920, 2400, 45, 100)])  # at 0.5 and 2.0 s, half a second each
    player = InstrumentPack(pack, "seed")
    audio = player.play(written, part, 4 * SAMPLE_RATE)
    level = np.abs(audio).reshape(-1, SAMPLE_RATE // 100).max(1)
    assert not level[:50].any() and level[51:98].min() > 0
    assert level[110:195].max() < 0.2 * level.max(), "half of the parts stand in a room, none here has one"
    assert level[200:245].min() > 0
    np.testing.assert_array_equal(audio, InstrumentPack(pack, "seed").play(written, part, 4 * SAMPLE_RATE))


def test_the_seed_decides_the_instrument_and_names_restrict_it(pack):
    written, part = song([(0, 960, 40, 100)])
    sounds = {InstrumentPack(pack, str(i)).play(written, part, SAMPLE_RATE).tobytes() for i in range(8)}
    assert len(sounds) > 1
    assert {InstrumentPack(pack, "s", ["bass_b"]).choose(part, random.Random(i)) for i in range(20)} == {"bass_b"}


def test_the_next_hat_stops_an_open_one_and_percussion_helps_out(pack):
    written, part = song([(0, 10, 46, 100), (960, 970, 42, 100), (1920, 1930, 56, 100)], is_drum=True)
    audio = InstrumentPack(pack, "s", ["drums_a", "percussion"]).play(written, part, 4 * SAMPLE_RATE)
    alone, one = song([(0, 10, 46, 100)], is_drum=True)
    ringing = InstrumentPack(pack, "s", ["drums_a", "percussion"]).play(alone, one, 4 * SAMPLE_RATE)
    at = slice(round(1.5 * SAMPLE_RATE), round(1.6 * SAMPLE_RATE))
    assert np.abs(ringing[at]).max() > 0.1
    closed, other = song([(960, 970, 42, 100)], is_drum=True)
    stopped = InstrumentPack(pack, "s", ["drums_a", "percussion"]).play(closed, other, 4 * SAMPLE_RATE)
    np.testing.assert_allclose(audio[at], stopped[at], atol=1e-6)
    assert np.abs(audio[round(2.1 * SAMPLE_RATE) : round(2.2 * SAMPLE_RATE)]).max() > 0.05, "the bell"


@pytest.mark.parametrize("text, complaint", [("file,pitch\nx.flac,40\n", "cannot be read"), (None, "is missing")])
def test_a_damaged_table_is_named(tmp_path, text, complaint):
    if text is not None:
        (tmp_path / "samples.csv").write_text(text)
    with pytest.raises(UserError, match=complaint):
        read_table(tmp_path)


def test_an_empty_folder_and_a_missing_class_are_named(pack, tmp_path):
    with pytest.raises(UserError, match="no instruments"):
        InstrumentPack(tmp_path, "s")
    written, part = song([(0, 10, 60, 100)], program=0)
    with pytest.raises(UserError, match="no instrument for piano"):
        InstrumentPack(pack, "s").play(written, part, SAMPLE_RATE)
