"""A folder of its own for everything that is asked: the changed settings are part of the folder's name."""

import re
import zlib
from collections.abc import Sequence

# What may change without another result, or adds to the scores of the same audio.
SAME_FOLDER = (
    "do",
    "device",
    "threads",
    "workers",
    "batch",
    "wandb",
    "metrics",
    "tracker",
    "coherence",
    "vggish",
    "clap",
)
NO_SETTINGS = ("experiment", "sweep", "launcher", "page.", "hydra.", "hydra/", "data.on_bad")
LONGEST = 90  # characters


def with_variant(arguments: Sequence[str]) -> list[str]:
    """The command line, and `variant=` for the changed settings in it, unless it names the folder itself.

    `evaluate.py data.root=data/other tracks=8` writes to out/evaluate/live_root_other_tracks_8.
    """
    changed = [part.partition("=")[::2] for part in arguments if "=" in part and not part.startswith("-")]
    names = {name.lstrip("+~") for name, _ in changed}
    words = [
        f"{name.rpartition('.')[2]}_{_short(value)}"
        for name, value in changed
        if name not in SAME_FOLDER and not name.lstrip("+~").startswith(NO_SETTINGS)
    ]
    if not words or names & {"name", "out_dir", "variant"}:
        return list(arguments)
    text = "_".join(["", *words])
    if len(text) > LONGEST:
        text = f"{text[:LONGEST]}_{zlib.crc32(text.encode()):08x}"
    return [*arguments, f"variant={text}"]


def _short(value: str) -> str:
    """A value as part of a file name: of a path its last folder, of everything else letters, digits and `.-`."""
    last = [part.rstrip("/").rpartition("/")[2] for part in value.split(",")]
    return re.sub(r"[^\w.-]+", "-", ",".join(last), flags=re.ASCII).strip("-")
