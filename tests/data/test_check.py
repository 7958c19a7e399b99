"""What a stem sounds like is held against its notes."""

import numpy as np
import pytest

from accomp.data.check import sound_against_notes
from accomp.data.song import Metre, Note, Part, Song, Tempo
from accomp.timeline import SAMPLE_RATE

LENGTH_S, NOTES, REST_FROM_S = 20, 16, 8.0  # 120 bpm: sixteen notes in the first eight seconds


@pytest.fixture
def song():
    notes = tuple(Note(480 * i, 480 * i + 400, 40 + i, 90) for i in range(NOTES))
    return Song(480, (Tempo(0, 500_000),), (Metre(0, 4, 4),), (Part(33, False, "", notes),))


def time_s():
    return np.arange(LENGTH_S * SAMPLE_RATE) / SAMPLE_RATE


def plucked(until_s=REST_FROM_S):
    """A tone that is struck every half second and dies away, as long as there are notes."""
    return np.where(time_s() < until_s, np.exp(-6 * (time_s() % 0.5)), 0) * np.sin(2000 * time_s())


def noise(level):
    return level * np.random.default_rng(0).normal(size=LENGTH_S * SAMPLE_RATE)


def held_tone():
    return 0.3 * np.sin(2000 * time_s())


@pytest.mark.parametrize(
    "audio, found",
    [
        (plucked(), None),
        (plucked() * 0.01 + noise(1e-6), None),  # soft, and not quite silent in rests
        (plucked() + noise(0.01), None),  # an amplifier hisses
        (held_tone() * np.exp(-time_s()), None),  # one long tone that dies away is what a struck string does
        (np.zeros(LENGTH_S * SAMPLE_RATE), "silence"),
        (noise(1e-6), "silence"),
        (noise(0.2), "one level all along, as of noise or a tone"),
        (held_tone(), "one level all along, as of noise or a tone"),
        (plucked()[::-1], "silence"),
        (plucked(LENGTH_S), "sound"),  # another recording: it plays on where nothing is written
    ],
)
def test_sound_that_is_not_of_these_notes_is_named(song, audio, found):
    faults = [what for _, what in sound_against_notes(audio.astype(np.float32), song, SAMPLE_RATE)]
    assert faults == ([found] if found else [])


def test_notes_of_one_level_are_no_noise(song):
    """A synthesiser's bass can hold one level through all its notes; then its pitch changes."""
    pitch_hz = 60 * 2 ** (np.floor(2 * time_s()) / 12)
    audio = np.where(time_s() < REST_FROM_S, 0.3 * np.sin(np.cumsum(2 * np.pi * pitch_hz) / SAMPLE_RATE), 0)
    assert sound_against_notes(audio.astype(np.float32), song, SAMPLE_RATE) == []


@pytest.mark.parametrize("rate", [16_000, SAMPLE_RATE])
def test_noise_is_named_at_either_rate(song, rate):
    (fault,) = sound_against_notes(noise(0.2)[: rate * 9].astype(np.float32), song, rate)
    assert fault[1].startswith("one level")


@pytest.mark.parametrize("rate", [16_000, SAMPLE_RATE])
@pytest.mark.parametrize("length_s", [0.0, 0.05, 0.5])
def test_nothing_is_said_about_less_than_a_second(song, rate, length_s):
    assert sound_against_notes(np.zeros(int(length_s * rate), np.float32), song, rate) == []


def test_sound_where_the_file_has_no_notes_is_named(song):
    late = Song(480, song.tempos, song.metres, (Part(33, False, "", (Note(480 * 80, 480 * 81, 40, 90),)),))
    assert sound_against_notes(plucked(LENGTH_S), late, SAMPLE_RATE) == [("silence where no note plays", "sound")]
