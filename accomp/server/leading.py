"""What a player who leads has asked for, put on the beat: when the model sounds, in which harmony, and where it is lively.

Pure: positions are absolute samples of the music, beats are those of the clock. What has been sent already cannot be
changed, so that everything begins at the first beat or bar line that is not sent yet.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from accomp.beat.chords import BeatChords
from accomp.errors import UserError
from accomp.plan.beats import BeatLine
from accomp.plan.lead_sheet import Chord, LeadSheet, parse_chord, parse_sheet
from accomp.server import protocol as osc
from accomp.timeline import PITCH_CLASSES, SAMPLE_RATE

ATTACK = SAMPLE_RATE // 100  # samples of a fade-in that ends on its beat, and of a fade-out that begins there
LOUD = 0.01  # -40 dBFS: a player who is louder has begun
RELEASE = "-"  # the name of a chord that ends one
NO_BEAT = "no beat is known yet; tap it, count in, or play on until the model hears one"

Placed = tuple["osc.Leading", int]  # a message, and the absolute sample that was heard when it arrived


@dataclass(frozen=True)
class Span:
    """The music of one answer: new from `start` to `stop`, with `overlap` samples of the answer before; the player's
    samples since then, and the beats ahead.
    """

    start: int
    stop: int
    overlap: int
    heard: Sequence[np.ndarray]
    beats: Sequence[BeatLine]

    @property
    def loud(self) -> bool:
        """Whether the player plays."""
        return any(len(x) and np.sqrt(np.square(x).mean()) > LOUD for x in self.heard)

    @property
    def period(self) -> float:
        """Samples per beat."""
        return (self.beats[-1].sample - self.beats[0].sample) / (len(self.beats) - 1)

    def next_beat(self, after: int) -> BeatLine:
        return next((b for b in self.beats if b.sample >= after), self.beats[-1])

    def next_bar(self, after: int) -> BeatLine:
        """The first bar line from there on; where the bar is not known, the first beat."""
        return next((b for b in self.beats if b.sample >= after and b.number == 0), self.next_beat(after))


@dataclass(frozen=True)
class Direction:
    """How an answer is to be played, and what to tell the player: `gain` (N,) is None where nothing changes."""

    gain: np.ndarray | None = None
    chords: BeatChords | None = None
    lively: bool = False
    said: tuple[str, ...] = ()


@dataclass
class Leader:
    """Holds what was asked for. `takes_chords`: whether the model can be told a harmony."""

    takes_chords: bool = True
    waiting: bool = False  # for the player's first sound
    started: int | None = None  # the sample at which the model was told to begin by itself
    sheet: LeadSheet | None = None
    chord: Chord | None = None
    _turns: list[tuple[int, float]] = field(default_factory=lambda: [(0, 1.0)])  # (sample, gain): linear between them
    _fill: tuple[int, int] = (0, 0)  # samples
    _sheet_from: int | None = None  # the number of the beat on which the sheet begins; None: the next bar line
    _chord_beats: tuple[int, int | None] = (0, None)  # the numbers of its first beat and of the one after its last
    _known: tuple[int, int] | None = None  # a beat's sample and number, from which all are numbered

    @property
    def leads(self) -> bool:
        """Whether anything differs from playing on."""
        wished = self.waiting or self.sheet is not None or self.chord is not None or self._fill[1]
        return bool(wished) or self._turns != [(0, 1.0)]

    def direct(self, messages: Sequence[Placed], span: Span) -> Direction:
        """Take the messages that arrived before this answer; how to play it."""
        self._number(span)
        said = []
        for message, sample in messages:
            try:
                said.append(self._obey(message, sample, span))
            except UserError as error:
                said.append(f"{message.address[1:]}: {error}")
        if self.waiting and span.loud:
            self.waiting = False
            self._turn(span.next_bar(span.start).sample if span.beats else span.start, 1.0)
        lively = self._fill[0] < span.stop and self._fill[1] > span.start
        if self._fill[1] <= span.start:
            self._fill = (0, 0)
        return Direction(self._gain(span), self._chords(span), lively, tuple(filter(None, said)))

    def _obey(self, message: "osc.Leading", sample: int, span: Span) -> str:
        """Plan what the message asks for; what to say to it. Raises UserError when it cannot be done."""
        match message:
            case osc.Start(bpm, count):
                self.started = sample if bpm else None
                return self._start(bpm, sample + round(count * 60 / max(bpm, 1) * SAMPLE_RATE), span)
            case osc.StopPlaying():
                self.waiting, self.started = False, None
                end = span.next_bar(span.start).sample if span.beats else span.start
                self._turn(end, 0.0, round(span.period) if span.beats else SAMPLE_RATE // 2)
                return f"stop: ends in {(end - sample) / SAMPLE_RATE:.1f} s"
            case osc.HoldChord(name, bars):
                return self._hold(name, bars, span)
            case osc.Lead(text):
                self.sheet, self._sheet_from = (parse_sheet(text) if text.strip(" -") else None), None
                self._need_plan(self.sheet is not None)
                return f"lead: {len(self.sheet.bars)} bars" if self.sheet else "lead: ended"
        if not span.beats:
            raise UserError(NO_BEAT)
        if isinstance(message, osc.Tap):
            return self._tapped(sample, span)
        if self._turns[-1][1] == 0:
            raise UserError("the model is silent already; count in, and it begins")
        if isinstance(message, osc.Fill):
            first = span.next_beat(span.start).sample
            self._fill = (first, span.next_bar(first + 1).sample)
            return f"fill: in {(first - sample) / SAMPLE_RATE:.1f} s"
        first = span.next_beat(span.start).sample
        self._turn(first, 0.0)
        self._turns.append((first + round(message.beats * span.period) - ATTACK, 0.0))
        self._turns.append((first + round(message.beats * span.period), 1.0))
        return f"break: {message.beats} beats, in {(first - sample) / SAMPLE_RATE:.1f} s"

    def _tapped(self, sample: int, span: Span) -> str:
        """Four taps have been counted: they count in a model that is silent, or that nobody plays with."""
        if self._turns[-1][1] and span.loud:
            return ""
        self.started = sample
        return self._start(60 * SAMPLE_RATE / span.period, span.next_beat(sample).sample, span)

    def _start(self, bpm: float, one: int, span: Span) -> str:
        """Be silent, and begin on the one: after the count-in, or once the player has begun."""
        self._turns = [(span.start, 0.0)]
        self.waiting = not bpm
        if self.waiting:
            return "start: the model begins when you do"
        beat, late = 60 / bpm * SAMPLE_RATE, 0
        if one < span.start + ATTACK:
            late = int(np.ceil((span.start + ATTACK - one) / beat))
        self._turn(one + round(late * beat), 1.0)
        return f"start: {late} beats after the one, since its answers take that long" if late else "start: on the one"

    def _hold(self, name: str, bars: int, span: Span) -> str:
        if name == RELEASE:
            self.chord = None
            return "chord: released"
        chord = parse_chord(name)
        self._need_plan(True)
        first = self._beat_number(span.next_beat(span.start).sample, span) if span.beats else 0
        length = max((b.beats_in_bar for b in span.beats), default=0) or 4
        self.chord, self._chord_beats = chord, (first, first + bars * length if bars else None)
        return f"chord: {name}" + ("" if span.beats else ", at once, since no beat is known")

    def _need_plan(self, wanted: bool) -> None:
        if wanted and not self.takes_chords:
            self.sheet = self.chord = None
            raise UserError("this model makes no plan and takes no chords; a model that was trained with a plan does")

    def _turn(self, sample: int, gain: float, length: int = ATTACK) -> None:
        """Go to a gain at a sample: up before it, down after it. What was planned for later is dropped."""
        before = sample - length if gain else sample
        now = float(np.interp(before, *zip(*self._turns, strict=True)))
        self._turns = [turn for turn in self._turns if turn[0] < before]
        self._turns += [(before, now), (before + length, gain)]

    def _gain(self, span: Span) -> np.ndarray | None:
        """The gain of every sample of the answer; past turns are forgotten."""
        samples, gains = zip(*self._turns, strict=True)
        first = span.start - span.overlap
        past = sum(sample <= first for sample in samples) - 1
        self._turns = self._turns[max(past, 0) :]
        if len(self._turns) == 1 and first >= samples[-1]:
            self._turns = [(0, gains[-1])]
            return None if gains[-1] == 1 else np.full(span.stop - first, gains[-1], np.float32)
        return np.interp(np.arange(first, span.stop), samples, gains).astype(np.float32)

    def _number(self, span: Span) -> None:
        """Go on counting beats, however the tempo moves: the last known one is renewed with every answer."""
        if span.beats:
            first = span.beats[0]
            self._known = (first.sample, self._beat_number(first.sample, span) if self._known else 0)

    def _beat_number(self, sample: int, span: Span) -> int:
        return self._known[1] + round((sample - self._known[0]) / span.period)

    def _chords(self, span: Span) -> BeatChords | None:
        """The harmony of the beats ahead; None where the model is to decide."""
        if self.sheet is None and self.chord is None:
            return None
        if not span.beats:
            borders = np.array([span.start, span.stop + 10 * SAMPLE_RATE]) / SAMPLE_RATE
            return _beat_chords([self.chord], borders) if self.chord else None
        borders = np.array([*(b.sample for b in span.beats), span.beats[-1].sample + span.period]) / SAMPLE_RATE
        return _beat_chords([self._chord_of(beat, span) for beat in span.beats], borders)

    def _chord_of(self, beat: BeatLine, span: Span) -> Chord | None:
        number, (first, end) = self._beat_number(beat.sample, span), self._chord_beats
        if self.chord is not None and end is not None and self._known[1] >= end:
            self.chord = None
        if self.chord is not None and first <= number and (end is None or number < end):
            return self.chord
        if self.sheet is None:
            return None
        if self._sheet_from is None:
            self._sheet_from = self._beat_number(span.next_bar(span.start).sample, span)
        since = number - self._sheet_from
        return self.sheet.at(since, beat.beats_in_bar or 4) if since >= 0 else None


def check(message: "osc.Leading") -> None:
    """Raise UserError for a chord or a lead sheet that is none, before the message waits for its answer."""
    if isinstance(message, osc.HoldChord) and message.name != RELEASE:
        parse_chord(message.name)
    elif isinstance(message, osc.Lead) and message.text.strip(" -"):
        parse_sheet(message.text)


def _beat_chords(chords: Sequence[Chord | None], borders_s: np.ndarray) -> BeatChords:
    tones = np.stack([c.row if c else np.zeros(PITCH_CLASSES, bool) for c in chords])
    roots = np.array([c.bass if c else -1 for c in chords])
    return BeatChords(borders_s, roots, tones, tuple(c.name if c else "" for c in chords))
