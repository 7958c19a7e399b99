"""How many threads torch computes with: one rule for everything that plays or measures playing."""

import os


def use_threads(asked: int | None = None) -> int:
    """Set torch to the number asked for, else to that of OMP_NUM_THREADS, else to one; the number that now holds.

    A streaming step is many small operations, and handing each to several threads costs more than it saves: on two cores one
    step of the shipped model takes 66 ms with one thread and 66 to 150 ms with two (docs/playing.md). The other cores stay
    free for the sockets, the clients and the processes that score.
    """
    import torch  # takes seconds: not when only this module is imported

    torch.set_num_threads(asked or int(os.environ.get("OMP_NUM_THREADS", "1")))
    return torch.get_num_threads()
