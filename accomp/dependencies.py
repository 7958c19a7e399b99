"""One line, in place of a traceback, for a Python in which the packages are not installed."""

import sys
from importlib.util import find_spec
from pathlib import Path

PLAYING = ("torch", "soundfile", "safetensors", "numpy", "yaml", "pythonosc", "websockets")  # the modules that serve.py imports


def require(*modules: str) -> None:
    """End with status 2 and a line that says which Python to run, unless this one is new enough and has all `modules`."""
    missing = [name for name in modules if find_spec(name) is None]
    if sys.version_info < (3, 11):  # noqa: UP036 - an older one is what this is for
        missing.insert(0, "Python 3.11")
    if not missing:
        return
    root = Path(__file__).resolve().parent.parent
    python = root / ".venv" / "bin" / "python"
    first = "" if python.is_file() else f"run `make setup` in {root}, then "
    sys.stderr.write(f"error: {sys.executable} lacks {', '.join(missing)}; {first}use {python}\n")
    sys.exit(2)
