"""A lead sheet as text: "| Am7 | D7 G7 |" is a bar of A minor seven, then half a bar each of D seven and G seven.

A bar is divided evenly among what stands in it; / or . holds the chord before, % repeats the bar before, N.C. is no chord,
and |: ... :| is played twice. Chords are written as in most charts: Am7, A-7, Bbmaj7, Bb^7, F#m7b5, G7/B, Csus4.
"""

import re
from dataclasses import dataclass

import numpy as np

from accomp.errors import UserError
from accomp.timeline import PITCH_CLASSES

NATURAL = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
QUALITIES = {  # semitones above the root, and the ways to write them
    (0, 4, 7): ("", "maj", "M"),
    (0, 3, 7): ("m", "min", "-"),
    (0, 7): ("5",),
    (0, 4, 8): ("aug", "+"),
    (0, 3, 6): ("dim", "o"),
    (0, 5, 7): ("sus4", "sus"),
    (0, 2, 7): ("sus2",),
    (0, 4, 7, 9): ("6",),
    (0, 3, 7, 9): ("m6", "min6", "-6"),
    (0, 4, 7, 10): ("7",),
    (0, 3, 7, 10): ("m7", "min7", "-7"),
    (0, 4, 7, 11): ("maj7", "M7", "^7", "^"),
    (0, 3, 7, 11): ("mmaj7", "mM7", "-^7"),
    (0, 3, 6, 9): ("dim7", "o7"),
    (0, 3, 6, 10): ("m7b5", "-7b5", "h7", "h"),
    (0, 5, 7, 10): ("7sus4", "7sus"),
    (0, 4, 8, 10): ("7#5", "aug7", "+7"),
    (0, 4, 6, 10): ("7b5",),
    (0, 2, 4, 7): ("add9",),
    (0, 2, 4, 7, 9): ("69", "6/9"),
    (0, 2, 4, 7, 10): ("9",),
    (0, 2, 3, 7, 10): ("m9", "min9", "-9"),
    (0, 2, 4, 7, 11): ("maj9", "M9", "^9"),
    (0, 1, 4, 7, 10): ("7b9",),
    (0, 3, 4, 7, 10): ("7#9",),
    (0, 2, 5, 7, 10): ("11", "9sus4"),
    (0, 2, 3, 5, 7, 10): ("m11", "-11"),
    (0, 2, 4, 7, 9, 10): ("13",),
}
BY_NAME = {name: tones for tones, names in QUALITIES.items() for name in names}
CHORD = re.compile(r"([A-G])([#b]?)(.*?)(?:/([A-G])([#b]?))?")
MOST_BARS, MOST_IN_BAR = 256, 16


@dataclass(frozen=True)
class Chord:
    """A chord's name, the pitch class of its lowest note (-1: no chord), and its pitch classes, ascending."""

    name: str
    bass: int
    tones: tuple[int, ...]

    @property
    def row(self) -> np.ndarray:
        """Whether each pitch class belongs to it, (PITCH_CLASSES,)."""
        return np.isin(np.arange(PITCH_CLASSES), self.tones)


NO_CHORD = Chord("N.C.", -1, ())


def parse_chord(name: str) -> Chord:
    """The chord of this name. Raises UserError for one that does not exist."""
    if name.upper() in ("N.C.", "NC"):
        return NO_CHORD
    found = CHORD.fullmatch(name)
    if found is None or found[3].strip("()") not in BY_NAME:
        raise UserError(f"no chord is called {name[:16]!r}; write it like C, Am7, Bbmaj7, F#m7b5 or G7/B")
    root, bass = _pitch_class(found[1], found[2]), _pitch_class(found[4], found[5]) if found[4] else None
    tones = {(root + step) % PITCH_CLASSES for step in BY_NAME[found[3].strip("()")]}
    return Chord(name, root if bass is None else bass, tuple(sorted(tones | ({bass} if bass is not None else set()))))


@dataclass(frozen=True)
class LeadSheet:
    """Bars of chords, followed round and round."""

    bars: tuple[tuple[Chord, ...], ...]

    def at(self, beat: int, beats_in_bar: int) -> Chord:
        """The chord of a beat, counted from the first bar line."""
        bar = self.bars[beat // beats_in_bar % len(self.bars)]
        return bar[beat % beats_in_bar * len(bar) // beats_in_bar]


def parse_sheet(text: str) -> LeadSheet:
    """The lead sheet that a text describes. Raises UserError, which names the bar that is at fault."""
    written = [bar.strip() for bar in text.replace("\n", " | ").split("|")]
    bars: list[tuple[Chord, ...]] = []
    repeat_from = 0
    for bar in filter(None, written):
        if bar.startswith(":"):
            repeat_from = len(bars)
        if words := bar.strip(":").split():
            bars.append(_bar(words, bars))
        if bar.endswith(":") and bars[repeat_from:]:
            bars += bars[repeat_from:]
            repeat_from = len(bars)
        if len(bars) > MOST_BARS:
            raise UserError(f"a lead sheet has at most {MOST_BARS} bars; leave out what repeats, it goes round and round")
    if not bars:
        raise UserError('a lead sheet needs a chord; write it like "| Am7 | D7 G7 |"')
    return LeadSheet(tuple(bars))


def _bar(words: list[str], before: list[tuple[Chord, ...]]) -> tuple[Chord, ...]:
    if words in (["%"], ["x"]):
        if not before:
            raise UserError("bar 1: % repeats the bar before, and there is none; write its chord")
        return before[-1]
    if len(words) > MOST_IN_BAR:
        raise UserError(f"bar {len(before) + 1}: {len(words)} chords; put bar lines | between them")
    chords: list[Chord] = []
    for word in words:
        if word in ("/", "."):
            chords.append(chords[-1] if chords else before[-1][-1] if before else NO_CHORD)
        else:
            try:
                chords.append(parse_chord(word))
            except UserError as error:
                raise UserError(f"bar {len(before) + 1}: {error}") from error
    return tuple(chords)


def _pitch_class(letter: str, accidental: str) -> int:
    return (NATURAL[letter] + {"": 0, "#": 1, "b": -1}[accidental]) % PITCH_CLASSES
