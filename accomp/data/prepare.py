"""Looks at every sample of a data set before it is trained on, and makes 44.1 kHz copies of one that has another rate.

    python -m accomp.data.prepare ROOT                    # a table of all faults, and exit 2 if there are any
    python -m accomp.data.prepare ROOT --on-bad skip      # names the damaged tracks in ROOT/quarantine.csv instead
    python -m accomp.data.prepare data/babyslakh_16k --resample data/babyslakh_44k1

Tracks in quarantine are left out by everything that runs with on_bad=skip, until this command is run again.
A copy is mono 16-bit FLAC at 44.1 kHz in Slakh2100's layout; conversion adds no sound above the old rate's half (8 kHz
for BabySlakh). A flat set is split by Slakh's official lists; where these leave nothing to validate or test on, as with
BabySlakh's tracks 1-20, the last three of twenty go to test and the three before them to validation.
"""

import argparse
import logging
import shutil
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from math import gcd
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import resample_poly
from tqdm import tqdm

from accomp.command_line import add_on_bad, command, parser_of
from accomp.data.check import check_track
from accomp.data.problems import quarantine
from accomp.data.slakh import lacks_score, refuse, sounds_of
from accomp.data.splits import by_split, track_folders
from accomp.data.track import SUFFIXES
from accomp.disk import watched, whole_folder, write_whole
from accomp.errors import UserError
from accomp.timeline import SAMPLE_RATE

log = logging.getLogger(__name__)


def check_set(root: Path, on_bad: str, sample_rate: int = SAMPLE_RATE, jobs: int = 1) -> list[Path]:
    """Read all of every track; the sound ones. Refuses the set (UserError), or writes ROOT/quarantine.csv."""
    paths = [path for folder in track_folders(root).values() for path in folder]
    with ThreadPoolExecutor(jobs) as pool:  # decoding does not hold Python's lock
        faults = list(tqdm(pool.map(partial(check_track, sample_rate=sample_rate), paths), total=len(paths), unit="track"))
    if not any((path / "all_src.mid").is_file() for path in paths):  # a set without scores
        faults = [[problem for problem in found if not lacks_score(problem)] for found in faults]
    problems = [problem for found in faults for problem in found]
    if problems and on_bad == "refuse":
        refuse(root, problems)
    quarantine(root, problems, keep=False)
    whole = [path for path, found in zip(paths, faults, strict=True) if not found]
    log.info("%s: %d tracks are sound, %d are in quarantine", root, len(whole), len(paths) - len(whole))
    return whole


def resample_set(root: Path, out: Path, on_bad: str, jobs: int = 1) -> None:
    """Write a 44.1 kHz copy of every sound track of `root`; tracks that are there already are kept."""
    rate = _rate(root)
    if rate == SAMPLE_RATE:
        raise UserError(f"{root}: is at {SAMPLE_RATE} Hz already; use it as it is")
    if (note := out / "source.txt").exists() and note.read_text() != _source(root, rate):
        raise UserError(f"{out}: holds something else ({note.read_text().strip()}); choose another folder")
    whole = set(check_set(root, on_bad, rate, jobs))
    work = []
    for split, paths in split_tracks(root).items():
        (out / split).mkdir(parents=True, exist_ok=True)
        work += [(path, out / split / path.name) for path in paths if path in whole]
    write_whole(note, _source(root, rate).encode())
    with ThreadPoolExecutor(jobs) as pool:
        list(tqdm(pool.map(lambda pair: _resample(*pair, rate), work), total=len(work), unit="track"))
    log.info("data root %s: %d tracks, %d Hz converted to %d Hz", out, len(work), rate, SAMPLE_RATE)


def split_tracks(root: Path) -> dict[str, list[Path]]:
    """Track folders by the split they belong to."""
    splits = by_split(root)
    train = splits["train"]
    if "" in track_folders(root) and len(train) >= 3 and not (splits["validation"] and splits["test"]):
        held_out = max(round(len(train) * 3 / 20), 1)
        splits["test"] += train[-held_out:]
        splits["validation"] += train[-2 * held_out : -held_out]
        splits["train"] = train[: -2 * held_out]
    return splits


def _rate(root: Path) -> int:
    """The sample rate of the first sound file there is."""
    sounds = (file for folder in track_folders(root).values() for path in folder for file in sounds_of(path))
    for file in sounds:
        try:
            return soundfile.info(file).samplerate
        except soundfile.LibsndfileError:
            continue  # a damaged file; the check names it
    raise UserError(f"{root}: no sound file can be read; fetch it again")


def _source(root: Path, rate: int) -> str:
    return f"{root.absolute().name}, {rate} Hz converted to {SAMPLE_RATE} Hz by accomp.data.prepare\n"


def _not_copied(_: str, names: list[str]) -> list[str]:
    """Sound is converted, not copied; hidden files (macOS writes .DS_Store and ._NAME) belong to no track."""
    return [name for name in names if name.startswith(".") or Path(name).suffix.lower() in SUFFIXES]


def _resample(path: Path, target: Path, rate: int) -> None:
    """Copy one track folder, its sound converted. The folder appears whole or not at all."""
    if target.is_dir():
        return
    divisor = gcd(SAMPLE_RATE, rate)
    with whole_folder(target) as part:
        shutil.copytree(path, part, ignore=_not_copied, dirs_exist_ok=True)
        for file in sounds_of(path):
            audio = resample_poly(soundfile.read(file)[0], SAMPLE_RATE // divisor, rate // divisor)
            copy = (part / file.relative_to(path)).with_suffix(".flac")
            soundfile.write(copy, np.clip(audio, -1, 1), SAMPLE_RATE, subtype="PCM_16")


def main(argv: Sequence[str] | None = None) -> int:
    parser = parser_of(__doc__)
    parser.add_argument("root", type=Path, help="a data set in Slakh2100's layout")
    add_on_bad(parser)
    parser.add_argument("--resample", type=Path, metavar="NEW_ROOT", help="write a copy at 44.1 kHz there")
    parser.add_argument("--jobs", type=int, default=2, help="threads")
    return command(parser, argv, _prepare)


def _prepare(o: argparse.Namespace) -> None:
    with watched(o.resample or o.root):
        if o.resample:
            resample_set(o.root, o.resample, o.on_bad, o.jobs)
        else:
            check_set(o.root, o.on_bad, jobs=o.jobs)


if __name__ == "__main__":
    sys.exit(main())
