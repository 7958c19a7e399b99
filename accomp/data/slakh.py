"""The data set on disk: songs in Slakh2100's layout, found, checked, and read one instrument at a time.

Three layouts are understood: redux (ROOT/{train,validation,test,omitted}/TrackNNNNN; the embedded band uses it too),
flat (ROOT/TrackNNNNN, the split taken from the official lists) and babyslakh_16k (flat, 16 kHz: only when asked for).
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
import soundfile
import yaml

from accomp.data.problems import QUARANTINE, Problem, quarantine, quarantined, table
from accomp.data.splits import FOLDERS, GET_DATA, by_split, original
from accomp.errors import UserError
from accomp.timeline import SAMPLE_RATE, STEMS

log = logging.getLogger(__name__)

SUFFIXES = (".flac", ".wav")
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
            audio += read_sound(file, start, stop, self.sample_rate)
        return audio


def read_sound(file: Path, start: int, stop: int, sample_rate: int) -> np.ndarray:
    """Samples [start, stop) of a mono file: float32 (stop - start,). Raises UserError when it is not as it should be."""
    try:
        with soundfile.SoundFile(file) as sound:
            if sound.samplerate != sample_rate:
                raise UserError(_wrong_rate(Problem(file, f"{sample_rate} Hz", f"{sound.samplerate} Hz")))
            if sound.channels != 1:
                raise UserError(str(Problem(file, "mono", f"{sound.channels} channels")))
            sound.seek(start)
            audio = sound.read(stop - start, dtype="float32")
    except soundfile.LibsndfileError as error:
        raise UserError(
            f"{file}: damaged or missing ({error.error_string}); fetch or build this track again"
        ) from error
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
    that ROOT/quarantine.csv names, and adds the damaged ones to that list. File headers are looked at here;
    `accomp.data.check` reads every sample.
    """
    root = Path(root)
    _choose("split", split, FOLDERS)
    _choose("splits", splits, ("redux", "original"))
    _choose("on_bad", on_bad, ("refuse", "skip"))
    if split == "omitted" and splits == "original":
        raise UserError("the original splits omit nothing; choose train, validation or test, or splits=redux")
    chosen = by_split(root)[split] if splits == "redux" else original(root, split)
    if not chosen:
        raise UserError(f"{root}: no tracks in split {split!r} ({splits}); {GET_DATA}")
    known_bad = quarantined(root) if on_bad == "skip" else set()
    opened = [open_track(path, sample_rate) for path in chosen if path not in known_bad]
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


def _choose(what: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise UserError(f"{what} must be one of {', '.join(allowed)}; got {value!r}")


def open_track(path: Path, sample_rate: int, every_stem: bool = False) -> tuple[Track | None, list[Problem]]:
    """The track and what its headers show to be wrong; no track when it cannot be known what it holds."""
    metadata = path / "metadata.yaml"
    try:
        entries = yaml.load(metadata.read_bytes(), _LOADER)["stems"].items()
        stems = [(str(name), _stem_of(name, entry), bool(entry.get("audio_rendered"))) for name, entry in entries]
    except FileNotFoundError:
        return None, [Problem(metadata, "a file", "nothing")]
    except (OSError, yaml.YAMLError, TypeError, KeyError, AttributeError, ValueError) as error:
        found = " ".join(str(error).split()) or type(error).__name__
        return None, [Problem(metadata, "Slakh's metadata with a table of stems", f"{type(error).__name__}: {found}")]
    problems, stem_files, sounds = [], {stem: [] for stem in STEMS}, sound_files(path / "stems")
    for stem_id, stem, promised in stems:
        file = sounds.get(stem_id)
        if file is None:
            # babyslakh says false for sound that exists, so files count; only a promise without a file is a fault.
            if promised:
                problems.append(Problem(path / "stems" / f"{stem_id}.flac", "a sound file", "nothing"))
        elif stem is not None:
            stem_files[stem].append(file)
    files = sounds_of(path) if every_stem else [file for stem in STEMS for file in stem_files[stem]] + _mix(path)
    if not files:
        problems.append(Problem(path, "at least one sound file", "none"))
    samples, faults = _headers(files, sample_rate)
    midi = path / "all_src.mid"
    if not midi.is_file():
        problems.append(Problem(midi, "a MIDI file", "nothing"))
        midi = None
    frozen = {stem: tuple(sorted(paths)) for stem, paths in stem_files.items()}
    return Track(path.name, path, frozen, samples, midi, sample_rate), problems + faults


def _stem_of(name: str, entry: object) -> str | None:
    """Which of the four classes an entry of metadata.yaml is about; None for another instrument."""
    if not isinstance(entry, dict) or not (entry.get("is_drum") or entry.get("inst_class")):
        raise ValueError(f"{name} without its inst_class")
    kind = "drums" if entry.get("is_drum") else str(entry["inst_class"]).lower()
    return kind if kind in STEMS else None


def sound_files(folder: Path) -> dict[str, Path]:
    """Sound files of a folder by their names without suffix, sorted; hidden ones (macOS writes ._S00.flac) do not count."""
    found = [path for path in folder.glob("[!.]*") if path.suffix.lower() in SUFFIXES]
    return {path.stem: path for path in sorted(found, reverse=True)}  # where there are two, .flac comes before .wav


def sounds_of(path: Path) -> list[Path]:
    """Every sound file of a track folder: its stems, then its mix."""
    return sorted(sound_files(path / "stems").values()) + _mix(path)


def _mix(path: Path) -> list[Path]:
    return [file for name, file in sound_files(path).items() if name == "mix"]


def _headers(sounds: Iterable[Path], sample_rate: int) -> tuple[int, list[Problem]]:
    """Common length in samples, and every header that differs from a mono file of this rate and length."""
    problems, lengths = [], {}
    for file in sounds:
        try:
            info = soundfile.info(file)
        except soundfile.LibsndfileError as error:
            problems.append(Problem(file, "a sound file", error.error_string))
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
