"""Finds the commands that the documentation shows, and how they are written.

A command is a line of a code block, an inline code span that begins like a command, or the `# python ...` line at the head of
a configuration file. One that needs what an ordinary machine lacks says so: `# needs: gpu` at its end, or
`<!-- needs: gpu -->` in its line, or in the line before its block or table.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = ["README.md", *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").glob("*.md"))]
PAGES += ["data/README.md", "models/live/README.md"]
PAGES += sorted(str(path.relative_to(ROOT)) for path in (ROOT / "clients").glob("*/README.md"))
PROGRAMS = r"(python|torchrun|sbatch|pytest|jupyter|accomp-\w+|\.venv/bin/\w+)"
BEGINS_A_COMMAND = re.compile(rf"({PROGRAMS} |[A-Z_]+=\S+ {PROGRAMS} |make [a-z-]+( [A-Z]+=|$| +#)|[A-Z]+=\$\()")
NEEDS = re.compile(r"<!-- needs: (.+?) -->|# needs: (.+)$")


@dataclass(frozen=True)
class Command:
    """One command of the documentation: its words without comments, where it stands, and what it needs (or "")."""

    words: tuple[str, ...]
    source: str
    needs: str

    @property
    def text(self) -> str:
        return shlex.join(self.words)


def every_command() -> list[Command]:
    """The commands of all pages in the order in which a reader meets them, then those of the configuration files."""
    pages = [command for page in PAGES for command in page_commands(page)]
    heads = [command for path in sorted((ROOT / "conf").rglob("*.yaml")) for command in head_commands(path)]
    return pages + heads


def page_commands(page: str) -> Iterator[Command]:
    """The commands of a page of Markdown."""
    fence, needs, started, pending, begun_at = None, "", False, "", 0
    for number, line in enumerate((ROOT / page).read_text().splitlines(), 1):
        if line.startswith("```"):
            fence = None if fence is not None else line.removeprefix("```").strip()
        elif marker := NEEDS.fullmatch(line.strip()):
            needs, started = marker[1] or marker[2], False
        elif fence == "sh" or pending or (fence is None and line.startswith("    ")):
            begun_at = begun_at if pending else number
            pending += line.strip()
            if pending.endswith("\\"):
                pending = pending.removesuffix("\\")
                continue
            if fence == "sh" or BEGINS_A_COMMAND.match(pending):
                yield from shell_commands(pending, f"{page}:{begun_at}", needs)
            pending = ""
        elif fence is None:
            for span in re.findall(r"`([^`]+)`", line):
                if BEGINS_A_COMMAND.match(span):
                    own = NEEDS.search(line)
                    yield from shell_commands(span, f"{page}:{number}", own[1] if own else needs)
        started = started or (bool(line.strip()) and not NEEDS.fullmatch(line.strip()))
        if started and not line.strip() and fence is None:
            needs = ""


def example_files() -> dict[str, str]:
    """The files that docs/contributing.md tells a reader to write, by their path: a code block after "`path`:"."""
    blocks = r"`([\w/]+\.(?:py|yaml))`:\n\n```\w+\n(.*?)```"
    return dict(re.findall(blocks, (ROOT / "docs/contributing.md").read_text(), re.DOTALL))


def head_commands(path: Path) -> Iterator[Command]:
    """The commands in the comments at the head of a configuration file, and in code spans of any of its comments."""
    for number, line in enumerate(path.read_text().splitlines(), 1):
        source = f"{path.relative_to(ROOT)}:{number}"
        if line.startswith("# python "):
            yield from shell_commands(re.split(r" {2,}\(| \.\.\.", line[2:])[0], source, "")
        elif "#" in line:
            for span in re.findall(r"`([^`]+)`", line.partition("#")[2]):
                if BEGINS_A_COMMAND.match(span):
                    yield from shell_commands(span, source, "")


def shell_commands(line: str, source: str, needs: str) -> Iterator[Command]:
    """The commands of one line of shell: joined by &&, in $( ), with variables set in front, or in sbatch's --wrap."""
    marker = NEEDS.search(line)
    needs = ", ".join(filter(None, (needs, marker and (marker[1] or marker[2]))))
    if inner := re.match(r"[A-Z]+=\$\((.*)\)$", line):
        line = inner[1]
    line = re.sub(r"\[(--[^\]]*)\]", r"\1", line)  # [--option X] in a synopsis
    for part in re.split(r" && | &$", line):
        words = shlex.split(part, comments=True)
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
            words = words[1:]
        if words:
            yield Command(tuple(words), source, needs)
        if "--wrap" in words:
            yield from shell_commands(words[words.index("--wrap") + 1], source, needs)
