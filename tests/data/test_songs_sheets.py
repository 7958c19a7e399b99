"""Chords, charts, lead sheets, and the choice of grooves."""

import pytest
from song_inputs import chart, sheet, write_charts

from accomp.data.songs.chords import playable, transposed
from accomp.data.songs.grooves import family_of
from accomp.data.songs.pop909 import chord_name
from accomp.data.songs.sheet import Bar, read_charts
from accomp.data.songs.specs import chart_specs
from accomp.errors import UserError


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
    sheets = [sheet(id=f"s{n}", title=f"Swing {n}", style="swing") for n in range(20)] + [sheet(id="w", style="waltz", beats=3)]
    specs, unused = chart_specs([*sheets, sheet(id="odd", beats=7)], 8, 2, (10, 20), [], 0)
    assert unused == [("odd", "no groove in 7/4")]
    assert len(specs) == 8 and "waltz" in {spec.family for spec in specs[:4]}
    assert len({spec.semitones for spec in specs[:2]}) == 2
    assert len({spec.name.split("__")[0] for spec in specs}) == 4
    assert specs == chart_specs(sheets, 8, 2, (10, 20), [], 0)[0]
    assert specs != chart_specs(sheets, 8, 2, (10, 20), [], 1)[0]
