"""Which accompaniments of MMA's library suit a song, read from grooves.yaml."""

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import yaml

from accomp.data.songs.sheet import Sheet
from accomp.errors import UserError


@dataclass(frozen=True)
class Groove:
    """One accompaniment of MMA's library: its versions, and its fills (or none)."""

    versions: tuple[str, ...]
    fills: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> "Groove":
        """From "A B / C D": versions, then fills."""
        versions, _, fills = text.partition("/")
        return cls(tuple(versions.split()), tuple(fills.split()))


@dataclass(frozen=True)
class Family:
    """Grooves that go together; what the fields mean stands at the head of grooves.yaml."""

    name: str
    words: str
    metre: tuple[int, int]
    tempo: tuple[int, int]  # beats a minute
    drummers: str
    comping: tuple[str, ...]
    grooves: tuple[Groove, ...]


@cache
def families() -> tuple[Family, ...]:
    rows = yaml.safe_load(files("accomp.data.songs").joinpath("grooves.yaml").read_text(encoding="utf-8"))["families"]
    grooves = [tuple(Groove.of(text) for text in row.pop("grooves")) for row in rows]
    fixed = [{key: tuple(value) if isinstance(value, list) else value for key, value in row.items()} for row in rows]
    return tuple(Family(**row, grooves=own) for row, own in zip(fixed, grooves, strict=True))


def family_of(sheet: Sheet) -> Family:
    """The first family of the sheet's metre whose words are in its style."""
    if {bar.beats for bar in sheet.bars} != {sheet.metre[0]}:
        raise UserError("bars of several lengths")
    for family in families():
        if family.metre == sheet.metre and re.search(family.words, sheet.style):
            return family
    raise UserError(f"no groove in {sheet.metre[0]}/{sheet.metre[1]}")


def named(*names: str) -> tuple[Family, ...]:
    return tuple(family for family in families() if family.name in names)
