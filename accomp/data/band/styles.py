"""What the composer knows of styles: tempi, chord progressions and patterns for every instrument (styles.yaml)."""

from dataclasses import dataclass
from importlib.resources import files

import yaml

_TABLES = yaml.safe_load(files("accomp.data.band").joinpath("styles.yaml").read_text(encoding="utf-8"))
KEYS: dict[str, int] = _TABLES["keys"]  # General MIDI drum notes
GROOVES: dict[str, dict[str, str]] = _TABLES["grooves"]
FILLS: dict[int, list[dict[str, str]]] = _TABLES["fills"]
PROGRESSIONS: dict[str, list[str]] = _TABLES["progressions"]

Patterns = tuple[list[str], list[str]]  # of the quiet sections of a song, and of the loud ones


@dataclass(frozen=True)
class Style:
    """A musical style: a range of tempi, its harmony, and patterns for the quiet and the loud sections of a song."""

    name: str
    tempo_bpm: tuple[int, int]
    harmony: list[str]
    drums: tuple[str, str]
    bass: Patterns
    guitar: Patterns
    piano: Patterns
    programs: tuple[list[int], list[int], list[int]]  # likely basses, guitars, pianos (0-7 each)
    kits: list[int]
    metre: tuple[int, int] = (4, 4)
    swing: float = 0.5  # where the off-beat eighth falls within its beat (or the sixteenth within its eighth)
    swung_sixteenths: bool = False
    minor: float = 0.35  # how often the song is in minor
    rootless: bool = False  # the bass has the root: the piano leaves it out


STYLES = tuple(Style(**style) for style in _TABLES["styles"])
