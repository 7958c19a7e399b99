"""Makes up songs for a band of four, each from a number: the same number gives the same song on every machine.

Style, key, tempo, form, harmony and instruments are drawn; the parts are then arranged together (`arrange`). Every
class rests for about a fifth of the time, so that a model also learns from silent stems.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from accomp.data.band.arrange import TICKS_PER_QUARTER, Bar, PartWriter, write_bass, write_drums, write_guitar, write_piano
from accomp.data.band.harmony import bars_of
from accomp.data.band.styles import PROGRESSIONS, STYLES, Style
from accomp.data.song import Control, Metre, Part, Song, Tempo
from accomp.timeline import STEMS

ENDING_S = 2.5  # left for the last chord and for what tempo changes add
FORMS = (
    "intro:4 verse:8 chorus:8 verse:8 chorus:8 bridge:8 chorus:8",
    "verse:8 chorus:8 break:4 verse:8 bridge:4 chorus:8 chorus:8",
    "intro:2 verse:8 bridge:4 chorus:8 verse:4 chorus:8 break:4 chorus:8",
    "intro:4 chorus:4 verse:8 chorus:8 bridge:8 break:4 chorus:8",
)
REST = {"intro": 0.45, "verse": 0.32, "chorus": 0.17, "bridge": 0.36, "break": 0.50, "end": 0.05}
REST_AGAIN = 0.15  # times that probability for a class that has just rested
PROGRAM_BASES = {"bass": 32, "guitar": 24, "piano": 0}
PAD = 48  # strings: one song has them, an instrument the band has no stem for


@dataclass(frozen=True)
class SongForm:
    """What is decided before a note is written: style, tempo, key, instruments and the sections bar by bar."""

    style: Style
    bpm: int
    key: int  # pitch class of the tonic
    mode: str
    programs: dict[str, int]
    cents: int  # how far the band is tuned off 440 Hz
    bars: tuple[Bar, ...]


def compose(index: int, seed: int = 0, seconds: float = 60.0, *, big_band: bool = False) -> Song:
    """Song number `index`; `big_band` adds a second guitar and strings.

    At most `seconds` long with its last chord, if that is 8 s or more: a song has two bars at least.
    """
    rng = random.Random(f"{seed}:{index}")
    form = _form_of(rng, index, seconds)
    ticks_per_s = TICKS_PER_QUARTER * form.bpm / 60
    tonic = (form.key, form.mode)
    parts = []

    def writer(jitter_s: float) -> PartWriter:
        return PartWriter(rng, form.style, ticks_per_s, jitter_s)

    def chosen(patterns: tuple[tuple[str, ...], tuple[str, ...]]) -> tuple[str, str]:
        return rng.choice(patterns[0]), rng.choice(patterns[1])

    def add(name: str, program: int, written: PartWriter, detune: int = 0) -> None:
        controls = () if name == "drums" else _tuning(form.cents + detune)
        parts.append(Part(program, name == "drums", name, written.in_order(), controls))

    write_drums(form.bars, drums := writer(0.005))
    add("drums", form.programs["drums"], drums)
    write_bass(form.bars, bass := writer(0.007), chosen(form.style.bass))
    add("bass", form.programs["bass"], bass, rng.randint(-2, 2))
    for name, program in [("guitar", form.programs["guitar"])] + [("guitar 2", 24 + rng.randrange(5))] * big_band:
        write_guitar(form.bars, guitar := writer(0.009), chosen(form.style.guitar), program, tonic)
        add(name, program, guitar, rng.randint(-3, 3))
    write_piano(form.bars, piano := writer(0.009), chosen(form.style.piano), tonic)
    add("piano", form.programs["piano"], piano)
    if big_band:
        write_piano(form.bars, pad := writer(0.012), ("C" + "-" * 15,) * 2, tonic)
        add("strings", PAD, pad)
    metre = Metre(0, *form.style.metre)
    return Song(TICKS_PER_QUARTER, _tempos(rng, form), (metre,), tuple(part for part in parts if part.notes))


def _form_of(rng: random.Random, index: int, seconds: float) -> SongForm:
    style = STYLES[index % len(STYLES)]
    bpm = rng.randint(*style.tempo_bpm)
    mode = "minor" if rng.random() < style.minor else "major"
    key = rng.randrange(12)
    programs = {"drums": rng.choice(style.kits)}
    for turn, (likely, (name, base)) in enumerate(zip(style.programs, PROGRAM_BASES.items(), strict=True)):
        # Every other song has what suits the style; those between take the programs in turn, so that 16 songs have all eight.
        suits = (index + turn) % 2
        programs[name] = base + (rng.choice(likely) if suits else (index // 2 * 3 + turn) % 8)
    bar_s = style.metre[0] * 4 / style.metre[1] * 60 / bpm
    count = max(int((seconds - ENDING_S) / bar_s), 2)
    bars = tuple(_bars(rng, style, key, mode, count))
    return SongForm(style, bpm, key, mode, programs, rng.randint(-12, 12), bars)


def _bars(rng: random.Random, style: Style, key: int, mode: str, count: int) -> Iterator[Bar]:
    """The song's form laid out bar by bar: sections in turn, then one bar to end on."""
    chords = {kind: bars_of(progression, key) for kind, progression in _harmony(rng, style, mode).items()}
    sections = [(kind, int(bars)) for kind, bars in (word.split(":") for word in rng.choice(FORMS).split())]
    length = TICKS_PER_QUARTER * 4 * style.metre[0] // style.metre[1]
    beat = TICKS_PER_QUARTER * 3 // 2 if style.metre[1] == 8 else TICKS_PER_QUARTER
    number, resting = 0, frozenset()
    while number < count - 1:
        kind, bars = sections.pop(0) if sections else ("chorus", 8)
        bars = min(bars, count - 1 - number)
        resting = _resting(rng, kind, resting)
        loud = kind == "chorus" or (kind == "bridge" and rng.random() < 0.4)
        lead = rng.choice(("guitar", "piano")) if rng.random() < {"verse": 0.35, "chorus": 0.2}.get(kind, 0.5) else ""
        progression = chords[kind]
        for place in range(bars):
            start = (number + place) * length
            here = _placed(progression[place % len(progression)], start, length, beat)
            yield Bar(start, length, kind, loud, place, bars - 1 - place, here, resting, lead)
        number += bars
    last = ((number * length, chords["end"][0][0]),)
    yield Bar(number * length, length, "end", True, 0, 0, last, _resting(rng, "end", resting))


def _harmony(rng: random.Random, style: Style, mode: str) -> dict[str, str]:
    """Progressions by section: verse and chorus differ, intro and break borrow, the song ends on its tonic."""
    tonic = "i" if mode == "minor" else "I"
    every = [p for family in style.harmony for p in PROGRESSIONS[family]]
    own = [p for p in every if _is_minor(p) == (mode == "minor")]
    own = own if len(own) >= 3 else [*PROGRESSIONS["minor" if mode == "minor" else "pop"], *own]
    verse, chorus, bridge = rng.sample(own, 3)
    return {
        "intro": rng.choice((verse, chorus)), "verse": verse, "chorus": chorus, "bridge": bridge, "break": verse,
        "end": tonic + ("6" if style.rootless else ""),
    }  # fmt: skip


def _is_minor(progression: str) -> bool:
    words = progression.replace(",", " ").split()
    return any(word.rstrip("679") == "i" for word in words)


def _placed(chords: list, start: int, length: int, beat: int) -> tuple:
    """Chords that share a bar change on beats."""
    beats = length // beat
    return tuple((start + (i * beats + len(chords) - 1) // len(chords) * beat, c) for i, c in enumerate(chords))


def _resting(rng: random.Random, kind: str, before: frozenset[str]) -> frozenset[str]:
    """Who is silent in a section: never more than two of the four, and rarely the same ones twice running."""
    resting = [stem for stem in STEMS if rng.random() < REST[kind] * (REST_AGAIN if stem in before else 1)]
    rng.shuffle(resting)
    return frozenset(resting[:2])


def _tempos(rng: random.Random, form: SongForm) -> tuple[Tempo, ...]:
    """One tempo, or changes within the song: choruses are a little faster, a slow song slows down at its end."""
    us = 60e6 / form.bpm
    tempos = [Tempo(0, round(us))]
    if rng.random() < 0.4:
        for bar in form.bars:
            if bar.number == 0 and bar.start > 0:
                slower = rng.uniform(-0.004, 0.004) - (0.012 if bar.loud else 0)
                tempos.append(Tempo(bar.start, round(us * (1 + slower))))
    if form.bpm < 95 and len(form.bars) > 4 and rng.random() < 0.6:
        tempos.append(Tempo(form.bars[-2].start + form.bars[-2].length // 2, round(us * 1.12)))
    return tuple({tempo.tick: tempo for tempo in sorted(tempos)}.values())


def _tuning(cents: int) -> tuple[Control, ...]:
    """Fine tuning as General MIDI writes it: registered parameter 1, 14 bits over +-100 cents."""
    value = 8192 + round(cents * 81.92)
    messages = ((101, 0), (100, 1), (6, value >> 7), (38, value & 127), (101, 127), (100, 127))
    return tuple(Control(0, number, data) for number, data in messages)
