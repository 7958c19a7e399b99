"""One evaluation shared out: `shards=4` plays and scores a part of the songs in each of four processes, then joins them.

Every shard files its audio, scores and points in the one folder of the evaluation; the evaluation itself then finds all of it
there, so that its tables are those of an unsharded one to the last digit. Shards that are done are not done again.
"""

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

ALONE = ("shards=", "launcher=", "hydra.", "do=")  # settings of the shards that the joining evaluation does without
SCRIPT = Path(__file__).resolve().parents[2] / "evaluate.py"


def count(arguments: Sequence[str]) -> int | None:
    """N of `shards=N` on a command line that asks for all of them."""
    given = [text.partition("=")[2] for text in arguments if text.startswith("shards=")]
    one = any(text.startswith("shard=") or text in ("-m", "--multirun", "--help", "-h", "--cfg") for text in arguments)
    return int(given[-1]) if given and given[-1].isdigit() and not one else None


def sweep(arguments: Sequence[str], shards: int) -> list[str]:
    """The command line that plays and scores every shard, in processes of this machine unless a launcher is named."""
    more = [f"shard={','.join(map(str, range(shards)))}", "hydra.sweep.dir=${out_dir}/shards"]
    if not any(text.startswith("launcher=") for text in arguments):
        more += ["launcher=local", f"hydra.sweeper.max_batch_size={shards}"]
    return ["-m", *arguments, *more]


def run(task: Callable[[], int], arguments: Sequence[str]) -> int:
    """Run `task`, which reads its settings from sys.argv, as often as these arguments ask for; the exit status."""
    sys.argv[1:] = arguments
    shards = count(arguments)
    if shards is None:
        return task()
    sys.argv[1:] = sweep(arguments, shards)
    if status := task():
        return status
    parts = next((text.partition("=")[2] for text in arguments if text.startswith("do=")), "")
    if parts and "score" not in parts and "report" not in parts:
        return 0
    rest = [text for text in arguments if not text.startswith(ALONE)]
    return subprocess.run([sys.executable, str(SCRIPT), *rest, "do=[score,report]"]).returncode
