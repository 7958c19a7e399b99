"""The notes of a stem, frame by frame, are those of its MIDI file and those of its sound."""

from dataclasses import replace

import numpy as np
import pytest

from accomp.beat.pitch_profile import chroma
from accomp.data.midi import write_song
from accomp.data.notes import chroma_rows, note_roll, pitch_classes, read_notes
from accomp.data.slakh import find_tracks
from accomp.data.song import Control, Metre, Note, Part, Song, Tempo

SECOND = 44100


@pytest.fixture
def piano(tmp_path):
    """Writes what a piano plays, in seconds of 1000 ticks; its track."""

    def write(track, notes, controls=()):
        song = Song(1000, (Tempo(0, 1_000_000),), (Metre(0, 4, 4),), (Part(0, False, "piano", notes, controls),))
        (tmp_path / "MIDI").mkdir(exist_ok=True)
        write_song(tmp_path / "MIDI" / "S00.mid", song)
        return replace(track, path=tmp_path, stem_files=track.stem_files | {"piano": (tmp_path / "stems" / "S00.flac",)})

    return write


@pytest.fixture
def track(small_band):
    return find_tracks(small_band, "train")[0]


def classes(track, stem, frames, frame_s=0.1, semitones=0):
    return chroma_rows(pitch_classes(note_roll(read_notes(track, stem), 0.0, frames, frame_s, semitones)))


def test_a_note_sounds_in_every_frame_that_it_touches(track, piano):
    track = piano(track, (Note(1000, 2000, 60, 90), Note(1500, 1700, 71, 90)))
    sounding = classes(track, "piano", 40)
    expected = np.zeros((12, 40))
    expected[0, 10:20] = expected[11, 15:17] = 1
    np.testing.assert_array_equal(sounding, expected)


def test_the_shortest_note_sounds_in_one_frame(track, piano):
    track = piano(track, (Note(1010, 1020, 60, 90),))
    assert classes(track, "piano", 40)[0].nonzero()[0].tolist() == [10]


def test_the_pedal_holds_a_note(track, piano):
    track = piano(track, (Note(0, 500, 64, 90),), (Control(100, 64, 127), Control(2000, 64, 0)))
    assert classes(track, "piano", 40)[4].sum() == 20


def test_a_varied_song_has_its_notes_moved(track, piano):
    track = piano(track, (Note(1000, 2000, 71, 90),))
    sounding = classes(track, "piano", 40, 0.2, semitones=2)
    assert sounding[1].nonzero()[0].tolist() == list(range(5, 10)) and sounding.sum() == 5


def test_drums_have_no_notes_and_a_missing_file_is_no_silence(track, tmp_path):
    assert not classes(track, "drums", 40).any()
    assert read_notes(replace(track, path=tmp_path), "bass") is None


def test_the_notes_are_those_that_sound(track):
    """The pitch classes of the MIDI file correlate with those of the audio, and not when they are moved by a semitone."""
    frames = track.samples // SECOND
    notes = classes(track, "bass", frames, 1.0)
    audio = track.read("bass")
    heard = np.stack([chroma(audio[i * SECOND : (i + 1) * SECOND]) for i in range(frames)], 1)
    fits = [np.corrcoef(np.roll(notes, shift, 0).ravel(), heard.ravel())[0, 1] for shift in range(12)]
    assert np.argmax(fits) == 0 and fits[0] > 0.5
