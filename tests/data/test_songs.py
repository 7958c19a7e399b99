"""Songs from chord charts and from POP909: chords, lead sheets, instruments, human drums, and whole builds with MMA."""

import csv
import json
import shutil

import numpy as np
import pytest

from accomp.data.band.tracks import midi_specs, playing
from accomp.data.midi import read_song, write_song
from accomp.data.song import Metre, Note, Part, Song, Tempo
from accomp.data.songs import mma
from accomp.data.songs.__main__ import main
from accomp.data.songs.chords import KNOWN, playable, transposed
from accomp.data.songs.drummers import drum_part, near, read_performances
from accomp.data.songs.grooves import Groove, families, family_of
from accomp.data.songs.instruments import COMPASS, arranged
from accomp.data.songs.mma import ADDED, accompaniment
from accomp.data.songs.pop909 import chord_name, read_pop_song
from accomp.data.songs.sheet import Bar, Sheet, read_charts
from accomp.data.songs.specs import chart_specs
from accomp.errors import UserError

needs_mma = pytest.mark.skipif(not shutil.which("mma"), reason="needs the program mma (apt-get install mma)")


def sheet(names=("C", "Am7", "F", "G7"), beats=4, unit=4, style="pop", times=4, id="a", title="A Song"):
    return Sheet(id, title, style, 120.0, unit, tuple(Bar(beats, ((0.0, name),)) for name in names * times))


def chart(**changes):
    row = {"id": "x-1", "title": "A Song", "style": "Bossa Nova", "genre": "jazz", "tempo": 140, "meter": "4/4"}
    return row | {"bars": [[["Dm7", 2.0], ["G7", 2.0]], [["CM7", 4.0]]] * 4} | changes


def write_charts(path, *rows):
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows))
    return path


@pytest.mark.parametrize(
    ("chord", "semitones", "moved"),
    [
        ("C", 0, "C"),
        ("C#m7", 0, "C#m7"),
        ("C", 3, "Eb"),
        ("Bb7#11/D", 2, "C7#11/E"),
        ("F#m7b5", -6, "Cm7b5"),
        ("z", 4, "z"),
    ],
)
def test_chords_change_key(chord, semitones, moved):
    assert transposed(chord, semitones) == moved


@pytest.mark.parametrize(
    ("chord", "plain"),
    [
        ("Dm7b5", "Dm7b5"), ("C", "C"), ("G7b9/B", "G7b9/B"), ("Cmaj7#9", "CM7"), ("Dmin7", "Dm7"), ("E-7", "Em7"),
        ("F^7", "FM7"), ("Bh7", "Bm7b5"), ("Ao7", "Adim7"), ("C7#9#5b13", "C7#9"), ("Gqqq", "G"), ("N.C.", "z"), ("", "z"),
    ],
)  # fmt: skip
def test_chords_become_what_mma_knows(chord, plain):
    assert playable(chord) == plain


def test_a_sheet_says_which_chords_were_simplified():
    plain, changed = sheet(("C", "Dmin7")).playable()
    assert changed == ["Dmin7 > Dm7"] and plain.bars[1].chords == ((0.0, "Dm7"),)


@pytest.mark.parametrize(
    ("name", "chord"),
    [
        ("B:maj", "B"),
        ("Eb:min/b3", "Ebm/Gb"),
        ("N", "z"),
        ("F#:sus4(b7)", "F#7sus4"),
        ("G:7/3", "G7/B"),
        ("A:hdim7", "Am7b5"),
    ],
)
def test_chords_of_pop909_become_those_of_charts(name, chord):
    assert chord_name(name) == chord and playable(chord) == chord


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (chart(slakh_test_title=True), "Slakh's test set"),
        (chart(bars=[[["C", 3.0]]]), "a bar of 3 beats in 4"),
        (chart(bars=[]), "no bars"),
        (chart(meter="four"), "not a chart"),
        (chart(bars=[[["C", "x"]]]), "not a chart"),
        ({"id": "x-1"}, "not a chart"),
        ("{", "not a chart"),
        ("[]", "not a chart"),
    ],
)
def test_a_bad_chart_costs_itself_only(tmp_path, row, reason):
    sheets, unused = read_charts(write_charts(tmp_path / "c.jsonl", row, chart(id="good")))
    assert [one.id for one in sheets] == ["good"]
    assert len(unused) == 1 and reason in unused[0][1]


def test_charts_in_half_notes_and_with_thirds_of_beats_are_read(tmp_path):
    half = chart(id="half", meter="2/2", tempo=80, bars=[[["C", 1.0], ["F", 1.0]]])
    thirds = chart(id="thirds", bars=[[["C", 1.333], ["F", 1.333], ["G", 1.333]]], tempo=None)
    sheets, unused = read_charts(write_charts(tmp_path / "c.jsonl", half, thirds))
    assert not unused
    assert sheets[0].bars == (Bar(4, ((0.0, "C"), (2.0, "F"))),) and sheets[0].tempo_bpm == 160
    assert [beat for beat, _ in sheets[1].bars[0].chords] == pytest.approx([0, 4 / 3, 8 / 3], abs=0.01)
    assert sheets[1].tempo_bpm is None


def test_chords_are_listed_by_quarter_notes_and_only_where_they_change():
    assert sheet(("C", "C", "F")).chord_list()[:3] == [[0.0, "C"], [8.0, "F"], [12.0, "C"]]
    assert sheet(("C", "F"), beats=6, unit=8).chord_list()[1] == [3.0, "F"]


def test_a_sheet_is_repeated_and_cut_to_whole_bars():
    longer = sheet(times=1).repeated(100, 200, 120)
    assert longer.beats == 13 * 16 and longer.tempo_bpm == 120
    assert sheet(times=100).repeated(100, 200, 120).beats == 400


@pytest.mark.parametrize(
    ("style", "beats", "unit", "family"),
    [
        ("bossa nova | jazz", 4, 4, "bossa"), ("medium swing; swing | jazz", 4, 4, "swing"), (" | jazz", 4, 4, "swing"),
        ("medium swing | mixed", 4, 4, "swing"), ("pop-rock|rock | pop", 4, 4, "rock"), (" | pop", 4, 4, "pop"),
        ("ballad | pop", 4, 4, "pop_ballad"), ("ballad | jazz", 4, 4, "jazz_ballad"), ("waltz | jazz", 3, 4, "jazz_waltz"),
        ("waltz | country", 3, 4, "waltz"), (" | jazz", 6, 8, "six_eight"), ("take-five | jazz", 5, 4, "five"),
    ],
)  # fmt: skip
def test_the_style_decides_the_grooves(style, beats, unit, family):
    assert family_of(sheet(beats=beats, unit=unit, style=style)).name == family


def test_metres_without_grooves_are_refused():
    with pytest.raises(UserError, match="no groove in 7/4"):
        family_of(sheet(beats=7))


def test_keys_of_a_chart_share_a_split_and_families_take_turns():
    sheets = [sheet(id=f"s{n}", title=f"Swing {n}", style="swing") for n in range(20)] + [
        sheet(id="w", style="waltz", beats=3)
    ]
    specs, unused = chart_specs([*sheets, sheet(id="odd", beats=7)], 8, 2, (10, 20), [], 0)
    assert unused == [("odd", "no groove in 7/4")]
    assert len(specs) == 8 and "waltz" in {spec.family for spec in specs[:4]}
    assert len({spec.semitones for spec in specs[:2]}) == 2
    assert len({spec.name.split("__")[0] for spec in specs}) == 4
    assert specs == chart_specs(sheets, 8, 2, (10, 20), [], 0)[0]
    assert specs != chart_specs(sheets, 8, 2, (10, 20), [], 1)[0]


def notes(pitch, count=64):
    return tuple(Note(n * 192, n * 192 + 100, pitch, 80) for n in range(count))


def song(*parts):
    return Song(192, (Tempo(0, 500_000),), (Metre(0, 4, 4),), tuple(Part(*part) for part in parts))


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
    tracks = [
        (program, False, f"Chord-{program}", notes(60, 40 + program)) for program in (0, 1, 2, 24, 25, 26, 61, 62)
    ]
    tubas = [(58, False, "Bass", notes(40)), (58, False, "Walk", notes(41))]
    made = arranged(song(*BASIS[:2], *tracks, *tubas), 0)
    assert [part.name for part in made.parts] == ["Drums", "Bass", "Guitar 1", "Guitar 2", "Piano 1", "Piano 2"]
    assert made.parts[1].program in range(32, 40)


@pytest.fixture
def groove(tmp_path):
    """Two bars of a drummer who is 20 ms early, with the rim of the snare; and a fill that must not be used."""
    folder = tmp_path / "groove"
    folder.mkdir()
    strokes = [(0, 36), (480 - 16, 40), (960 - 16, 36), (1920 - 16, 36), (2400 - 16, 38), (2880, 22), (3360, 38)]
    part = Part(0, True, "", tuple(Note(at, at + 20, key, 90) for at, key in strokes))
    write_song(folder / "beat.mid", Song(480, (Tempo(0, 500_000),), (Metre(0, 4, 4),), (part,)))
    header = "style,bpm,beat_type,time_signature,midi_filename,duration\n"
    kinds = ["beat,4-4,beat.mid,30", "fill,4-4,fill.mid,30", "beat,6-8,six.mid,30", "beat,4-4,short.mid,2"]
    (folder / "info.csv").write_text(header + "".join(f"rock,120,{kind}\n" for kind in kinds))
    return folder


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
    assert np.allclose(
        early, 1 - 16 / 480
    )  # early as played, the first bar's second kick and the second bar's first too
    assert {note.pitch for note in part.notes} == {36, 38, 42}
    assert max(note.start for note in part.notes) < sum(quarters) * 960


def test_drummers_are_near_in_tempo_style_and_metre(groove):
    performances = read_performances(groove)
    assert near(performances, "rock|pop", 112, 4) == performances
    for styles, bpm, beats in [("jazz", 120, 4), ("rock", 135, 4), ("rock", 108, 4), ("rock", 120, 3)]:
        assert near(performances, styles, bpm, beats) == []
    with pytest.raises(UserError, match=r"info\.csv"):
        read_performances(groove.parent)


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


@needs_mma
@pytest.mark.slow
@pytest.mark.parametrize("family", families(), ids=lambda family: family.name)
def test_mma_knows_every_groove_of_a_family_and_its_comping(family, monkeypatch):
    names = [name for groove in family.grooves for name in (*groove.versions, *groove.fills)]
    bars = [Bar(family.metre[0], ((0.0, "C"),)) for _ in names]
    whole = Sheet("all", "All", "", 120.0, family.metre[1], tuple(bars))

    def source(*_):
        comping = [f"Begin {ADDED}{n}\n Sequence {text}\nEnd" for n, text in enumerate(family.comping)]
        bars = [f"Groove {name}\n{number} C" for number, name in enumerate(names, 1)]
        return "\n".join(["Tempo 120", f"Groove {names[0]}", *comping, *bars]) + "\n"

    monkeypatch.setattr(mma, "mma_source", source)
    made = accompaniment(whole, family.grooves[0], "", 0)
    assert made.end / made.ticks_per_quarter == pytest.approx(whole.beats * 4 / family.metre[1], abs=1)


@needs_mma
def test_mma_knows_every_chord():
    chords = sheet(tuple(f"C{quality}" for quality in sorted(KNOWN)), times=1)
    made = accompaniment(chords, Groove.of("Swing"), "{1 1 80}", 0)
    assert made.end / made.ticks_per_quarter == pytest.approx(chords.beats, abs=1)


@needs_mma
def test_mma_keeps_to_the_bars_and_the_seed():
    bars = (Bar(2, ((0.0, "z"),)), *sheet().bars)
    uneven = Sheet("u", "U", "", 100.0, 4, bars)
    groove = families()[7].grooves[0]
    made = accompaniment(uneven, groove, "{1 1 80}", 1)
    assert [metre[1:] for metre in made.metres] == [(2, 4), (4, 4)]
    assert made.metres[1].tick == 2 * made.ticks_per_quarter and made.tempos == (Tempo(0, 600_000),)
    upbeat = [
        n for part in made.parts if not part.is_drum for n in part.notes if n.start < 1.9 * made.ticks_per_quarter
    ]
    assert not upbeat and len(made.parts) > 3  # z is a rest of all but the drums
    assert made.end <= uneven.beats * made.ticks_per_quarter
    assert made == accompaniment(uneven, groove, "{1 1 80}", 1)
    with pytest.raises(UserError, match=r"mma: .*[Cc]hord"):
        accompaniment(sheet(("Cwhat",)), groove, "{1 1 80}", 1)


@needs_mma
def test_songs_from_charts_are_whole_resumable_and_readable_by_the_band(tmp_path, groove):
    charts = write_charts(
        tmp_path / "c.jsonl", chart(), chart(id="x-2", title="Äther: 2", meter="6/8", bars=[[["C", 6.0]]]), "{"
    )
    out = tmp_path / "songs"
    words = ["charts", "--charts", str(charts), "--groove", str(groove), "--out", str(out), "--jobs", "1"]
    assert main(words) == 0
    made = sorted(path.name for path in out.glob("*.mid"))
    assert len(made) == 4 and made[0].startswith("a-song__x-1_00") and made[2].startswith("ather-2__x-2_00")
    assert [row["song"] for row in csv.DictReader((out / "skipped.csv").open())] == ["c.jsonl:3"]
    rows = list(csv.DictReader((out / "songs.csv").open()))
    assert len(rows) == 4 and all(row["classes"] == "bass+drums+guitar+piano" for row in rows)
    for name in made:
        about = json.loads((out / name.replace(".mid", ".chords.json")).read_text())
        song = read_song(out / name)
        assert song.ticks_per_quarter >= 960 and song.end / song.ticks_per_quarter == pytest.approx(
            about["quarters"], abs=0.5
        )
        assert 100 <= about["quarters"] * 60 / about["tempo_bpm"] * (2 if about["metre"][1] == 8 else 1) <= 210
    specs = midi_specs([out], [tmp_path / "font.sf2"], 60, 0)
    assert len({(spec.midi.stem.split("__")[0], spec.split) for spec in specs}) == 2

    before = {path: path.stat().st_mtime_ns for path in out.glob("*.mid")}
    (out / made[1]).unlink()
    assert main(words) == 0
    after = {path: path.stat().st_mtime_ns for path in out.glob("*.mid")}
    assert {path.name for path in after if after[path] != before[path]} == {made[1]}
    assert main([*words, "--seed", "1"]) == 2  # other songs do not mix with these


@needs_mma
def test_songs_of_pop909_have_a_human_piano_and_melody_with_a_band(tmp_path):
    pop_song(tmp_path / "POP909" / "001")
    (pop_song(tmp_path / "POP909" / "002") / "001.mid").write_bytes(b"")
    (tmp_path / "POP909" / "002" / "002.mid").write_bytes(b"no")
    out = tmp_path / "songs"
    assert main(["pop909", "--pop909", str(tmp_path / "POP909"), "--out", str(out), "--jobs", "1"]) == 0
    made = read_song(out / "pop909-001.mid")
    names = [part.name for part in made.parts]
    assert {"Drums", "Bass", "Piano", "Guitar melody"} <= set(names) and "Piano 1" not in names
    assert [row["song"] for row in csv.DictReader((out / "skipped.csv").open())] == ["pop909-002"]
    piano = made.parts[names.index("Piano")]
    assert len(piano.notes) == 47 * 3  # all but what begins on the last beat, where the song ends
    assert {note.pitch % 12 for note in piano.notes[:12]} == {0, 4, 7}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["charts", "--charts", "none.jsonl", "--out", "o"], "none.jsonl"),
        (["pop909", "--pop909", ".", "--out", "o"], "beat_midi.txt"),
        (["pop909", "--pop909", ".", "--out", "o", "--jobs", "0"], "--jobs"),
        (["charts", "--charts", "c", "--songs", "0", "--out", "o"], "--songs"),
    ],
)
def test_what_is_missing_is_told_in_one_line(tmp_path, monkeypatch, caplog, words, said):
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2 and said in caplog.text


def test_a_missing_mma_is_told_in_one_line(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("PATH", "")
    charts = write_charts(tmp_path / "c.jsonl", chart())
    assert main(["charts", "--charts", str(charts), "--out", str(tmp_path / "o")]) == 2
    assert "apt-get install mma" in caplog.text
