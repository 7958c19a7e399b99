"""A lead sheet: the bars of a song with their chords, read from charts, and written beside every song that is made."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from accomp.data.songs.chords import playable, transposed
from accomp.errors import UserError


@dataclass(frozen=True)
class Bar:
    """How many beats a bar has, and its chords, each with the beat (from 0) at which it begins."""

    beats: int
    chords: tuple[tuple[float, str], ...]


@dataclass(frozen=True)
class Sheet:
    """A song as chords. A beat is a quarter (`unit` 4) or an eighth (`unit` 8)."""

    id: str
    title: str
    style: str  # whatever the chart says: its style and genre, in small letters
    tempo_bpm: float | None  # beats a minute
    unit: int
    bars: tuple[Bar, ...]

    @property
    def metre(self) -> tuple[int, int]:
        """That of the longest bar."""
        return max(bar.beats for bar in self.bars), self.unit

    @property
    def beats(self) -> int:
        return sum(bar.beats for bar in self.bars)

    def in_key(self, semitones: int) -> "Sheet":
        return self._with_chords(lambda chord: transposed(chord, semitones))

    def playable(self) -> tuple["Sheet", list[str]]:
        """The sheet in chords that MMA knows, and those that had to be changed, as "from > to"."""
        names = {name for bar in self.bars for _, name in bar.chords}
        return self._with_chords(playable), sorted(f"{n} > {playable(n)}" for n in names if n != playable(n))

    def _with_chords(self, change: Callable[[str], str]) -> "Sheet":
        bars = (replace(bar, chords=tuple((at, change(name)) for at, name in bar.chords)) for bar in self.bars)
        return replace(self, bars=tuple(bars))

    def repeated(self, least_s: float, most_s: float, tempo_bpm: float) -> "Sheet":
        """As many times through as take at least `least_s`, cut to the bars that fit into `most_s`."""
        beat_s = 60 / tempo_bpm
        bars = self.bars * max(int(-(-least_s // (self.beats * beat_s))), 1)
        length, kept = 0.0, []
        for bar in bars:
            length += bar.beats * beat_s
            if kept and length > most_s:
                break
            kept.append(bar)
        return replace(self, bars=tuple(kept), tempo_bpm=tempo_bpm)

    def chord_list(self) -> list[list]:
        """[quarter notes from the start, chord] at every change of chord."""
        changes, at = [], 0.0
        for bar in self.bars:
            changes += [[(at + beat) * 4 / self.unit, name] for beat, name in bar.chords]
            at += bar.beats
        return [change for n, change in enumerate(changes) if not n or change[1] != changes[n - 1][1]]


def read_charts(path: Path) -> tuple[list[Sheet], list[tuple[str, str]]]:
    """The charts of a .jsonl file (one object a line), and those that cannot be used, each (id, reason).

    Of a chart are read: id, title, style, genre, tempo (or null), meter ("4/4"), bars (a list of [chord, beats] each) and
    slakh_test_title, true where a song of this title is in Slakh's test set.
    """
    sheets, unused = [], []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not a readable file of charts: {error}") from error
    for number, line in enumerate(filter(str.strip, lines), 1):
        row, name = None, f"{path.name}:{number}"
        try:
            row = json.loads(line)
            name = str(row["id"])
            sheets.append(_sheet(row))
        except UserError as reason:
            unused.append((name, str(reason)))
        except (ValueError, KeyError, TypeError) as error:
            unused.append((name, f"not a chart: {type(error).__name__}: {error}"))
    return sheets, unused


def _sheet(row: dict) -> Sheet:
    if row.get("slakh_test_title"):
        raise UserError("a song of this title is in Slakh's test set")
    numerator, unit = (int(number) for number in row["meter"].split("/"))
    longer = 1
    if unit == 2:  # half notes are counted as two beats
        numerator, unit, longer = numerator * 2, 4, 2
    bars = tuple(_bar(bar, numerator, longer) for bar in row["bars"])
    if not bars:
        raise UserError("no bars")
    style = f"{row.get('style') or ''} | {row.get('genre') or ''}".lower()
    tempo = float(row.get("tempo") or 0) * longer
    return Sheet(row["id"], str(row["title"]), style, tempo if 30 <= tempo <= 320 else None, unit, bars)


def _bar(chords: Iterable, beats: int, longer: int) -> Bar:
    """A bar from [chord, beats] pairs: each chord begins where the one before ends, on a quarter or a third of a beat."""
    at, placed = 0.0, []
    for name, length in chords:
        placed.append((round(at * 12) / 12, str(name)))
        at += float(length) * longer
    if not placed or abs(at - beats) > 0.05:
        raise UserError(f"a bar of {at:g} beats in {beats}")
    return Bar(beats, tuple(placed))
