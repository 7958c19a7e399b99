"""Plays a recording, or what you play at the sound card, to a running server (accomp/server/play.py; --help says how)."""

import sys

try:
    from accomp.server.play import main
except ModuleNotFoundError as missing:
    sys.exit(
        f"error: {sys.executable} lacks {missing.name}; use .venv/bin/python, or `pip install -e .` in the checkout first"
    )

if __name__ == "__main__":
    sys.exit(main())
