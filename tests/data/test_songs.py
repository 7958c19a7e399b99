"""Songs from chord charts and from POP909: what MMA plays, whole builds, and what a user is told."""

import csv
import json
import shutil

import pytest
from song_inputs import chart, groove_folder, pop_song, sheet, write_charts

from accomp.data.band.tracks import midi_specs
from accomp.data.midi import read_song
from accomp.data.song import Tempo
from accomp.data.songs import mma
from accomp.data.songs.__main__ import main
from accomp.data.songs.chords import KNOWN
from accomp.data.songs.grooves import Groove, families
from accomp.data.songs.mma import ADDED, accompaniment
from accomp.data.songs.sheet import Bar, Sheet
from accomp.errors import UserError

needs_mma = pytest.mark.skipif(not shutil.which("mma"), reason="needs the program mma (apt-get install mma)")


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
    upbeat = [n for part in made.parts if not part.is_drum for n in part.notes if n.start < 1.9 * made.ticks_per_quarter]
    assert not upbeat and len(made.parts) > 3  # z is a rest of all but the drums
    assert made.end <= uneven.beats * made.ticks_per_quarter
    assert made == accompaniment(uneven, groove, "{1 1 80}", 1)
    with pytest.raises(UserError, match=r"mma: .*[Cc]hord"):
        accompaniment(sheet(("Cwhat",)), groove, "{1 1 80}", 1)


@needs_mma
def test_songs_from_charts_are_whole_resumable_and_readable_by_the_band(tmp_path):
    groove = groove_folder(tmp_path / "groove")
    charts = write_charts(
        tmp_path / "c.jsonl", chart(), chart(id="x-2", title="Äther: 2", meter="6/8", bars=[[["C", 6.0]]]), "{"
    )
    out = tmp_path / "songs"
    words = ["charts", "--charts", str(charts), "--groove-midi", str(groove), "--out", str(out), "--jobs", "1"]
    assert main(words) == 0
    made = sorted(path.name for path in out.glob("*.mid"))
    assert len(made) == 4 and made[0].startswith("a-song__x-1_00") and made[2].startswith("ather-2__x-2_00")
    assert [row["song"] for row in csv.DictReader((out / "skipped.csv").open())] == ["c.jsonl:3"]
    rows = list(csv.DictReader((out / "songs.csv").open()))
    assert len(rows) == 4 and all(row["classes"] == "bass+drums+guitar+piano" for row in rows)
    for name in made:
        about = json.loads((out / name.replace(".mid", ".chords.json")).read_text())
        song = read_song(out / name)
        assert song.ticks_per_quarter >= 960 and song.end / song.ticks_per_quarter == pytest.approx(about["quarters"], abs=0.5)
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
