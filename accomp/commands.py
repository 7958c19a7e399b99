"""The console commands accomp-train, accomp-evaluate, accomp-serve and accomp-play, installed by `pip install -e .`.

Each starts the script of that name in this checkout, with the same arguments, in place of this process.
"""

import os
import sys
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


def train() -> NoReturn:
    start("train.py")


def evaluate() -> NoReturn:
    start("evaluate.py")


def serve() -> NoReturn:
    start("serve.py")


def play() -> NoReturn:
    start("clients/python/play.py")
