"""What all commands have in common: progress goes to the log, and a failure is one line that says what to do."""

import argparse
import logging
from collections.abc import Callable, Sequence

from accomp.errors import UserError

log = logging.getLogger(__name__)

ON_BAD = ("refuse", "skip")


def command(
    parser: argparse.ArgumentParser, argv: Sequence[str] | None, task: Callable[[argparse.Namespace], int | None]
) -> int:
    """Do what the command line asks for; the exit status: that of the task or 0, 2 after a UserError, 130 after Ctrl-C."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    options = parser.parse_args(argv)
    try:
        return task(options) or 0
    except UserError as error:
        log.error("error: %s", error)
        return 2
    except KeyboardInterrupt:
        log.error("stopped; the same command goes on or begins again")
        return 130


def parser_of(doc: str) -> argparse.ArgumentParser:
    return argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)


def add_on_bad(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--on-bad", choices=ON_BAD, default="refuse", help="what to do about damaged tracks")
