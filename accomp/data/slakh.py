"""The data set on disk: songs in Slakh2100's layout, found, checked, and read one instrument at a time.

Three layouts are understood: redux (ROOT/{train,validation,test,omitted}/TrackNNNNN; the embedded band uses it too),
flat (ROOT/TrackNNNNN, the split taken from the official lists) and babyslakh_16k (flat, 16 kHz: only when asked for).
"""

import json
import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import NoReturn

import numpy as np
import soundfile
import yaml

from accomp.data.midi import read_song
from accomp.data.problems import QUARANTINE, TRACK, Problem, quarantine, quarantined, table
from accomp.errors import UserError
from accomp.timeline import SAMPLE_RATE, STEMS

log = logging.getLogger(__name__)

FOLDERS = ("train", "validation", "test", "omitted")
SUFFIXES = (".flac", ".wav")
GET_DATA = "run `make data` for the embedded band, or `python -m accomp.data.download slakh` for Slakh2100"
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C parser is ten times faster, where it exists


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
    return (
        f"{problem}; sound of another rate, such as babyslakh_16k's 16 kHz, is never converted unasked: "
        "`python -m accomp.data.prepare ROOT --resample NEW_ROOT` makes a copy at 44.1 kHz"
    )


def find_tracks(
    root: Path, split: str = "train", splits: str = "redux", *, on_bad: str = "refuse", sample_rate: int = SAMPLE_RATE
) -> list[Track]:
    """The songs of one split, sorted by name.

    splits: "redux" (no song twice) or "original" (tracks 1-1500, 1501-1875, 1876-2100; a song that a later split holds
    as well is left out of the earlier one, so that nothing is trained on and tested on at once).
    on_bad: "refuse" logs a table of all that is wrong and raises UserError; "skip" leaves damaged tracks out, and those
    that ROOT/quarantine.csv names, and adds the damaged ones to that list. File headers are looked at here; `check_track`
    reads every sample.
    """
    root = Path(root)
    _choose("split", split, FOLDERS)
    _choose("splits", splits, ("redux", "original"))
    _choose("on_bad", on_bad, ("refuse", "skip"))
    if split == "omitted" and splits == "original":
        raise UserError("the original splits omit nothing; choose train, validation or test, or splits=redux")
    chosen = by_split(root)[split] if splits == "redux" else _original(root, split)
    if not chosen:
        raise UserError(f"{root}: no tracks in split {split!r} ({splits}); {GET_DATA}")
    known_bad = quarantined(root) if on_bad == "skip" else set()
    opened = [_open(path, sample_rate) for path in chosen if path not in known_bad]
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


def refuse(root: Path, problems: Sequence[Problem]) -> NoReturn:
    """Log all that is wrong as a table and raise UserError about the first of it."""
    log.error("%s", table(root, problems))
    for problem in problems:
        if problem.expected.endswith(" Hz"):
            raise UserError(_wrong_rate(problem))
    raise UserError(f"{problems[0]}; fetch or build this track again, or use on_bad=skip")


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
    faulty = {problem.file for problem in problems}
    for file in (file for file in sounds_of(path) if file not in faulty):
        try:
            _read(file, 0, soundfile.info(file).frames, sample_rate)
        except UserError as error:
            problems.append(Problem(file, "readable sound", str(error)))
    return problems


def _choose(what: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise UserError(f"{what} must be one of {', '.join(allowed)}; got {value!r}")


def track_folders(root: Path) -> dict[str, list[Path]]:
    """Track folders by the split folder they lie in ("" for the flat layout), sorted."""
    if not root.is_dir():
        raise UserError(f"{root}: no such folder; {GET_DATA}")
    there = [folder for folder in FOLDERS if (root / folder).is_dir()] or [""]
    found = {
        folder: sorted(path for path in (root / folder).iterdir() if TRACK.fullmatch(path.name)) for folder in there
    }
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
    omitted, dealt = omitted_numbers(), {split: [] for split in FOLDERS}
    for path in found[""]:
        split = "omitted" if track_number(path) in omitted else official_split(track_number(path))
        if split:
            dealt[split].append(path)
    return dealt


def _original(root: Path, split: str) -> list[Path]:
    """One of the splits as they were before redux, less the songs that a later split holds as well."""
    every = sorted((path for paths in track_folders(root).values() for path in paths), key=lambda path: path.name)
    dealt = {name: [p for p in every if official_split(track_number(p)) == name] for name in FOLDERS[:3]}
    held_out = {_song_id(path) for later in FOLDERS[FOLDERS.index(split) + 1 : 3] for path in dealt[later]}
    return [path for path in dealt[split] if _song_id(path) not in held_out]


def _song_id(path: Path) -> str:
    """What says that two tracks are the same song: the name of the MIDI file they were made from."""
    metadata = path / "metadata.yaml"
    match = re.search(rb"^UUID: *(\S+)", metadata.read_bytes() if metadata.is_file() else b"", re.MULTILINE)
    return match[1].decode() if match else path.name


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
    heard = sounds_of(path) if every_stem else [file for stem in STEMS for file in stem_files[stem]] + _mix(path)
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


def sounds_of(path: Path) -> list[Path]:
    """Every sound file of a track folder: its stems, then its mix."""
    return sorted(file for file in (path / "stems").glob("*") if file.suffix in SUFFIXES) + _mix(path)


def _mix(path: Path) -> list[Path]:
    return [mix] if (mix := _sound(path, "mix")) else []


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
