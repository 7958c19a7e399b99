"""Writes each instrument's part: drums with fills, a bass that locks to them, guitars that strum, pianos that comp.

All writers read the same bars, so that the parts fit: the bass can take the kick drum's rhythm and steps into the next
chord, the drums fill before the next section, chords move by the nearest notes.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from accomp.data.band.harmony import PENTATONICS, Chord, guitar_voicing, near, piano_voicing, power_chord
from accomp.data.band.styles import FILLS, GROOVES, KEYS, Style
from accomp.data.song import Note

TICKS_PER_QUARTER = 480
STRUM_S = 0.007  # from string to string
LOWEST = 28  # a bass guitar's low E
HEAVY_GUITARS = (29, 30)  # overdriven and distorted: full chords would be mud
MELODIES = {  # rhythms of a melody's bar; letters as in the patterns
    16: (
        "x---x-x-x-----x-", "x-x-x---..x-x-x-", "..x-x-x-x---....",
        "x-----x-x---x-x-", "x--x--x-........", "x-xxx-x-x-----..",
    ),
    12: ("x--x-xx-----", "x-x-x-x-----", "..x-x-x---..", "x---x---x-x-", "x-----x-x-x-", "x--x--x-xx--"),
}  # fmt: skip


Span = tuple[float, float]  # ticks
Tonic = tuple[int, str]  # pitch class of the key, and its mode


@dataclass(frozen=True)
class Bar:
    """One bar of the song's form, the same for all parts. Times in ticks from the start of the song."""

    start: int
    length: int
    kind: str  # intro, verse, chorus, bridge, break or end
    loud: bool
    number: int  # within its section
    left: int  # bars of the section after this one
    chords: tuple[tuple[int, Chord], ...]  # (start, chord)
    resting: frozenset[str]  # classes that are silent in this section
    lead: str = ""  # the class that plays a melody instead of accompanying

    def chord_at(self, tick: int) -> Chord:
        return next((chord for start, chord in reversed(self.chords) if start <= tick), self.chords[0][1])

    def pattern(self, choices: Sequence[str]) -> str:
        return choices[self.number % len(choices)]


class PartWriter:
    """Collects the notes of one part, each a little early or late, a little loud or soft, in the style's swing."""

    def __init__(self, rng: random.Random, style: Style, ticks_per_s: float, jitter_s: float):
        self.rng, self.style, self.ticks_per_s, self.jitter_s = rng, style, ticks_per_s, jitter_s
        self.notes: list[Note] = []

    def swung(self, bar: Bar, tick: float) -> float:
        """Where a moment of an even grid falls in this style's swing."""
        unit = TICKS_PER_QUARTER // (2 if self.style.swung_sixteenths else 1)
        beat, place = divmod(tick - bar.start, unit)
        late = self.style.swing
        place = place / unit
        place = place * 2 * late if place < 0.5 else late + (place - 0.5) * 2 * (1 - late)
        return bar.start + (beat + place) * unit

    def add(self, bar: Bar, span: Span, pitch: int, velocity: int, delay_s: float = 0.0) -> None:
        start, end = (self.swung(bar, tick) for tick in span)
        late = (self.rng.triangular(-1, 1, 0) * self.jitter_s + delay_s) * self.ticks_per_s
        velocity += round(self.rng.triangular(-9, 9, 0)) + (8 if bar.loud else 0) - (6 if bar.kind == "intro" else 0)
        at = max(round(start + late), 0)
        self.notes.append(Note(at, max(round(end + late), at + 20), pitch, min(max(velocity, 8), 127)))

    def in_order(self) -> tuple[Note, ...]:
        """All notes in order; a key that is struck again ends its earlier note."""
        following: dict[int, int] = {}
        notes = []
        for note in sorted(self.notes, reverse=True):
            end = min(note.end, following.get(note.pitch, note.end))
            if end > note.start:
                following[note.pitch] = note.start
                notes.append(note._replace(end=end))
        return tuple(sorted(notes))


def steps(pattern: str, bar: Bar) -> Iterator[tuple[float, float, str]]:
    """(start, end, letter) of every sound in a one-bar pattern; "-" prolongs the one before."""
    unit = bar.length / len(pattern)
    for index, letter in enumerate(pattern):
        if letter not in ".-":
            held = len(pattern[index + 1 :]) - len(pattern[index + 1 :].lstrip("-"))
            yield bar.start + index * unit, bar.start + (index + 1 + held) * unit, letter


def write_drums(bars: Sequence[Bar], writer: PartWriter) -> None:
    strength = {"X": 110, "x": 88, "o": 48}
    playing = False
    for index, bar in enumerate(bars):
        if bar.kind == "end":
            for name in ("crash", "kick"):
                writer.add(bar, (bar.start, bar.start + bar.length), KEYS[name], 105)
            return
        resting = "drums" in bar.resting
        groove = GROOVES[writer.style.drums[bar.loud]]
        grid = len(groove["kick"])
        enters = index + 1 < len(bars) and "drums" not in bars[index + 1].resting
        fills = bar.left == 0 and enters and writer.rng.random() < 0.85
        fill = writer.rng.choice(FILLS[grid]) if fills else {}
        # The groove stops where the fill begins; only the foot that keeps time may go on under it.
        stop = min((len(line) - len(line.lstrip(".")) for line in fill.values()), default=grid)
        if not resting and (not playing or (bar.number == 0 and bar.kind == "chorus")):
            writer.add(bar, (bar.start, bar.start + bar.length), KEYS["crash"], 96)
        for name, line in () if resting else groove.items():
            line = line[:stop] + "." * (grid - stop)
            if name == "hat" and bar.number % 4 == 3 and not fill and grid == 16 and writer.style.name != "bossa":
                line = line[:14] + ".."
                _strike(bar, writer, "open", "." * 14 + "x.", strength)
            _strike(bar, writer, name, line, strength)
        for name, line in fill.items():
            _strike(bar, writer, name, line, strength)
        playing = not resting


def _strike(bar: Bar, writer: PartWriter, name: str, line: str, strength: dict[str, int]) -> None:
    for start, end, letter in steps(line, bar):
        writer.add(bar, (start, end), KEYS[name], strength[letter] - (14 if name in ("hat", "ride", "shaker") else 0))


def write_bass(bars: Sequence[Bar], writer: PartWriter, patterns: tuple[str, str]) -> None:
    rng, root = writer.rng, 36
    for index, bar in enumerate(bars):
        if "bass" in bar.resting:
            continue
        pattern = patterns[bar.loud]
        kick = GROOVES[writer.style.drums[bar.loud]]["kick"]
        if bar.kind == "end":
            pattern = "R" + "-" * 15
        elif pattern == "lock":
            pattern = _locked(kick)
        following = bars[min(index + 1, len(bars) - 1)]
        if pattern == "walk":
            pattern = "".join(_walked(bar, rng))
        if bar.left == 0 and bar.kind != "end" and rng.random() < 0.5 and len(pattern) in (12, 16):
            tail = "a.a." if len(pattern) == 16 else "a.a"
            pattern = pattern[: -len(tail)] + tail  # a run into the next section
        for start, end, letter in steps(pattern, bar):
            chord = bar.chord_at(int(start))
            root = near(chord.root, root * 0.7 + 36 * 0.3, LOWEST, 43)
            after = next((c.root for at, c in bar.chords if at > start), following.chords[0][1].root)
            pitch, velocity = _bass_note(letter, chord, root, near(after, root, LOWEST, 43), rng)
            length = end - start if letter != "g" else (end - start) * 0.4
            writer.add(bar, (start, start + length * 0.92), pitch, velocity + (6 if start == bar.start else 0))


def _bass_note(letter: str, chord: Chord, root: int, target: int, rng: random.Random) -> tuple[int, int]:
    if letter == "a":
        step = target + rng.choice((-1, -2, 1, 2, -1, 7 if target < 36 else -5))
        return step if step >= LOWEST else step + 12, 86
    above = {"R": 0, "g": 0, "8": 12, "3": chord.tone(3), "5": chord.tone(5), "7": chord.tone(7)}[letter]
    # Fifths and sevenths fall below the root where the root is high already.
    pitch = root + above - (12 if root + above > 48 and letter != "8" else 0)
    return pitch, 48 if letter == "g" else 94


def _locked(kick: str) -> str:
    """The bass line that sounds with the kick drum: its rhythm, the root each time, the octave on late pushes."""
    line = ""
    for index, letter in enumerate(kick):
        if letter == ".":
            line += "-" if line and line[-1] in "R8-" and not line.endswith("---") else "."
        else:
            line += "8" if index % 4 == 3 else "R"
    return line if line[0] != "." else "R-" + line[2:]


def _walked(bar: Bar, rng: random.Random) -> Iterator[str]:
    """A walking line: the chord's root where it comes, chord tones between, a step into the next chord at the end."""
    beats = bar.length // TICKS_PER_QUARTER
    for beat in range(beats):
        tick = bar.start + beat * TICKS_PER_QUARTER
        changes = beat == 0 or any(start == tick for start, _ in bar.chords)
        letter = "R" if changes else "a" if beat == beats - 1 else rng.choice("355738")
        yield letter + ("-g" if rng.random() < 0.12 else "--")


def write_guitar(bars: Sequence[Bar], writer: PartWriter, patterns: tuple[str, str], program: int, tonic: Tonic) -> None:
    position, heavy = 2, program in HEAVY_GUITARS
    for bar, melody in _with_melody(bars, "guitar", writer, tonic, 52, 79):
        if "guitar" in bar.resting or melody:
            continue
        pattern = "D" + "-" * 15 if bar.kind == "end" else patterns[bar.loud]
        for start, end, letter in steps(pattern, bar):
            chord = bar.chord_at(int(start))
            grip, position = guitar_voicing(chord, position)
            strings = power_chord(chord) if heavy else grip
            _pluck(bar, writer, (start, end), letter, strings, power_chord(chord))


def _pluck(bar: Bar, writer: PartWriter, span: Span, letter: str, grip: tuple[int, ...], power: tuple[int, ...]) -> None:
    start, end = span
    short = (start, start + (end - start) * 0.45)
    match letter:
        case "D":
            strings, velocity = grip, 90
        case "U":
            strings, velocity = grip[-3:][::-1], 74
        case "C":
            strings, span, velocity = grip[-4:], short, 84
        case "M":
            strings, span, velocity = grip[-3:], (start, start + (end - start) * 0.15), 42
        case "P":
            strings, span, velocity = power[:2], short, 92
        case _:
            string = 0 if letter == "B" else min(int(letter) - 1, len(grip) - 1)
            # A picked string rings on under the next ones.
            strings, span, velocity = (grip[string],), (start, end + (end - start)), 86
    for count, pitch in enumerate(strings):
        writer.add(bar, span, pitch, velocity - 2 * count, delay_s=count * STRUM_S)


def write_piano(bars: Sequence[Bar], writer: PartWriter, patterns: tuple[str, str], tonic: Tonic) -> None:
    voicing: tuple[int, ...] = ()
    chord_before = None
    for bar, melody in _with_melody(bars, "piano", writer, tonic, 67, 91):
        if "piano" in bar.resting:
            continue
        pattern = patterns[bar.loud]
        if bar.kind == "end" or melody:
            pattern = "B" + "-" * 15 if bar.kind == "end" else "L" + "-" * 7 + "l" + "-" * 7
        for start, end, letter in steps(pattern, bar):
            chord = bar.chord_at(int(start))
            if chord != chord_before:
                voicing, chord_before = piano_voicing(chord, voicing, writer.style.rootless), chord
            _press(bar, writer, (start, end), letter, voicing, chord)


def _press(bar: Bar, writer: PartWriter, span: Span, letter: str, voicing: tuple[int, ...], chord: Chord) -> None:
    start, end = span
    low = near(chord.root, 43, 36, 50)
    if letter in "BLl":
        fifth = low + chord.tone(5) - (12 if low > 42 else 0)
        pitch = fifth if letter == "l" else low
        writer.add(bar, (start, start + (end - start) * 0.95), pitch, 82)
    if letter in "BCc":
        held = (start, start + (end - start) * (0.4 if letter == "c" else 0.95))
        for pitch in voicing:
            writer.add(bar, held, pitch, 78 if letter != "c" else 84)
    if letter.isdigit():
        writer.add(bar, (start, end + (end - start)), voicing[(int(letter) - 1) % len(voicing)], 76)


def _with_melody(
    bars: Sequence[Bar], who: str, writer: PartWriter, tonic: Tonic, low: int, high: int
) -> Iterator[tuple[Bar, bool]]:
    """Each bar, and whether this instrument has the melody there: if so, its melody is written."""
    write_melody = _melody_writer(writer, tonic, low, high)
    for bar in bars:
        leads = bar.lead == who and who not in bar.resting and bar.kind != "end"
        if leads:
            write_melody(bar)
        yield bar, leads


def _melody_writer(writer: PartWriter, tonic: Tonic, low: int, high: int) -> Callable[[Bar], None]:
    """A melody of three rhythms in the order a b a c; from chord tones on strong beats it steps along the scale."""
    rng = writer.rng
    key, mode = tonic
    scale = {(key + interval) % 12 for interval in PENTATONICS[mode]}
    twelve = any(len(GROOVES[name]["kick"]) == 12 for name in writer.style.drums)
    rhythms = rng.sample(MELODIES[12 if twelve else 16], 3)
    pitch = near(key, (low + high) / 2, low, high)

    def write_melody(bar: Bar) -> None:
        nonlocal pitch
        rhythm = rhythms[(0, 1, 0, 2)[bar.number % 4]]
        for start, end, _ in steps(rhythm, bar):
            strong = (start - bar.start) % TICKS_PER_QUARTER < 1
            allowed = set(bar.chord_at(int(start)).classes) if strong else scale
            reach = [p for p in range(max(low, pitch - 5), min(high, pitch + 5) + 1) if p % 12 in allowed]
            pitch = rng.choice([p for p in reach if p != pitch] or reach or [pitch])
            writer.add(bar, (start, start + (end - start) * 0.95), pitch, 96 if strong else 86)

    return write_melody
