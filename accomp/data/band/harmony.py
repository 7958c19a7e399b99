"""Chords for the composer: their notes, and voicings for piano and guitar."""

import re
from dataclasses import dataclass
from itertools import combinations

NUMERALS = {"I": 0, "II": 2, "III": 4, "IV": 5, "V": 7, "VI": 9, "VII": 11}
QUALITIES = {  # suffix -> intervals above the root for an upper-case and a lower-case numeral
    "": ((0, 4, 7), (0, 3, 7)),
    "7": ((0, 4, 7, 10), (0, 3, 7, 10)),
    "maj7": ((0, 4, 7, 11), (0, 3, 7, 11)),
    "6": ((0, 4, 7, 9), (0, 3, 7, 9)),
    "9": ((0, 4, 7, 10, 14), (0, 3, 7, 10, 14)),
    "add9": ((0, 4, 7, 14), (0, 3, 7, 14)),
    "sus4": ((0, 5, 7), (0, 5, 7)),
    "7sus4": ((0, 5, 7, 10), (0, 5, 7, 10)),
    "b5": ((0, 4, 6, 10), (0, 3, 6, 10)),
}
PENTATONICS = {"major": (0, 2, 4, 7, 9), "minor": (0, 3, 5, 7, 10)}
TUNING = (40, 45, 50, 55, 59, 64)  # a guitar's open strings


@dataclass(frozen=True)
class Chord:
    """A root (pitch class) and the intervals above it, in semitones."""

    root: int
    intervals: tuple[int, ...]

    @property
    def classes(self) -> tuple[int, ...]:
        return tuple((self.root + interval) % 12 for interval in self.intervals)

    def tone(self, which: int) -> int:
        """Semitones above the root of the third (3), fifth (5) or seventh (7); a triad's seventh is its octave."""
        wanted = {3: (3, 4, 5), 5: (6, 7, 8), 7: (9, 10, 11)}[which]
        return next((interval for interval in self.intervals if interval in wanted), {3: 7, 5: 7, 7: 12}[which])


def chord(symbol: str, key: int) -> Chord:
    """A chord from its roman numeral in a key (pitch class of the tonic): "ii7", "bVII", "Imaj7"."""
    accidental, numeral, suffix = re.fullmatch(r"([b#]?)([IViv]+)(.*)", symbol).groups()
    root = key + NUMERALS[numeral.upper()] + {"b": -1, "#": 1, "": 0}[accidental]
    return Chord(root % 12, QUALITIES[suffix][numeral.islower()])


def bars_of(progression: str, key: int) -> list[list[Chord]]:
    """Chords bar by bar: bars are parted by blanks, chords that share a bar by commas."""
    return [[chord(symbol, key) for symbol in bar.split(",")] for bar in progression.split()]


def near(pitch_class: int, centre: float, low: int, high: int) -> int:
    """The pitch of this class nearest to `centre` within [low, high] (a span of at least an octave)."""
    pitches = [pitch for pitch in range(low, high + 1) if pitch % 12 == pitch_class % 12]
    return min(pitches, key=lambda pitch: (abs(pitch - centre), pitch))


def piano_voicing(chord: Chord, before: tuple[int, ...], rootless: bool) -> tuple[int, ...]:
    """Three or four notes for the right hand that move as little as they can from the ones before."""
    classes = chord.classes[1:] if rootless and len(chord.classes) > 3 else chord.classes
    count = min(len(classes), 4)
    centre = sum(before) / len(before) if before else 66
    best, best_cost = before, float("inf")
    choices = [pitch for pitch in range(55, 80) if pitch % 12 in classes]
    for voicing in combinations(choices, count):
        if voicing[-1] - voicing[0] > 14 or len({pitch % 12 for pitch in voicing}) < count:
            continue
        moved = sum(min(abs(pitch - old) for old in before) for pitch in voicing) if before else 0
        # The distance from the middle counts, so that voicings do not rise or fall over many chords.
        cost = moved + 0.3 * abs(sum(voicing) / count - 66) + 0.2 * abs(sum(voicing) / count - centre)
        if cost < best_cost:
            best, best_cost = voicing, cost
    return best


def guitar_voicing(chord: Chord, position: int) -> tuple[tuple[int, ...], int]:
    """A chord shape near the fret of the one before: pitches from low to high, and its fret.

    The lowest string that sounds has the root; strings below it are damped; four frets are in reach.
    """
    best, best_cost = ((), position), float("inf")
    for fret in range(10):
        grip = []
        for string in TUNING:
            reach = ([string] if fret <= 2 else []) + list(range(string + max(fret, 1), string + fret + 4))
            tones = [pitch for pitch in reach if pitch % 12 in chord.classes]
            if tones and (grip or tones[0] % 12 == chord.root):
                grip.append(tones[0])
        missing = len(set(chord.classes) - {pitch % 12 for pitch in grip})
        cost = 4 * missing + 1.5 * max(0, 5 - len(grip)) + 0.5 * abs(fret - position) + 0.3 * fret
        if cost < best_cost and len(grip) >= 3:
            best, best_cost = (tuple(sorted(set(grip))), fret), cost
    return best


def power_chord(chord: Chord) -> tuple[int, ...]:
    """Root, fifth and octave on the low strings: what a distorted guitar can play without mud."""
    root = near(chord.root, 43, 40, 51)
    return root, root + chord.tone(5), root + 12
