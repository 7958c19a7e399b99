"""Every notebook is committed with small outputs, and runs from top to bottom as Jupyter starts it: in its own folder."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from accomp.data.band.__main__ import main as build_band

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
LARGEST = 1_000_000  # bytes


def outputs(notebook: Path) -> list[dict]:
    cells = json.loads(notebook.read_text())["cells"]
    return [output for cell in cells if cell["cell_type"] == "code" for output in cell["outputs"]]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_committed_with_small_outputs(path):
    shown = outputs(path)
    assert path.stat().st_size < LARGEST and any("image/png" in output.get("data", {}) for output in shown)
    assert not [output for output in shown if output["output_type"] == "error" or output.get("name") == "stderr"]
    assert str(ROOT) not in path.read_text()


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path, tmp_path):
    """In a checkout of its own: the same programs and models, and eleven songs of 8 s as the band, two of them for test."""
    for name in ("accomp", "models", "evaluate.py"):
        (tmp_path / name).symlink_to(ROOT / name)
    band = ["compose", "--out", str(tmp_path / "data" / "band"), "--tracks", "11", "--seconds", "8", "--jobs", "1"]
    assert build_band(band) == 0
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / path.name).write_text(path.read_text())
    command = [sys.executable, "-m", "jupyter", "nbconvert", "--to", "notebook", "--execute", "--inplace", path.name]
    done = subprocess.run(
        command,
        cwd=tmp_path / "notebooks",
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert len(outputs(tmp_path / "notebooks" / path.name)) >= 3
