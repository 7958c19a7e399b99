"""The data set on disk: songs in Slakh2100's layout, found, checked, and read one instrument at a time.

Three layouts are understood: redux (ROOT/{train,validation,test,omitted}/TrackNNNNN; the embedded band uses it too),
flat (ROOT/TrackNNNNN, the split taken from the official lists) and babyslakh_16k (flat, 16 kHz: only when asked for).
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import yaml
from tqdm import tqdm

from accomp.data.classes import Asked, Classes, class_of, classes_of
from accomp.data.problems import QUARANTINE, Problem, quarantine, quarantined, table
from accomp.data.splits import FOLDERS, GET_DATA, by_split, original
from accomp.data.stem_folders import StemFolders
from accomp.data.track import Track, headers, sound_files, wrong_rate
from accomp.errors import UserError
from accomp.timeline import SAMPLE_RATE, STEMS

log = logging.getLogger(__name__)

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C parser is ten times faster, where it exists
SCORE = "a MIDI file"  # what a track without all_src.mid lacks
FOUR: Classes = dict.fromkeys(STEMS)
SHOWN = 100  # tracks, from which on a bar shows how many of them have been opened


def find_tracks(
    root: Path, split: str = "train", splits: str = "redux", *, on_bad: str = "refuse", sample_rate: int = SAMPLE_RATE,
    stems: Asked | None = None,
) -> list[Track]:  # fmt: skip
    """The songs of one split, sorted by name: in Slakh's layout, or in that of `accomp.data.stem_folders`.

    stems: the classes of instruments, in their order (None: the four of `accomp.timeline.STEMS`): instrument classes of
    Slakh's metadata in small letters, or names of files; with MIDI programs as `accomp.data.classes` says. Others are left out.

    splits: "redux" (no song twice) or "original" (tracks 1-1500, 1501-1875, 1876-2100; a song that a later split holds
    as well is left out of the earlier one, so that nothing is trained on and tested on at once).
    on_bad: "refuse" logs a table of all that is wrong and raises UserError; "skip" leaves damaged tracks out, and those
    that ROOT/quarantine.csv names, and adds the damaged ones to that list. File headers are looked at here;
    `accomp.data.check` reads every sample.
    """
    root = Path(root)
    _choose("split", split, FOLDERS)
    _choose("splits", splits, ("redux", "original"))
    _choose("on_bad", on_bad, ("refuse", "skip"))
    if split == "omitted" and splits == "original":
        raise UserError("the original splits omit nothing; choose train, validation or test, or splits=redux")
    classes = classes_of(stems, STEMS)
    folders = StemFolders(tuple(classes))
    in_folders = folders.has(root)
    of_slakh = original if splits == "original" else lambda root, split: by_split(root)[split]
    chosen = (folders.songs if in_folders else of_slakh)(root, split)
    if not chosen:
        raise UserError(f"{root}: no tracks in split {split!r} ({splits}); {GET_DATA}")
    known_bad = quarantined(root) if on_bad == "skip" else set()
    good = [path for path in chosen if path not in known_bad]
    shown = tqdm(good, desc=f"{root.name} {split}", unit="track", leave=False, disable=None if len(good) >= SHOWN else True)
    if in_folders:
        opened = [folders.open(path, sample_rate) for path in shown]
    else:
        opened = without_scores([open_track(path, sample_rate, classes=classes) for path in shown])
    problems = [problem for _, faults in opened for problem in faults]
    if problems:
        refuse(root, problems) if on_bad == "refuse" else quarantine(root, problems)
    tracks = [track for track, faults in opened if track is not None and not faults]
    if len(tracks) < len(chosen):
        log.warning(
            "%s: %d of %d tracks of split %s left out, see %s",
            root, len(chosen) - len(tracks), len(chosen), split, root / QUARANTINE,
        )  # fmt: skip
    if not tracks:
        raise UserError(f"{root}: all {len(chosen)} tracks of split {split!r} are damaged; {GET_DATA}")
    return tracks


Opened = tuple[Track | None, list[Problem]]


def without_scores(opened: Sequence[Opened]) -> list[Opened]:
    """The same tracks, without complaints about missing scores where the whole set has none."""
    if any(track is not None and track.midi for track, _ in opened):
        return list(opened)
    return [(track, [fault for fault in faults if not lacks_score(fault)]) for track, faults in opened]


def lacks_score(fault: Problem) -> bool:
    """Whether this is the complaint that a track has no all_src.mid."""
    return fault.expected == SCORE and fault.found == "nothing"


def refuse(root: Path, problems: Sequence[Problem]) -> NoReturn:
    """Log all that is wrong as a table and raise UserError about the first of it."""
    log.error("%s", table(root, problems))
    for problem in problems:
        if problem.expected.endswith(" Hz"):
            raise UserError(wrong_rate(problem))
    raise UserError(f"{problems[0]}; fetch or build this track again, or use on_bad=skip")


def _choose(what: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise UserError(f"{what} must be one of {', '.join(allowed)}; got {value!r}")


def open_track(
    path: Path, sample_rate: int, every_stem: bool = False, classes: Classes = FOUR
) -> tuple[Track | None, list[Problem]]:
    """The track and what its headers show to be wrong; no track when it cannot be known what it holds."""
    metadata = path / "metadata.yaml"
    try:
        entries = yaml.load(metadata.read_bytes(), _LOADER)["stems"].items()
        found = [(str(name), _stem_of(name, entry, classes), bool(entry.get("audio_rendered"))) for name, entry in entries]
    except FileNotFoundError:
        return None, [Problem(metadata, "a file", "nothing")]
    except (OSError, yaml.YAMLError, TypeError, KeyError, AttributeError, ValueError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        return None, [Problem(metadata, "Slakh's metadata with a table of stems", f"{type(error).__name__}: {reason}")]
    problems, stem_files, sounds = [], {stem: [] for stem in classes}, sound_files(path / "stems")
    for stem_id, stem, promised in found:
        file = sounds.get(stem_id)
        if file is None:
            # babyslakh says false for sound that exists, so files count; only a promise without a file is a fault.
            if promised:
                problems.append(Problem(path / "stems" / f"{stem_id}.flac", "a sound file", "nothing"))
        elif stem is not None:
            stem_files[stem].append(file)
    files = sounds_of(path) if every_stem else [file for stem in classes for file in stem_files[stem]] + _mix(path)
    if not files:
        problems.append(Problem(path, "at least one sound file", "none"))
    samples, faults = headers(files, sample_rate)
    midi = path / "all_src.mid"
    if not midi.is_file():
        problems.append(Problem(midi, SCORE, "nothing"))
        midi = None
    frozen = {stem: tuple(sorted(paths)) for stem, paths in stem_files.items()}
    return Track(path.name, path, frozen, samples, midi, sample_rate), problems + faults


def _stem_of(name: str, entry: object, classes: Classes) -> str | None:
    """Which of the classes an entry of metadata.yaml is about; None for another instrument."""
    if not isinstance(entry, dict) or not (entry.get("is_drum") or entry.get("inst_class")):
        raise ValueError(f"{name} without its inst_class")
    return class_of(entry, classes)


def sounds_of(path: Path) -> list[Path]:
    """Every sound file of a track folder: its stems, then its mix."""
    return sorted(sound_files(path / "stems").values()) + _mix(path)


def _mix(path: Path) -> list[Path]:
    return [file for name, file in sound_files(path).items() if name == "mix"]
