"""What all builds of data have in common: one folder for one choice of settings, one task for many items."""

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

from accomp.disk import write_whole
from accomp.errors import UserError

Item, Result = TypeVar("Item"), TypeVar("Result")


def claim(out: Path, settings: dict) -> None:
    """Make the folder for what is built with these settings; refuse one in which something else was built."""
    out.mkdir(parents=True, exist_ok=True)
    record = out / "build.json"
    if record.exists() and json.loads(record.read_text()) != settings:
        raise UserError(f"{out} was built with other settings ({record}); choose another --out or delete that folder")
    write_whole(record, (json.dumps(settings, indent=1, sort_keys=True) + "\n").encode())


def for_each(task: Callable[[Item, Path], Result], items: Sequence[Item], out: Path, workers: int) -> Iterator[Result]:
    """task(item, out) of every item, in their order, in this process or in several."""
    if workers == 1:
        yield from (task(item, out) for item in items)
        return
    try:
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            yield from pool.map(task, items, [out] * len(items))
    except BrokenProcessPool:
        raise UserError("a worker process died (out of memory?); run the same command again, with --jobs 1") from None
