"""Which songs are made: the sheet, key, tempo, groove and drummer of each, drawn from the seed and the song's name."""

import random
import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from accomp.data.songs.drummers import Performance, near
from accomp.data.songs.grooves import Family, Groove, family_of, named
from accomp.data.songs.pop909 import BEATS, read_pop_song
from accomp.data.songs.sheet import Sheet
from accomp.errors import UserError

HUMAN_DRUMS = 0.45  # of the songs for which a performance is near in tempo and style: nearly four in ten of all
OWN_TEMPO = 0.5  # of the charts that state a tempo; the others are drawn from the range of the family
OTHER_TEMPO = 0.1  # how far from its chart's tempo a song may be
SLOW_BPM = 80  # pop songs below this get the grooves of ballads


@dataclass(frozen=True)
class SongSpec:
    """One song to be made. `name` is that of its files; what stands before "__" is the same for all its keys."""

    name: str
    sheet: Sheet
    semitones: int  # above the sheet as it was read
    family: str
    groove: Groove
    comping: str
    seed: int
    drummer: Performance | None = None
    pop909: Path | None = None  # folder of the human piano and melody


def chart_specs(
    sheets: Sequence[Sheet], songs: int, keys: int, seconds: tuple[float, float], drummers: list[Performance], seed: int
) -> tuple[list[SongSpec], list[tuple[str, str]]]:
    """`keys` songs of each of so many charts that there are `songs`; and the charts of no use, each (id, reason).

    Families take turns, so that the rarer ones are used whole before the commonest fills the rest.
    """
    by_family, unused = defaultdict(list), []
    for sheet in sorted(sheets, key=lambda sheet: random.Random(f"{seed}:{sheet.id}").random()):
        try:
            by_family[family_of(sheet)].append(sheet)
        except UserError as reason:
            unused.append((sheet.id, str(reason)))
    turns = (
        pair for turn in zip_longest(*([(family, sheet) for sheet in own] for family, own in by_family.items()))
        for pair in turn if pair
    )  # fmt: skip
    specs = []
    for family, sheet in turns:
        shifts = [0, *random.Random(f"{seed}:{sheet.id}:keys").sample(range(1, 12), 11)][:keys]
        for semitones in shifts[: songs - len(specs)]:
            specs.append(_chart_spec(sheet, family, semitones, seconds, drummers, seed))
    return specs, unused


def _chart_spec(
    sheet: Sheet, family: Family, semitones: int, seconds: tuple[float, float], drummers: list[Performance], seed: int
) -> SongSpec:
    name = f"{_plain(sheet.title)}__{_plain(sheet.id)}_{semitones:02d}"
    rng = random.Random(f"{seed}:{name}")
    low, high = family.tempo
    bpm = rng.uniform(low, high)
    if sheet.tempo_bpm and sheet.unit == 4 and rng.random() < OWN_TEMPO:
        bpm = min(max(sheet.tempo_bpm * rng.uniform(1 - OTHER_TEMPO, 1 + OTHER_TEMPO), low), high)
    longer = sheet.in_key(semitones).repeated(*seconds, round(bpm, 2))
    return _drawn(name, longer, semitones, family, drummers, rng)


def pop_specs(
    folder: Path, drummers: list[Performance], seed: int
) -> tuple[list[SongSpec], list[tuple[str, str]]]:  # fmt: skip
    """One song for each of POP909's; and those of no use, each (name, reason)."""
    folders = sorted(path.parent for path in folder.glob("*/beat_midi.txt"))
    if not folders:
        raise UserError(f"{folder}: holds no NNN/beat_midi.txt; give --pop909 the folder POP909 of the data set")
    specs, unused = [], []
    for own in folders:
        name = f"pop909-{_plain(own.name)}"
        rng = random.Random(f"{seed}:{name}")
        try:
            sheet = read_pop_song(own).sheet
        except UserError as reason:
            unused.append((name, str(reason)))
            continue
        slow = sheet.tempo_bpm < SLOW_BPM
        family = rng.choice(named("pop_ballad") if slow else named("pop", "rock", "funk", "pop_ballad"))
        specs.append(_drawn(name, sheet, 0, family, drummers, rng, own))
    return specs, unused


def _drawn(
    name: str, sheet: Sheet, semitones: int, family: Family, drummers: list[Performance], rng: random.Random,
    pop909: Path | None = None,
) -> SongSpec:  # fmt: skip
    groove, comping, seed = rng.choice(family.grooves), rng.choice(family.comping), rng.randrange(2**31)
    beats = BEATS if pop909 else sheet.metre[0]
    close = near(drummers, family.drummers, sheet.tempo_bpm, beats) if sheet.unit == 4 else []
    drummer = rng.choice(close) if close and rng.random() < HUMAN_DRUMS else None
    return SongSpec(name, sheet, semitones, family.name, groove, comping, seed, drummer, pop909)


def _plain(text: str) -> str:
    """Small letters, digits and hyphens alone, for file names."""
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", ascii_text).strip("-") or "untitled"
