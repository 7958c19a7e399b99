"""Data sets of one folder a song and one file a stem: ROOT/SPLIT/SONG/STEM.wav, as MUSDB18-HQ has them.

    ROOT/train/A Song/bass.wav drums.wav vocals.wav [other.wav] [mixture.wav] [all_src.mid] [beats.csv]

The splits are folders; a set without `validation` is validated on every tenth song of `train`. Stems may be stereo: they are
mixed down as they are read. Which files are stems, and in which order, is `data.stems`; other files do not count. With a score
(all_src.mid) or a table of beats (beats.csv: seconds, number in the bar) there is a clock; without, none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from accomp.data.problems import Problem
from accomp.data.track import Track, headers, sound_files

HELD_OUT = 10  # of so many songs one is for validation


@dataclass(frozen=True)
class StemFolders:
    """A layout of a data set: whether a folder has it, which songs belong to a split, and how one is opened."""

    stems: Sequence[str]

    def has(self, root: Path) -> bool:
        """Whether the songs of this folder lie so."""
        return any(set(sound_files(song)) & set(self.stems) for song in self._songs(root / "train")[:3])

    def songs(self, root: Path, split: str) -> list[Path]:
        """The folders of the songs of one split, sorted."""
        if split in ("test", "omitted") or (root / "validation").is_dir():
            return self._songs(root / split)
        return [song for i, song in enumerate(self._songs(root / "train"), 1) if (i % HELD_OUT == 0) == (split != "train")]

    def _songs(self, folder: Path) -> list[Path]:
        if not folder.is_dir():
            return []
        return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))

    def open(self, song: Path, sample_rate: int) -> tuple[Track | None, list[Problem]]:
        """The song, and what the headers of its files show to be wrong."""
        sounds = sound_files(song)
        stem_files = {stem: (sounds[stem],) if stem in sounds else () for stem in self.stems}
        samples, problems = headers([file for files in stem_files.values() for file in files], sample_rate, mono=False)
        if not samples:
            return None, [Problem(song, f"a sound file for one of {', '.join(self.stems)}", "none"), *problems]
        midi, beats = (path if path.is_file() else None for path in (song / "all_src.mid", song / "beats.csv"))
        return Track(song.name, song, stem_files, samples, midi, sample_rate, mono=False, beats=beats), problems
