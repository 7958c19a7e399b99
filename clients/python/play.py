"""Plays a recording, or what you play at the sound card, to a running server (accomp/server/play.py; --help says how)."""

import sys

from accomp.server.play import main

if __name__ == "__main__":
    sys.exit(main())
