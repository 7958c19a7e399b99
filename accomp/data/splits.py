"""Which track belongs to which split: by the folder it lies in, or by Slakh2100's official lists."""

import json
import re
from functools import cache
from importlib.resources import files
from pathlib import Path

from accomp.data.problems import TRACK
from accomp.errors import UserError

FOLDERS = ("train", "validation", "test", "omitted")
GET_DATA = "run `make data` for the embedded band, or `python -m accomp.data.download slakh` for Slakh2100"


def track_folders(root: Path) -> dict[str, list[Path]]:
    """Track folders by the split folder they lie in ("" for the flat layout), sorted."""
    if not root.is_dir():
        raise UserError(f"{root}: no such folder; {GET_DATA}")
    there = [folder for folder in FOLDERS if (root / folder).is_dir()] or [""]
    found = {folder: sorted(path for path in (root / folder).iterdir() if TRACK.fullmatch(path.name)) for folder in there}
    if not any(found.values()):
        raise UserError(f"{root}: holds no TrackNNNNN folders, not in train/validation/test either; {GET_DATA}")
    return found


def track_number(path: Path) -> int:
    return int(path.name.removeprefix("Track"))


def official_split(number: int) -> str | None:
    """The original split of a Slakh2100 track by its number; None for a number Slakh does not have."""
    lasts = {"train": 1500, "validation": 1875, "test": 2100}
    return next((split for split, last in lasts.items() if 1 <= number <= last), None)


@cache
def omitted_numbers() -> frozenset[int]:
    """Numbers of the 390 tracks that Slakh2100-redux leaves out because another track is the same song."""
    return frozenset(json.loads(files("accomp.data").joinpath("splits.json").read_text())["omitted"])


def by_split(root: Path) -> dict[str, list[Path]]:
    """Track folders by the split that Slakh2100-redux has them in: that of their folder, else that of the official list."""
    found = track_folders(root)
    if "" not in found:
        return {split: found.get(split, []) for split in FOLDERS}
    omitted, tracks_of = omitted_numbers(), {split: [] for split in FOLDERS}
    for path in found[""]:
        split = "omitted" if track_number(path) in omitted else official_split(track_number(path))
        if split:
            tracks_of[split].append(path)
    return tracks_of


def original(root: Path, split: str) -> list[Path]:
    """One of the splits as they were before redux, less the songs that a later split holds as well."""
    every = sorted((path for paths in track_folders(root).values() for path in paths), key=lambda path: path.name)
    tracks_of = {name: [p for p in every if official_split(track_number(p)) == name] for name in FOLDERS[:3]}
    held_out = {_song_id(path) for later in FOLDERS[FOLDERS.index(split) + 1 : 3] for path in tracks_of[later]}
    return [path for path in tracks_of[split] if _song_id(path) not in held_out]


def _song_id(path: Path) -> str:
    """What says that two tracks are the same song: the name of the MIDI file they were made from."""
    metadata = path / "metadata.yaml"
    match = re.search(rb"^UUID: *(\S+)", metadata.read_bytes() if metadata.is_file() else b"", re.MULTILINE)
    return match[1].decode() if match else path.name
