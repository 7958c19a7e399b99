"""The classes of instruments of a data set: their names, their order, and which instruments belong to each."""

from collections.abc import Iterable, Mapping, Sequence

from accomp.data.splits import FOLDERS
from accomp.errors import UserError

DRUMS = "drums"  # the class of drum kits, whatever their program is
PROGRAMS = 128  # of General MIDI, numbered from 0

Classes = dict[str, frozenset[int] | None]  # in order; None: the instruments that Slakh's metadata calls by this name
Asked = Sequence[str] | Mapping[str, Iterable[int | str] | None]


def classes_of(asked: Asked | None, default: Sequence[str]) -> Classes:
    """The classes that are asked for: names, or a mapping from names to MIDI programs.

    Programs are numbers from 0 or ranges that hold both ends, as in {"strings": ["40-47", 48]}; with None instead of programs
    a class is known by its name. Raises UserError on names that come twice or cannot name a file, on programs that do not exist
    and on those of two classes.
    """
    asked = default if asked is None else asked
    names = tuple(asked)
    if not names or len(set(names)) < len(names) or not all(name.replace("_", "").isalnum() for name in names):
        raise UserError(f"data.stems={list(names)}: names of letters, digits and _, none twice")
    if unknown := set(names) & set(FOLDERS):
        raise UserError(f"data.stems: {', '.join(unknown)} is the name of a split; choose another")
    given = dict(asked) if isinstance(asked, Mapping) else dict.fromkeys(names)
    found = {name: None if programs is None else _programs(name, programs) for name, programs in given.items()}
    taken = [program for programs in found.values() for program in programs or ()]
    if twice := {program for program in taken if taken.count(program) > 1}:
        raise UserError(f"data.stems: program {min(twice)} is of two classes; give it to one of them")
    if found.get(DRUMS) is not None:
        raise UserError(f"data.stems.{DRUMS}: drum kits are known without programs; write {DRUMS}: null")
    return found


def _programs(name: str, given: Iterable[int | str]) -> frozenset[int]:
    found: set[int] = set()
    try:
        for entry in [given] if isinstance(given, int | str) else given:
            first, _, last = str(entry).partition("-")
            found |= set(range(int(first), int(last or first) + 1))
    except ValueError as error:
        raise UserError(f"data.stems.{name}={given}: write programs as 48 and ranges as 40-47") from error
    if not found or min(found) < 0 or max(found) >= PROGRAMS:
        raise UserError(f"data.stems.{name}={given}: programs are numbered 0 to {PROGRAMS - 1}")
    return frozenset(found)


def read_arguments(words: Sequence[str] | None) -> Asked | None:
    """Classes as a command line has them: NAME, or NAME=PROGRAMS with commas between."""
    if words is None:
        return None
    return {name: text.split(",") if given else None for name, given, text in (word.partition("=") for word in words)}


def class_of(entry: Mapping, classes: Classes) -> str | None:
    """Which class an instrument of Slakh's metadata belongs to; None: to none of them.

    Programs go before names: a class "guitar" without programs holds the guitars that no other class has taken.
    """
    if entry.get("is_drum"):
        return DRUMS if DRUMS in classes else None
    for name, programs in classes.items():
        if programs is not None and entry.get("program_num") in programs:
            return name
    name = str(entry["inst_class"]).lower()
    return name if name in classes and classes[name] is None else None
