"""A folder of its own for everything that is asked: the changed settings are part of the folder's name."""

import re
import zlib
from collections.abc import Sequence
from pathlib import Path

import yaml

from accomp.errors import UserError
from accomp.trials import flat

# What may change without another result, or adds to the scores of the same audio.
SAME_FOLDER = ("do", "device", "threads", "workers", "batch", "wandb", "metrics", "shards", "shard")
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


def refuse_other_settings(folder: Path, now: dict) -> None:
    """UserError when a folder holds the results of other settings. Metrics may be added, none may go."""
    record = folder / "config.yaml"
    if not record.is_file():
        return
    before, flat_now = flat(yaml.safe_load(record.read_text())), flat(now)
    metrics = set(before.get("metrics", ())) - set(now["metrics"])
    if metrics:
        raise UserError(f"{folder} holds scores of {', '.join(sorted(metrics))} too: name them in metrics=, or choose name=")
    for key, value in flat_now.items():
        free = key.partition(".")[0] in (*SAME_FOLDER, "page", "name", "variant", "out_dir") or key == "data.on_bad"
        if not free and key in before and before[key] != value:
            raise UserError(f"{folder} holds results with {key}={before[key]}, not {value}; choose another name=")


def _short(value: str) -> str:
    """A value as part of a file name: of a path its last folder, of everything else letters, digits and `.-`."""
    last = [part.rstrip("/").rpartition("/")[2] for part in value.split(",")]
    return re.sub(r"[^\w.-]+", "-", ",".join(last), flags=re.ASCII).strip("-")
