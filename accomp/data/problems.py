"""What is wrong with a data set: a table to read, and a list beside the data of the tracks that are left out for it."""

import csv
import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from accomp.disk import write_csv
from accomp.errors import UserError

log = logging.getLogger(__name__)

QUARANTINE = "quarantine.csv"
TRACK = re.compile(r"Track\d{5}")  # a track folder's name
COLUMNS = ("file", "expected", "found")
LONGEST_TABLE = 40  # rows


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a file of a track."""

    file: Path
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.file}: expected {self.expected}, found {self.found}"


def table(root: Path, problems: Sequence[Problem]) -> str:
    """The problems as lines of a table (file, expected, found); files as seen from the data root."""
    rows = [COLUMNS, *(_row(root, problem) for problem in problems[:LONGEST_TABLE])]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    lines = [f"{file:{widths[0]}}  {expected:{widths[1]}}  {found}" for file, expected, found in rows]
    if len(problems) > LONGEST_TABLE:
        lines.append(f"... and {len(problems) - LONGEST_TABLE} more")
    return "\n".join(lines)


def quarantined(root: Path) -> set[Path]:
    """Track folders that the list beside the data names; empty when there is no list."""
    return {_track(root / row[0]) for row in _listed(root)}


def quarantine(root: Path, problems: Iterable[Problem], keep: bool = True) -> None:
    """Write the list of what is left out, below what it names already (`keep`) or anew; no problems, no list."""
    path = root / QUARANTINE
    rows = (_listed(root) if keep else []) + [_row(root, problem) for problem in problems]
    if not rows:
        path.unlink(missing_ok=True)
        return
    try:
        write_csv(path, COLUMNS, (dict(zip(COLUMNS, row, strict=True)) for row in dict.fromkeys(rows)))
    except PermissionError as error:
        log.warning("%s cannot be written (%s); the tracks left out are named above only", path, error.strerror)


def _listed(root: Path) -> list[tuple[str, str, str]]:
    """The rows of the list beside the data; none when there is no list."""
    try:
        with (root / QUARANTINE).open(newline="", encoding="utf-8") as file:
            return [tuple(row[column] for column in COLUMNS) for row in csv.DictReader(file)]
    except FileNotFoundError:
        return []
    except (KeyError, csv.Error, UnicodeDecodeError) as error:
        raise UserError(f"{root / QUARANTINE}: not a list of {', '.join(COLUMNS)}; delete it and look anew") from error


def _row(root: Path, problem: Problem) -> tuple[str, str, str]:
    file = problem.file.relative_to(root) if problem.file.is_relative_to(root) else problem.file
    return str(file), problem.expected, problem.found


def _track(file: Path) -> Path:
    """The track folder that a file belongs to, or the path itself when it is one."""
    return next((path for path in (file, *file.parents) if TRACK.fullmatch(path.name)), file)
