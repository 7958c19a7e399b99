"""Starts serve.py: the external launches a `server.py` in the folder that it is given, and knows no other name."""

import runpy
from pathlib import Path

runpy.run_path(str(Path(__file__).resolve().parents[2] / "serve.py"), run_name="__main__")
