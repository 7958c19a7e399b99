"""One task for many items, in this process or in several."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

from accomp.errors import UserError

Item, Result = TypeVar("Item"), TypeVar("Result")


def for_each(task: Callable[[Item, Path], Result], items: Sequence[Item], out: Path, workers: int) -> Iterator[Result]:
    """task(item, out) of every item, in their order."""
    if workers == 1:
        yield from (task(item, out) for item in items)
        return
    try:
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            yield from pool.map(task, items, [out] * len(items))
    except BrokenProcessPool:
        raise UserError("a worker process died (out of memory?); run the same command again, with --jobs 1") from None
