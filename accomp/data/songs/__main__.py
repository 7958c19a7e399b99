"""Writes songs to train on as MIDI files: chord charts or POP909, played by the program MMA and human drummers.

    python -m accomp.data.songs charts --charts charts.jsonl --groove-midi groove/ --out data/songs_charts
    python -m accomp.data.songs pop909 --pop909 POP909/ --groove-midi groove/ --out data/songs_pop909

Needs the program `mma` (Debian and Ubuntu: apt-get install mma). Work that stops half-way goes on where it stopped.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from accomp.command_line import command, parser_of
from accomp.data.songs.build import build
from accomp.data.songs.drummers import Performance, read_performances
from accomp.data.songs.sheet import read_charts
from accomp.data.songs.specs import chart_specs, pop_specs
from accomp.errors import UserError

SECONDS = (100.0, 200.0)  # a chart is repeated until it lasts the first, and cut to the second


def _from_charts(o: argparse.Namespace) -> None:
    if o.songs < 1 or not 1 <= o.keys <= 12:
        raise UserError("--songs must be at least 1, --keys between 1 and 12")
    sheets, unreadable = read_charts(o.charts)
    specs, unused = chart_specs(sheets, o.songs, o.keys, SECONDS, _drummers(o), o.seed)
    settings = {"charts": o.charts.name, "songs": o.songs, "keys": o.keys}
    build(specs, unreadable + unused, o.out, o.jobs, settings | _common(o))


def _from_pop909(o: argparse.Namespace) -> None:
    specs, unused = pop_specs(o.pop909, _drummers(o), o.seed)
    build(specs, unused, o.out, o.jobs, {"pop909": True} | _common(o))


def _drummers(o: argparse.Namespace) -> list[Performance]:
    if o.jobs < 1:
        raise UserError("--jobs must be at least 1")
    return read_performances(o.groove_midi) if o.groove_midi else []


def _common(o: argparse.Namespace) -> dict:
    return {"seed": o.seed, "human_drums": bool(o.groove_midi)}


def _parser() -> argparse.ArgumentParser:
    parser = parser_of(__doc__)
    parser.prog = "python -m accomp.data.songs"
    commands = parser.add_subparsers(required=True)
    charts = commands.add_parser("charts", help="songs from chord charts")
    charts.add_argument("--charts", type=Path, required=True, help=".jsonl file, one chart a line")
    charts.add_argument("--songs", type=int, default=3000, help="how many songs at most")
    charts.add_argument("--keys", type=int, default=2, help="how many songs of each chart, each in another key")
    charts.set_defaults(write=_from_charts)
    pop = commands.add_parser("pop909", help="POP909's piano and melody with bass, drums and guitar")
    pop.add_argument("--pop909", type=Path, required=True, help="folder with POP909's songs, 001 to 909")
    pop.set_defaults(write=_from_pop909)
    for sub in (charts, pop):
        sub.add_argument("--groove-midi", type=Path, default=None, help="folder of Groove MIDI, for human drums in some songs")
        sub.add_argument("--out", type=Path, required=True)
        sub.add_argument("--seed", type=int, default=0)
        sub.add_argument("--jobs", type=int, default=2, help="processes")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    return command(_parser(), argv, lambda options: options.write(options))


if __name__ == "__main__":
    sys.exit(main())
