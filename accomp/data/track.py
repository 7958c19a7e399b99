"""One song on disk: which files hold which instrument, how long it is, and reading any stretch of it."""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import md5
from pathlib import Path

import numpy as np
import soundfile

from accomp.data.problems import Problem
from accomp.errors import UserError
from accomp.timeline import SAMPLE_RATE

SUFFIXES = (".flac", ".wav")


@dataclass(frozen=True)
class Track:
    """One song: which files hold which class of instrument, and how long it is.

    `midi` is its score and `beats` a table of its beats (see `accomp.data.beats`); without either nothing is known of its
    beats and notes. Files of a set that is not `mono` are mixed down as they are read.
    """

    name: str
    path: Path
    stem_files: dict[str, tuple[Path, ...]]  # keys: all classes, in their order; () where the class does not play
    samples: int
    midi: Path | None
    sample_rate: int = SAMPLE_RATE
    mono: bool = True
    beats: Path | None = None

    @property
    def stems(self) -> list[str]:
        """The classes that play."""
        return [stem for stem, files in self.stem_files.items() if files]

    def read(self, stem: str, start: int = 0, stop: int | None = None) -> np.ndarray:
        """What all instruments of one class play in [start, stop), added up: float32 (stop - start,); absent = silence.

        Raises UserError when a file is not what it was when the track was found.
        """
        stop = self.samples if stop is None else stop
        if not 0 <= start <= stop <= self.samples:
            raise ValueError(f"[{start}, {stop}) does not lie within the {self.samples} samples of {self.name}")
        audio = np.zeros(stop - start, dtype=np.float32)
        for file in self.stem_files[stem]:
            audio += read_sound(file, start, stop, self.sample_rate, self.mono)
        return audio

    @property
    def source(self) -> str:
        """What tells this song from another one of its name: a hash of its metadata and score, or of its sounds' sizes."""
        texts = [path for path in (self.path / "metadata.yaml", self.midi, self.beats) if path and path.is_file()]
        sizes = [f"{file.name} {file.stat().st_size}" for files in self.stem_files.values() for file in files]
        return md5(b"".join(path.read_bytes() for path in texts) or " ".join(sizes).encode()).hexdigest()


def read_sound(file: Path, start: int, stop: int, sample_rate: int, mono: bool = True) -> np.ndarray:
    """Samples [start, stop) of a file, mixed down unless it must be mono: float32 (stop - start,).

    Raises UserError when it is not as it should be.
    """
    try:
        with soundfile.SoundFile(file) as sound:
            if sound.samplerate != sample_rate:
                raise UserError(wrong_rate(Problem(file, f"{sample_rate} Hz", f"{sound.samplerate} Hz")))
            if mono and sound.channels != 1:
                raise UserError(str(Problem(file, "mono", f"{sound.channels} channels")))
            sound.seek(start)
            audio = sound.read(stop - start, dtype="float32", always_2d=True).mean(1)
    except soundfile.LibsndfileError as error:
        raise UserError(f"{file}: damaged or missing ({error.error_string}); fetch or build this track again") from error
    if len(audio) < stop - start:
        found = f"the end at sample {start + len(audio)}"
        raise UserError(f"{Problem(file, f'{stop} samples', found)}; fetch or build this track again")
    if not np.isfinite(audio).all():
        raise UserError(f"{Problem(file, 'sound', 'values that are not finite')}; fetch or build this track again")
    return audio


def wrong_rate(problem: Problem) -> str:
    return (
        f"{problem}; sound of another rate, such as babyslakh_16k's 16 kHz, is never converted unasked: "
        "`python -m accomp.data.prepare ROOT --resample NEW_ROOT` makes a copy at 44.1 kHz"
    )


def sound_files(folder: Path) -> dict[str, Path]:
    """Sound files of a folder by their names without suffix, sorted; hidden ones (macOS writes ._S00.flac) do not count."""
    found = [path for path in folder.glob("[!.]*") if path.suffix.lower() in SUFFIXES]
    return {path.stem: path for path in sorted(found, reverse=True)}  # where there are two, .flac comes before .wav


def headers(sounds: Iterable[Path], sample_rate: int, mono: bool = True) -> tuple[int, list[Problem]]:
    """Common length in samples, and every header that differs from a file of this rate and length, with one channel if mono."""
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
        if mono and info.channels != 1:
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
