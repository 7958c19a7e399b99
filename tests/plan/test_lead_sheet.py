"""A lead sheet as text, and the chords of its beats."""

import pytest

from accomp.errors import UserError
from accomp.plan.lead_sheet import BY_NAME, NO_CHORD, QUALITIES, parse_chord, parse_sheet


def names(text: str) -> list[list[str]]:
    return [[chord.name for chord in bar] for bar in parse_sheet(text).bars]


@pytest.mark.parametrize(
    ("text", "bars"),
    [
        ("| Am7 | D7 G7 |", [["Am7"], ["D7", "G7"]]),
        ("Am7|D7 G7", [["Am7"], ["D7", "G7"]]),
        ("Am7\nD7 G7\n", [["Am7"], ["D7", "G7"]]),
        ("| C / F . |", [["C", "C", "F", "F"]]),
        ("| C F | / G |", [["C", "F"], ["F", "G"]]),
        ("| C | % | x |", [["C"], ["C"], ["C"]]),
        ("| C |: F | G :| A |", [["C"], ["F"], ["G"], ["F"], ["G"], ["A"]]),
        ("| N.C. | C |", [["N.C."], ["C"]]),
    ],
)
def test_bars_and_repeats(text, bars):
    assert names(text) == bars


def test_a_bar_is_divided_evenly_and_the_sheet_goes_round():
    sheet = parse_sheet("| Am7 | D7 G7 |")
    four = [sheet.at(beat, 4).name for beat in range(12)]
    assert four == ["Am7"] * 4 + ["D7"] * 2 + ["G7"] * 2 + ["Am7"] * 4
    assert [sheet.at(beat, 3).name for beat in range(3, 6)] == ["D7", "D7", "G7"]


@pytest.mark.parametrize(
    ("name", "bass", "tones"),
    [
        ("C", 0, {0, 4, 7}),
        ("A-7", 9, {9, 0, 4, 7}),
        ("Bbmaj7", 10, {10, 2, 5, 9}),
        ("F#m7b5", 6, {6, 9, 0, 4}),
        ("Gh7", 7, {7, 10, 1, 5}),
        ("Cb", 11, {11, 3, 6}),
        ("G7/B", 11, {7, 11, 2, 5}),
        ("C/D", 2, {0, 2, 4, 7}),
        ("C6/9", 0, {0, 2, 4, 7, 9}),
        ("E(7#9)", 4, {4, 7, 8, 11, 2}),
    ],
)
def test_a_chord_has_its_bass_and_its_pitch_classes(name, bass, tones):
    chord = parse_chord(name)
    assert (chord.bass, set(chord.tones)) == (bass, tones)
    assert chord.row.sum() == len(tones)


def test_every_quality_transposes_and_no_name_means_two():
    assert len(BY_NAME) == sum(map(len, QUALITIES.values()))
    for quality in BY_NAME:
        low, high = (set(parse_chord(root + quality).tones) for root in ("C", "D"))
        assert {(tone + 2) % 12 for tone in low} == high


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "needs a chord"),
        ("| |", "needs a chord"),
        ("| C | H7 |", "bar 2.*'H7'"),
        ("| Cfoo |", "bar 1.*Cfoo"),
        ("| % |", "bar 1"),
        ("| " + "C " * 17 + "|", "bar 1: 17 chords"),
        ("C|" * 300, "at most 256"),
    ],
)
def test_what_is_no_lead_sheet_is_refused_with_its_bar(text, says):
    with pytest.raises(UserError, match=says):
        parse_sheet(text)


def test_no_chord_has_no_tones():
    assert parse_chord("n.c.") is NO_CHORD and NO_CHORD.bass == -1 and not NO_CHORD.row.any()
