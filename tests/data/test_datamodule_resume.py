"""A run that was killed goes on with exactly the next excerpt: for any workers, accumulated gradients, two processes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from resumed_training import train

ROOT = Path(__file__).parents[2]


def in_this_process(*arguments):
    train(*map(str, arguments))


def in_new_processes(*arguments):
    """Lightning starts the second process with the command line of the first."""
    script = Path(__file__).with_name("resumed_training.py")
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, script, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize(
    ("run", "workers", "devices", "accumulate"),
    [
        (in_this_process, 0, 1, 1),
        (in_this_process, 2, 1, 3),
        pytest.param(in_new_processes, 1, 2, 1, marks=pytest.mark.slow),
    ],
)
def test_nothing_is_repeated_or_left_out(small_band, tmp_path, run, workers, devices, accumulate):
    def excerpts_of(name):
        files = [tmp_path / f"{name}.{rank}" for rank in range(devices)]
        ranks = [[json.loads(line) for line in file.read_text().splitlines()] for file in files]
        return [batch for together in zip(*ranks, strict=True) for batch in together]

    for name, steps, resume in (("whole", 11, 0), ("parts", 3, 0), ("parts", 8, 1), ("parts", 11, 1)):
        run(small_band, tmp_path / name, workers, devices, accumulate, steps, resume)  # 8 steps end in another epoch
    assert excerpts_of("whole") == excerpts_of("parts")
    indices = [index for batch, _ in excerpts_of("whole") for index in batch]
    assert sorted(indices) == list(range(len(indices)))  # nothing twice, nothing left out
