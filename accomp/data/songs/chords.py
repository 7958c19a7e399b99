"""Chord names such as F#m7b5/A: taken apart, moved to another key, and brought to a form that MMA knows."""

import re

from mir_eval.chord import pitch_class_to_semitone

NAMES = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")
NO_CHORD = "z"  # MMA's name for a rest of all but the drums
CHORD = re.compile(r"([A-G][b#]?)(.*?)(?:/([A-G][b#]?))?")
# The qualities in MMA's chordtable.py, as far as charts use them; "" is major.
_QUALITIES = """
    + +7 11 13 13#11 13#9 13b5 13b9 13sus 13sus4 5 6 69 7 7#11 7#5 7#5#9 7#5b9 7#9 7#9#11 7#9b13 7+ 7alt 7b13 7b5 7b5#9
    7b5b9 7b9 7b9#11 7b9sus 7sus 7sus4 7susb9 9 9#11 9#5 9+ 9b5 9sus 9sus4 M M13 M13#11 M6 M7 M7#11 M7#5 M7b5 M9 M9#11
    add9 addb9 dim dim7 m m#5 m+ m11 m11b5 m13 m6 m69 m7 m7#5 m7b5 m7b9 m9 m9b5 mM7 maj13 maj7 maj9 mb5 sus sus2 sus4
"""
KNOWN = frozenset(["", *_QUALITIES.split()])
SYNONYMS = (("maj", "M"), ("min", "m"), ("-", "m"), ("^", "M"), ("o", "dim"), ("h7", "m7b5"), ("h", "m7b5"), ("aug", "+"))


def transposed(chord: str, semitones: int) -> str:
    """The chord so many semitones higher; for 0 it keeps its spelling, else black keys are flats."""
    match = CHORD.fullmatch(chord)
    if not match or not semitones:
        return chord
    root, quality, bass = match.groups()
    moved = [NAMES[(pitch_class_to_semitone(note) + semitones) % 12] for note in (root, bass) if note]
    return quality.join((moved[0], "")) + "".join(f"/{note}" for note in moved[1:])


def playable(chord: str) -> str:
    """The chord itself where MMA knows it, else the nearest simpler one: the longest part of its name that MMA knows."""
    match = CHORD.fullmatch(chord)
    if not match:
        return NO_CHORD
    root, quality, bass = match.groups()
    if quality not in KNOWN:
        for written, plain in SYNONYMS:
            if quality.startswith(written):
                quality = plain + quality.removeprefix(written)
                break
        quality = next(quality[:end] for end in range(len(quality), -1, -1) if quality[:end] in KNOWN)
    return root + quality + (f"/{bass}" if bass else "")
