"""The console commands accomp-train, accomp-evaluate, accomp-serve and accomp-play, installed by `pip install -e .`.

Each starts the script of that name in this checkout, with the same arguments, in place of this process.
"""

import os
import sys
from functools import partial
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent


def start(script: str) -> NoReturn:
    """Replace this process by Python running a script of the checkout; ends with status 2 when there is no checkout."""
    path = ROOT / script
    if not path.is_file():
        sys.stderr.write(f"error: {path} is missing; install accomp from a checkout, with `pip install -e .` there\n")
        sys.exit(2)
    os.execv(sys.executable, [sys.executable, str(path), *sys.argv[1:]])


train = partial(start, "train.py")
evaluate = partial(start, "evaluate.py")
serve = partial(start, "serve.py")
play = partial(start, "clients/python/play.py")
