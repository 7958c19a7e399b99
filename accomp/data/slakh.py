"""The data set on disk: songs in Slakh2100's layout, found, checked, and read one instrument at a time.

Three layouts are understood: redux (ROOT/{train,validation,test,omitted}/TrackNNNNN; the embedded band uses it too),
flat (ROOT/TrackNNNNN, the split taken from the official lists) and babyslakh_16k (flat, 16 kHz: only when asked for).

    python -m accomp.data.slakh ROOT      checks every file of every track and lists what is wrong
"""

import argparse
import json
import logging
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np
import soundfile
import yaml

from accomp.data.midi import read_song
from accomp.errors import UserError
from accomp.timeline import SAMPLE_RATE, STEMS

log = logging.getLogger(__name__)

FOLDERS = ("train", "validation", "test", "omitted")
SUFFIXES = (".flac", ".wav")
GET_DATA = (
    "run `make data` for the embedded band, or point the data root at an unpacked slakh2100_flac_redux "
    "(https://zenodo.org/records/4599666)"
)
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C parser is ten times faster, where it exists


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a file of a track."""

    file: Path
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.file}: expected {self.expected}, found {self.found}"


@dataclass(frozen=True)
class Track:
    """One song: which files hold which class of instrument, and how long it is."""

    name: str
    path: Path
    stem_files: dict[str, tuple[Path, ...]]  # keys: the four STEMS; () where the class does not play
    samples: int
    midi: Path | None
    sample_rate: int = SAMPLE_RATE

    def read(self, stem: str, start: int = 0, stop: int | None = None) -> np.ndarray:
        """What all instruments of one class play in [start, stop), added up: float32 (stop - start,); absent = silence.

        Raises UserError when a file is not what it was when the track was found.
        """
        stop = self.samples if stop is None else stop
        if not 0 <= start <= stop <= self.samples:
            raise ValueError(f"[{start}, {stop}) does not lie within the {self.samples} samples of {self.name}")
        audio = np.zeros(stop - start, dtype=np.float32)
        for file in self.stem_files[stem]:
            audio += _read(file, start, stop, self.sample_rate)
        return audio


def _read(file: Path, start: int, stop: int, sample_rate: int) -> np.ndarray:
    try:
        with soundfile.SoundFile(file) as sound:
            if sound.samplerate != sample_rate:
                raise UserError(_wrong_rate(Problem(file, f"{sample_rate} Hz", f"{sound.samplerate} Hz")))
            if sound.channels != 1:
                raise UserError(str(Problem(file, "mono", f"{sound.channels} channels")))
            sound.seek(start)
            audio = sound.read(stop - start, dtype="float32")
    except soundfile.LibsndfileError as error:
        raise UserError(f"{file}: damaged or missing ({error}); fetch or build this track again") from error
    if len(audio) < stop - start:
        found = f"the end at sample {start + len(audio)}"
        raise UserError(f"{Problem(file, f'{stop} samples', found)}; fetch or build this track again")
    if not np.isfinite(audio).all():
        raise UserError(f"{Problem(file, 'sound', 'values that are not finite')}; fetch or build this track again")
    return audio


def _wrong_rate(problem: Problem) -> str:
    return f"{problem}; 16 kHz copies such as babyslakh_16k cannot serve: {GET_DATA}"


def find_tracks(
    root: Path,
    split: str = "train",
    splits: str = "redux",
    *,
    on_bad: str = "refuse",
    sample_rate: int = SAMPLE_RATE,
) -> list[Track]:
    """The songs of one split, sorted by name.

    splits: "redux" (no song twice) or "original" (tracks 1-1500, 1501-1875, 1876-2100; a song that a later split holds
    as well is left out of the earlier one, so that nothing is trained on and tested on at once).
    on_bad: "refuse" raises UserError on the first damaged track, "skip" leaves such tracks out and logs them. File
    headers are looked at here; `check_track` reads every sample.
    """
    root = Path(root)
    _choose("split", split, FOLDERS)
    _choose("splits", splits, ("redux", "original"))
    _choose("on_bad", on_bad, ("refuse", "skip"))
    if split == "omitted" and splits == "original":
        raise UserError("the original splits omit nothing; choose train, validation or test, or splits=redux")
    found = _track_folders(root)
    chosen = _redux(found, split) if splits == "redux" else _original(found, split)
    if not chosen:
        raise UserError(f"{root}: no tracks in split {split!r} ({splits}); {GET_DATA}")
    tracks = []
    for path in chosen:
        track, problems = _open(path, sample_rate)
        if track is not None and not problems:
            tracks.append(track)
        elif on_bad == "skip":
            log.warning("left out %s: %s", path.name, problems[0])
        else:
            rate = any(problem.expected.endswith("Hz") for problem in problems)
            advice = _wrong_rate(problems[0]) if rate else f"{problems[0]}; repair it or use on_bad=skip"
            raise UserError(advice)
    if not tracks:
        raise UserError(f"{root}: all {len(chosen)} tracks of split {split!r} are damaged; {GET_DATA}")
    return tracks


def check_track(path: Path, sample_rate: int = SAMPLE_RATE) -> list[Problem]:
    """Everything that is wrong with one track folder, found by reading all of it; an empty list when it is sound."""
    path = Path(path)
    if not path.is_dir():
        return [Problem(path, "a track folder", "nothing")]
    _, problems = _open(path, sample_rate, every_stem=True)
    midi = path / "all_src.mid"
    if midi.is_file():
        try:
            if not read_song(midi).end:
                problems.append(Problem(midi, "notes", "none"))
        except UserError as error:
            problems.append(Problem(midi, "a MIDI file", str(error)))
    sounds = [file for file in _sounds(path) if not any(problem.file == file for problem in problems)]
    for file in sounds:
        try:
            _read(file, 0, soundfile.info(file).frames, sample_rate)
        except UserError as error:
            problems.append(Problem(file, "readable sound", str(error)))
    return problems


def _choose(what: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise UserError(f"{what} must be one of {', '.join(allowed)}; got {value!r}")


def _track_folders(root: Path) -> dict[str, list[Path]]:
    """Track folders by the split folder they lie in ("" for the flat layout), sorted."""
    if not root.is_dir():
        raise UserError(f"{root}: no such folder; {GET_DATA}")
    found = {folder: _tracks_in(root / folder) for folder in FOLDERS if (root / folder).is_dir()}
    if not found:
        found = {"": _tracks_in(root)}
    if not any(found.values()):
        raise UserError(f"{root}: holds no TrackNNNNN folders, not in train/validation/test either; {GET_DATA}")
    return found


def _tracks_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if re.fullmatch(r"Track\d{5}", path.name))


def _number(path: Path) -> int:
    return int(path.name.removeprefix("Track"))


def official_split(number: int) -> str | None:
    """The original split of a Slakh2100 track by its number; None for a number Slakh does not have."""
    for last, split in ((1500, "train"), (1875, "validation"), (2100, "test")):
        if 1 <= number <= last:
            return split
    return None


@cache
def _omitted() -> frozenset[int]:
    """Numbers of the 390 tracks that Slakh2100-redux leaves out because another track is the same song."""
    return frozenset(json.loads(files("accomp.data").joinpath("splits.json").read_text())["omitted"])


def _redux(found: dict[str, list[Path]], split: str) -> list[Path]:
    if "" not in found:
        return found.get(split, [])
    by_list = {path: "omitted" if _number(path) in _omitted() else official_split(_number(path)) for path in found[""]}
    return [path for path in found[""] if by_list[path] == split]


def _original(found: dict[str, list[Path]], split: str) -> list[Path]:
    every = sorted((path for paths in found.values() for path in paths), key=lambda path: path.name)
    here = [path for path in every if official_split(_number(path)) == split]
    later = {"train": ("validation", "test"), "validation": ("test",), "test": ()}[split]
    held_out = {_song_id(path) for path in every if official_split(_number(path)) in later}
    return [path for path in here if _song_id(path) not in held_out]


def _song_id(path: Path) -> str:
    """What says that two tracks are the same song: the name of the MIDI file they were made from."""
    match = re.search(rb"^UUID: *(\S+)", _bytes(path / "metadata.yaml"), re.MULTILINE)
    return match[1].decode() if match else path.name


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _open(path: Path, sample_rate: int, every_stem: bool = False) -> tuple[Track | None, list[Problem]]:
    """The track and what its headers show to be wrong; no track when it cannot be known what it holds."""
    metadata = path / "metadata.yaml"
    try:
        entries = yaml.load(metadata.read_bytes(), _LOADER)["stems"].items()
        stems = [(str(stem_id), _stem_of(entry), bool(entry.get("audio_rendered"))) for stem_id, entry in entries]
    except FileNotFoundError:
        return None, [Problem(metadata, "a file", "nothing")]
    except (OSError, yaml.YAMLError, TypeError, KeyError, AttributeError, ValueError) as error:
        found = " ".join(str(error).split()) or type(error).__name__
        return None, [Problem(metadata, "Slakh's metadata with a table of stems", f"{type(error).__name__}: {found}")]
    problems, stem_files = [], {stem: [] for stem in STEMS}
    for stem_id, stem, promised in stems:
        file = _sound(path / "stems", stem_id)
        if file is None:
            # babyslakh says false for sound that exists, so files count; only a promise without a file is a fault.
            if promised:
                problems.append(Problem(path / "stems" / f"{stem_id}.flac", "a sound file", "nothing"))
        elif stem is not None:
            stem_files[stem].append(file)
    heard = _sounds(path) if every_stem else [file for stem in STEMS for file in stem_files[stem]] + _mix(path)
    if not heard:
        problems.append(Problem(path, "at least one sound file", "none"))
    samples, faults = _headers(heard, sample_rate)
    midi = path / "all_src.mid"
    if not midi.is_file():
        problems.append(Problem(midi, "a MIDI file", "nothing"))
        midi = None
    frozen = {stem: tuple(sorted(paths)) for stem, paths in stem_files.items()}
    return Track(path.name, path, frozen, samples, midi, sample_rate), problems + faults


def _stem_of(entry: dict) -> str | None:
    if entry.get("is_drum"):
        return "drums"
    name = str(entry["inst_class"]).lower()
    return name if name in STEMS else None


def _sound(folder: Path, name: str) -> Path | None:
    return next((folder / f"{name}{suffix}" for suffix in SUFFIXES if (folder / f"{name}{suffix}").is_file()), None)


def _mix(path: Path) -> list[Path]:
    mix = _sound(path, "mix")
    return [mix] if mix else []


def _sounds(path: Path) -> list[Path]:
    return sorted(file for file in (path / "stems").glob("*") if file.suffix in SUFFIXES) + _mix(path)


def _headers(sounds: Iterable[Path], sample_rate: int) -> tuple[int, list[Problem]]:
    """Common length in samples, and every header that differs from a mono file of this rate and length."""
    problems, lengths = [], {}
    for file in sounds:
        try:
            info = soundfile.info(file)
        except soundfile.LibsndfileError as error:
            problems.append(Problem(file, "a sound file", str(error)))
            continue
        lengths[file] = info.frames
        if info.samplerate != sample_rate:
            problems.append(Problem(file, f"{sample_rate} Hz", f"{info.samplerate} Hz"))
        if info.channels != 1:
            problems.append(Problem(file, "mono", f"{info.channels} channels"))
        if info.frames == 0:
            problems.append(Problem(file, "sound", "a file without samples"))
    # The length most files agree on is the track's; the odd one out is the damaged one.
    counts = list(lengths.values())
    samples = max(sorted(set(counts)), key=counts.count) if counts else 0
    for file, length in lengths.items():
        if length != samples and length > 0:
            problems.append(Problem(file, f"{samples} samples like the others", f"{length}"))
    return samples, problems


def main(argv: Sequence[str] | None = None) -> int:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(prog="python -m accomp.data.slakh", description="Check a data set on disk.")
    parser.add_argument("root", type=Path)
    parser.add_argument("--sample-rate", type=int, default=SAMPLE_RATE, help="Hz")
    args = parser.parse_args(argv)
    try:
        found = _track_folders(args.root)
    except UserError as error:
        log.error("%s", error)
        return 2
    paths = [path for folder in found.values() for path in folder]
    problems = [problem for path in paths for problem in check_track(path, args.sample_rate)]
    for problem in problems:
        log.error("%s", problem)
    log.info("%d tracks checked, %d problems", len(paths), len(problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
