# ruff: noqa: E501  (tables read best with one entry a line)
"""What the composer knows of styles: tempi, chord progressions, and patterns for every instrument.

A pattern is one bar; its letters share the bar evenly, so sixteen of them are sixteenths, twelve are triplets in 4/4.
In all of them "." is a rest and "-" lets the last sound ring on.
Drums: X accent, x stroke, o ghost note. Bass: R root, 8 its octave, 3 5 7 chord tones, a a step into the next chord, g a
dead note. Guitar: D U strokes down and up, C a short chop, M a damped scratch, P a palm-muted power chord, B the lowest
string, 2-6 strings. Piano: B both hands, C chord, c the same short, L and l left hand (root, fifth), 1-4 notes of the chord.
"""

from dataclasses import dataclass

KEYS = {  # General MIDI drum notes
    "kick": 36, "stick": 37, "snare": 38, "clap": 39, "hat": 42, "foot": 44, "open": 46, "crash": 49, "ride": 51,
    "tom1": 50, "tom2": 47, "tom3": 43, "bell": 53, "tamb": 54, "cowbell": 56, "conga": 63, "congalow": 64, "shaker": 70,
}  # fmt: skip

GROOVES: dict[str, dict[str, str]] = {
    "rock": {"kick": "x.......x.x.....", "snare": "....X.......X...", "hat": "X.x.X.x.X.x.X.x."},
    "rock drive": {"kick": "x.....x.x.....x.", "snare": "....X.......X...", "ride": "X.x.X.x.X.x.X.x."},
    "rock open": {"kick": "x..x..x...x.....", "snare": "....X.......X...", "open": "x...x...x...x..."},
    "half time": {"kick": "x.....x.........", "snare": "........X.......", "hat": "X.x.x.x.X.x.x.x."},
    "ballad": {"kick": "x.........x.....", "stick": "....x.......x...", "hat": "x.o.x.o.x.o.x.o."},
    "ballad full": {"kick": "x.....x.x.......", "snare": "....X.......X..o", "hat": "x.o.x.o.x.o.x.o."},
    "funk": {"kick": "x.x...x...x..x..", "snare": "....X..o.o..X..o", "hat": "X.xxX.x.X.xxX.x."},
    "funk open": {"kick": "x..x..x...x....x", "snare": "o...X..o....X.o.", "hat": "xxxxxxx.xxxxxxxx", "open": ".......x........"},
    "shuffle": {"kick": "x....xx.....", "snare": "...X.....X..", "hat": "X.xX.xX.xX.x"},
    "shuffle ride": {"kick": "x..x..x..x..", "snare": "..oX.o..oX.o", "ride": "X.xX.xX.xX.x"},
    "swing": {"ride": "X..X.xX..X.x", "foot": "...x.....x..", "kick": "o.....o.....", "snare": "........o..."},
    "swing full": {"ride": "X..X.xX..X.x", "foot": "...x.....x..", "kick": "x....o.....x", "snare": "..o.....o..o"},
    "bossa": {"stick": "x..x..x...x..x..", "kick": "x..xx..xx..xx..x", "hat": "xoxoxoxoxoxoxoxo"},
    "bossa ride": {"stick": "x..x..x...x..x..", "kick": "x..xx..xx..xx..x", "ride": "x.x.x.x.x.x.x.x.", "foot": "....x.......x..."},
    "disco": {"kick": "X...X...X...X...", "snare": "....X.......X...", "hat": "xo.oxo.oxo.oxo.o", "open": "..x...x...x...x."},
    "disco clap": {"kick": "X...X...X...X...", "clap": "....X.......X...", "hat": "x.x.x.x.x.x.x.x.", "tamb": "..x...x...x...x."},
    "one drop": {"kick": "........X.......", "stick": "........X.....o.", "hat": "x.o.x.o.x.o.x.oo"},
    "steppers": {"kick": "X...X...X...X...", "stick": "........X.......", "hat": "x.ox..oxx.ox..ox"},
    "train": {"kick": "x.......x.......", "snare": "ooXoooXoooXoooXo"},
    "country": {"kick": "x.......x.......", "stick": "....x.......x...", "hat": "x.x.x.x.x.x.x.x."},
    "soul": {"kick": "x.....x..x......", "snare": "....X..o....X...", "hat": "X.x.X.x.X.x.X.x."},
    "motown": {"kick": "x.....x.x.....x.", "snare": "X...X...X...X...", "tamb": "..x...x...x...x.", "hat": "x.x.x.x.x.x.x.x."},
    "waltz": {"kick": "x...........", "stick": "....x...x...", "hat": "x...x.o.x.o."},
    "waltz full": {"kick": "x.........x.", "snare": "....X...X...", "ride": "X...x.x.x.x."},
    "six": {"kick": "x...........", "stick": "......x.....", "hat": "X.x.x.X.x.x."},
    "six full": {"kick": "x...x.....x.", "snare": "......X.....", "ride": "X.x.x.X.x.x."},
}  # fmt: skip

# What leads into a new section: the groove up to the fill, then this, on the same grid as the bar (16 or 12 letters).
FILLS: dict[int, tuple[dict[str, str], ...]] = {
    16: (
        {"snare": "............xxXX", "kick": "............x..."},
        {"tom1": "........xx......", "tom2": "..........xx....", "tom3": "............xx..", "snare": "..............XX"},
        {"snare": "........X..X..X.", "kick": "........x..x..x.", "open": "..............x."},
        {"snare": "........xoxoxxXX", "tom3": "............x.x."},
        {"tom1": "............xx..", "tom3": "..............xX"},
    ),
    12: (
        {"snare": ".........xxX", "kick": ".........x.."},
        {"tom1": "......xx....", "tom2": "........xx..", "tom3": "..........xX"},
        {"snare": "......X.xX.X", "kick": "......x..x.."},
    ),
}  # fmt: skip

PROGRESSIONS: dict[str, tuple[str, ...]] = {
    "pop": (
        "I V vi IV", "vi IV I V", "I vi IV V", "I IV vi V", "IV V iii7 vi7", "I iii IV iv", "Iadd9 V,V7sus4 vi7 IVadd9",
        "I V ii7 IV", "I I7 IV iv I V ii7 V7sus4,V7",
    ),
    "rock": ("I bVII IV I", "i bVI bVII i", "I IV I V", "i bVII bVI V", "I I bVII IV", "i iv bVI bVII", "i i bIII,IV bVI"),
    "blues": ("I7 I7 I7 I7 IV7 IV7 I7 I7 V7 IV7 I7 V7", "I7 IV7 I7 I7 IV7 IV7 I7 VI7 ii7 V7 I7,VI7 ii7,V7"),
    "jazz": (
        "ii7 V7 Imaj7 VI7", "Imaj7 vi7 ii7 V7", "iii7 VI7 ii7 V7", "Imaj7 IVmaj7 iii7,VI7 ii7,V7",
        "ii7,V7 Imaj7 iib5,V7 i6", "Imaj7 #ib5 ii7 V7",
    ),
    "bossa": (
        "Imaj7 Imaj7 II7 II7 ii7 V7 Imaj7 bII7", "i7 i7 iib5 V7", "Imaj7 bVIImaj7 ii7 V9", "i6 bVII7 bVImaj7 V7",
    ),
    "funk": ("i7 i7 IV9 IV9", "I9 I9 I9 IV9", "i7 bVII7 i7 IV9", "i9 i9 bVI9 V9", "i7 IV9 i7 bIII7,V7"),
    "soul": (
        "Imaj7 ii7 iii7 ii7", "I vi7 ii7 V7sus4", "IVmaj7 iii7 ii7 I", "I I7 IV6 iv6", "vi7 ii9 V9 Imaj7",
        "Imaj7 iii7 IVmaj7 ii7,V7sus4",
    ),
    "reggae": ("I IV I V", "i bVII i bVII", "I ii I ii", "i iv bVII bIII", "I V vi IV"),
    "folk": ("I IV I V", "I I IV I V V I I", "I vi ii V", "vi IV I V", "I V IV I", "I I7 IV I I V7 I V7"),
    "minor": ("i bVI bIII bVII", "i iv V7 i", "i bVII bVI V7", "i7 iv7 bVII7 bIIImaj7 bVImaj7 iib5 V7 i"),
}  # fmt: skip


@dataclass(frozen=True)
class Style:
    """How a style goes: a range of tempi, its harmony, and patterns for the quiet and the loud sections of a song."""

    name: str
    tempo_bpm: tuple[int, int]
    harmony: tuple[str, ...]
    drums: tuple[str, str]
    bass: tuple[tuple[str, ...], tuple[str, ...]]
    guitar: tuple[tuple[str, ...], tuple[str, ...]]
    piano: tuple[tuple[str, ...], tuple[str, ...]]
    programs: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]  # likely basses, guitars, pianos (0-7 each)
    kits: tuple[int, ...]
    metre: tuple[int, int] = (4, 4)
    swing: float = 0.5  # where the off-beat eighth falls within its beat (or the sixteenth within its eighth)
    swung_sixteenths: bool = False
    minor: float = 0.35  # how often the song stands in minor
    rootless: bool = False  # the bass has the root: the piano leaves it out


STYLES = (
    Style(
        "shuffle", (96, 136), ("blues",), ("shuffle", "shuffle ride"),
        (("R.RR.33.35.5", "walk"), ("R.R3.35.57.5", "walk")),
        (("C..C..C..C..", "B.4B.4B.4B.4"), ("P.PP.PP.PP.P", "D-.C..D-.C.U")),
        (("L..C..L..c..", "L.cL.cL.cL.c"), ("B..c.cC..c.c", "L.CL.CL.CL.C")),
        ((1, 0, 2), (2, 3, 1, 5), (0, 1, 3, 4)), (0, 8, 32), minor=0.15,
    ),
    Style(
        "bossa", (112, 146), ("bossa", "jazz"), ("bossa", "bossa ride"),
        (("R-----5-R-----5-", "R-----5-5-----a-"), ("R-----5-R-----5a", "R-----3-5-----5a")),
        (("D-..C..D-..C..C.", "B.4-..4.B.4-.4.."), ("D..C..D...C..D..", "B-C.C..CB-C..C..")),
        (("C-....C-..C-....", "....C---..C-...."), ("B-..C-..C-.C..C.", "C..C..C...C..C..")),
        ((0, 3, 1), (0, 2, 1), (0, 4, 5)), (32, 40, 0), rootless=True, minor=0.4,
    ),
    Style(
        "reggae", (70, 92), ("reggae", "minor"), ("one drop", "steppers"),
        (("R---..R-3-5-..R-", "..R-R-5---3-R-.."), ("R--R..5-R--R..5-", "R-R-5-3-R-R-5-7-")),
        (("....C.......C...", "..C...C...C...C."), ("..C.M.C...C.M.C.", "....C..U....C..U")),
        (("....c.......c...", "..c...c...c...c."), ("L.c..cc.L.c..cc.", "..cc..cc..cc..cc")),
        ((1, 0, 3, 6), (3, 2, 4), (4, 0, 7, 2)), (0, 24, 16), swing=0.58, swung_sixteenths=True, minor=0.5,
    ),
    Style(
        "country", (96, 150), ("folk",), ("train", "country"),
        (("R---....5---....", "R---..R-5---..a-"), ("R-R-....5-5-..a-", "R-..R-..5-..a-a-")),
        (("B-..D-.UB-..D-.U", "B.45B.45B.45B.45"), ("D-.UD-DUD-.UD-DU", "B-3.456.B-3.456.")),
        (("L...c...l...c...", "........C-----.."), ("L.c.l.c.L.c.l.c.", "L-..C-.cl-..C-.c")),
        ((0, 1, 2), (1, 0, 3), (0, 3, 1)), (0, 8, 40), minor=0.1,
    ),
    Style(
        "disco", (110, 128), ("minor", "soul", "pop"), ("disco", "disco clap"),
        (("R-8-R-8-R-8-R-8-", "R---..8.R-..8.a-"), ("R.8.R.8.R.8.R.88", "R-88R.8.R-88a.8.")),
        (("..C.M.C...C.M.CM", "M.MCM.MCM.MCM.CM"), ("MMCMMCMMCMMCMMCM", "C..CM.C.C..CM.C.")),
        (("C---....C---....", "L-..c..cL-..c..c"), ("B-.c..c.B-.c..c.", "c.c..cc.c.c..cc.")),
        ((1, 3, 6, 7, 4), (3, 4, 2), (4, 0, 1, 2)), (16, 25, 24, 0), minor=0.6,
    ),
    Style(
        "ballad", (70, 92), ("pop", "soul"), ("ballad", "ballad full"),
        (("R-----------....", "R-------5---..a-"), ("R-----R-R---..5-", "R-----R-5-----a-")),
        (("B.3.4.5.6.5.4.3.", "B-3-4-5-4-3-4-5-"), ("D-------D---..DU", "D---..DUD-.UD-DU")),
        (("B---C---L---C---", "L-1-2-3-4-3-2-3-"), ("B---C---B---C-C-", "B-C-C-C-B-C-C-C-")),
        ((0, 3, 1), (0, 1, 2, 7), (0, 1, 4, 5)), (0, 8, 48), minor=0.3,
    ),
    Style(
        "swing", (110, 150), ("jazz", "blues"), ("swing", "swing full"),
        (("walk", "R--...5--..."), ("walk",)),
        (("C..C..C..C..", "......C-...."), ("C..C..C..C.C", "C..C..C-.C..")),
        (("C....C......", "...C-....C-."), ("C....C...C..", "..C-..C....C")),
        ((0, 3, 0), (2, 0, 3), (0, 2, 4)), (32, 40, 0), rootless=True, minor=0.3,
    ),
    Style(
        "rock", (108, 150), ("rock", "pop"), ("rock", "rock drive"),
        (("R.R.R.R.R.R.R.R.", "lock"), ("R-R-R-R-R-R-R-a-", "R.RRR.R.R.RRa.a.")),
        (("P.P.P.P.P.P.P.P.", "B.3.4.5.B.3.4.5."), ("D---D-D-..D-D-D-", "D-P.P.D-P.P.D-P.")),
        (("C---------------", "L...C...L...C..."), ("B-C-C-C-B-C-C-C-", "B---C--C--C-C---")),
        ((1, 2, 0, 4), (5, 6, 3, 4), (0, 1, 3, 4)), (16, 0, 8), minor=0.5,
    ),
    Style(
        "soul", (76, 112), ("soul", "jazz"), ("soul", "motown"),
        (("lock", "R--.R.5.8-7.5.3."), ("R-R-..5-R-3-5-a-", "R--RR.5.8-..5.a.")),
        (("....C.......C...", "..C-....U.C.M..."), ("C..MC.M.C..MC.M.", "....C..U....C.UU")),
        (("C---..C---..C-..", "L---c..c.c..c..."), ("B--C..C-B--C..C-", "L.CcL.C.L.CcL.C.")),
        ((1, 0, 3), (2, 3, 4), (4, 5, 0, 2)), (0, 8, 16), swing=0.56, swung_sixteenths=True, rootless=True,
    ),
    Style(
        "funk", (90, 118), ("funk",), ("funk", "funk open"),
        (("R..g..8.R.g7.8..", "lock"), ("R.gR.g8.R..7g8a.", "R.R..8.7..5.7.8g")),
        (("M.CMM.CMM.CMM.CM", "..C.MM..C.MM..C."), ("CMMCMMCMCMMCMMC.", "C.MMC.MM.CMMC.MM")),
        (("..c...cc..c...c.", "C-..c..c...c..c."), ("L.cc.lc.L.cc.lc.", "c..c..c.cc.c..c.")),
        ((4, 5, 1, 6), (3, 4, 2), (7, 4, 0, 5)), (8, 0, 16, 25), swing=0.55, swung_sixteenths=True, minor=0.6,
    ),
    Style(
        "waltz", (88, 150), ("folk", "jazz"), ("waltz", "waltz full"),
        (("R-------....", "R---..5-a---"), ("R---5---a---", "R-----R-5-a-")),
        (("B-..D-..D-..", "B-3-4-5-4-3-"), ("D---D-.UD-.U", "B-..D-DUD-DU")),
        (("L---C---C---", "L-1-2-3-2-1-"), ("B---C---C---", "B---C-C-C-C-")),
        ((0, 3, 2), (0, 1, 2), (0, 3, 6)), (40, 0, 32), metre=(3, 4), minor=0.3,
    ),
    Style(
        "six-eight", (96, 150), ("soul", "pop", "minor"), ("six", "six full"),
        (("R-----5-----", "R---..R-..a-"), ("R---R-5---a-", "R---8-5---a-")),
        (("B-3-4-5-4-3-", "B-4-5-6-5-4-"), ("D---D-D---DU", "D-..C.D-..C.")),
        (("C-C-C-C-C-C-", "L-1-2-3-2-1-"), ("B-C-C-B-C-C-", "L-C-C-l-C-C-")),
        ((1, 0, 3), (2, 3, 7), (0, 4, 1)), (0, 8, 48), metre=(6, 8), minor=0.4,
    ),
)  # fmt: skip
# The order matters: `make data` gives track i the style i mod 12, and so every style that is tested is also learnt.
