"""How many threads torch computes with: one rule for everything that plays or measures playing."""

import os

from accomp.errors import UserError


def use_threads(asked: int | None = None) -> int:
    """Set torch to the number asked for, else to that of OMP_NUM_THREADS, else to one; the number that now holds.

    A streaming step is many small operations, each of which would wait for the slowest of several threads: on two busy cores a
    step of the shipped model took 249 ms with one thread and 801 ms with two (the slowest 0.3 and 5.3 s), four instruments at
    once 597 and 1052 ms. The other cores stay free for the sockets, the clients and the processes that score.
    Raises UserError unless the number is at least one.
    """
    import torch  # takes seconds: not when only this module is imported

    if asked is None:
        words = os.environ.get("OMP_NUM_THREADS", "1")
        asked = int(words) if words.isdecimal() else 0
    if asked < 1:
        raise UserError(f"threads={asked}: at least one thread is needed (see OMP_NUM_THREADS)")
    torch.set_num_threads(asked)
    return asked
