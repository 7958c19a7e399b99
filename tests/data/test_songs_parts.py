"""Who plays in a song: four classes of instruments, human drummers, the piano and melody of POP909."""

import numpy as np
import pytest
from song_inputs import groove_folder, notes, pop_song, song

from accomp.data.band.tracks import playing
from accomp.data.song import Metre, Song, Tempo
from accomp.data.songs.drummers import drum_part, near, read_performances
from accomp.data.songs.instruments import COMPASS, arranged
from accomp.data.songs.mma import ADDED
from accomp.data.songs.pop909 import read_pop_song
from accomp.errors import UserError

BASIS = ((0, True, "Drum-HH", notes(42)), (0, True, "Drum-Kick", notes(36)), (32, False, "Bass", notes(20)))


@pytest.mark.parametrize(
    "tracks",
    [
        [(26, False, "Chord", notes(60)), (0, False, ADDED, notes(60))],
        [(0, False, "Chord", notes(60)), (0, False, ADDED, notes(60))],
        [(18, False, "Chord", notes(60)), (0, False, ADDED, notes(60))],
        [(18, False, "Chord", notes(60)), (48, False, "Chord-2", notes(90)), (0, False, ADDED, notes(60))],
        [(26, False, "Chord", notes(60)), (48, False, "Chord-Sus", notes(60, 3)), (0, False, ADDED, notes(60))],
    ],
)
@pytest.mark.parametrize("seed", range(3))
def test_every_song_gets_four_classes_each_within_its_compass(tracks, seed):
    made = arranged(song(*BASIS, *tracks), seed)
    assert playing(made) == ["Bass", "Drums", "Guitar", "Piano"]
    assert sum(part.is_drum for part in made.parts) == 1 and len(made.parts[0].notes) == 128
    for part in made.parts[1:]:
        low, high = COMPASS[part.name.split()[0]]
        assert all(low <= note.pitch <= high for note in part.notes)


def test_at_most_two_of_a_class_play_and_one_bass():
    tracks = [(program, False, f"Chord-{program}", notes(60, 40 + program)) for program in (0, 1, 2, 24, 25, 26, 61, 62)]
    tubas = [(58, False, "Bass", notes(40)), (58, False, "Walk", notes(41))]
    made = arranged(song(*BASIS[:2], *tracks, *tubas), 0)
    assert [part.name for part in made.parts] == ["Drums", "Bass", "Guitar 1", "Guitar 2", "Piano 1", "Piano 2"]
    assert made.parts[1].program in range(32, 40)


@pytest.fixture
def groove(tmp_path):
    return groove_folder(tmp_path / "groove")


def test_human_drums_follow_the_bars(groove):
    performances = read_performances(groove)
    assert [one.path.name for one in performances] == ["beat.mid"]
    quarters = [4, 2, 4, 4]  # a short bar takes the beginning of the performance's bar
    target = Song(960, (Tempo(0, 480_000),), (Metre(0, 4, 4),))
    part = drum_part(performances[0], target, quarters, 16)
    assert part.is_drum and part.program == 16
    kicks = [note.start / 960 for note in part.notes if note.pitch == 36]
    assert np.allclose(kicks, [0, 2, 4, 6, 8, 10], atol=0.05)
    early = [kick % 1 for kick in kicks if kick % 1 > 0.5]
    assert np.allclose(early, 1 - 16 / 480)  # early as played, the first bar's second kick and the second bar's first too
    assert {note.pitch for note in part.notes} == {36, 38, 42}
    assert max(note.start for note in part.notes) < sum(quarters) * 960


def test_drummers_are_near_in_tempo_style_and_metre(groove):
    performances = read_performances(groove)
    assert near(performances, "rock|pop", 112, 4) == performances
    for styles, bpm, beats in [("jazz", 120, 4), ("rock", 135, 4), ("rock", 108, 4), ("rock", 120, 3)]:
        assert near(performances, styles, bpm, beats) == []
    with pytest.raises(UserError, match=r"info\.csv"):
        read_performances(groove.parent)


def test_pop909_is_laid_on_its_beats(tmp_path):
    pop = read_pop_song(pop_song(tmp_path / "007", longest=1.2))
    assert [bar.beats for bar in pop.sheet.bars] == [2] + [4] * 12
    assert pop.sheet.chord_list()[:4] == [[0.0, "z"], [2.0, "C"], [6.0, "Am"], [10.0, "F"]]
    off = [(note.start + 480) % 960 - 480 for note in pop.piano.notes]
    assert pop.piano.notes[0].start / 960 == pytest.approx(2, abs=0.01) and max(map(abs, off)) <= 4
    assert 600_000 in {tempo.us_per_quarter for tempo in pop.tempos} and len(pop.tempos) == 3
    assert pop.melody.program in range(24, 32)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda folder: (folder / "beat_midi.txt").write_text("0 1 1\n"), "fewer than eight bars"),
        (lambda folder: (folder / "beat_midi.txt").write_text("what\n"), "not readable"),
        (lambda folder: (folder / "chord_midi.txt").write_text("0 1 C:what\n"), "not readable"),
        (lambda folder: (folder / "chord_midi.txt").unlink(), "not readable"),
        (lambda folder: (folder / "008.mid").write_bytes(b"no"), "not a readable MIDI file"),
    ],
)
def test_damaged_annotations_are_told(tmp_path, damage, reason):
    folder = pop_song(tmp_path / "008")
    damage(folder)
    with pytest.raises(UserError, match=reason):
        read_pop_song(folder)


def test_unsteady_beats_are_refused(tmp_path):
    with pytest.raises(UserError, match="not steady"):
        read_pop_song(pop_song(tmp_path / "009", longest=2.5))
