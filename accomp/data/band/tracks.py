"""Which songs a band plays: a TrackSpec per track, with split, SoundFont, key and tempo drawn from a seed."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

import numpy as np

from accomp.data.band.compose import compose
from accomp.data.band.render import FOUR, inst_class
from accomp.data.humanise import humanised
from accomp.data.living import lived
from accomp.data.midi import read_song, song_bytes
from accomp.data.song import Song
from accomp.errors import UserError

SUFFIXES = (".mid", ".midi", ".rmi", ".kar")  # of MIDI files; macOS puts "._song.mid" beside them on shares
LATE_S = 8.0  # a song whose first note is later than this begins at that note's bar instead
LEAST_NOTES = 16  # a class with fewer notes than this does not count as playing
LEAST_COVER = 0.1  # nor does one that sounds in a smaller part of the song's seconds
BIG_BAND = 1  # the composed song with a second guitar, and strings that get no stem


@dataclass(frozen=True)
class TrackSpec(ABC):
    """One track to be made: which song, with which SoundFont, to where."""

    name: str
    split: str
    source: str  # the song's name for people
    font: Path  # a SoundFont, or a folder of sampled instruments
    seconds: float  # at most

    @abstractmethod
    def song(self) -> Song:
        """The song, no longer than `seconds`. Raises UserError when it is of no use."""

    @abstractmethod
    def uuid(self) -> str:
        """An id that changes when the song does."""


@dataclass(frozen=True)
class MidiTrackSpec(TrackSpec):
    """A track made from a MIDI file."""

    midi: Path
    classes: int = 3  # at least so many of the four must play
    semitones: int = 0
    speed: float = 1.0  # times the song's own tempo
    human: bool = False  # with human timing
    living: bool = False  # with rests, changes of tempo and other metres
    instruments: tuple[str, ...] = ()  # of the folder; all when empty

    def song(self) -> Song:
        song = read_song(self.midi)
        if not song.end:
            raise UserError("no notes")
        # A song in another metre is up to half as long: two in place of four beats.
        song = excerpt(song.varied(self.semitones, self.speed), self.seconds * (2 if self.living else 1))
        classes = playing(song)
        if len(classes) < self.classes:
            raise UserError(f"only {len(classes)} of the four classes play ({', '.join(classes) or 'none'})")
        if self.living:
            song = excerpt(lived(song, int(draw("living", self.source) * 2**32), self.seconds), self.seconds)
        return humanised(song, int(draw("human", self.source) * 2**32)) if self.human else song

    def uuid(self) -> str:
        varied = f"{self.semitones:+d}x{self.speed}".encode() if (self.semitones, self.speed) != (0, 1.0) else b""
        ways = b"human" * self.human + b"living" * self.living
        return hashlib.md5(self.midi.read_bytes() + varied + ways).hexdigest()


@dataclass(frozen=True)
class ComposedTrackSpec(TrackSpec):
    """A track made from a number."""

    index: int
    seed: int

    def song(self) -> Song:
        return compose(self.index, self.seed, self.seconds, big_band=self.index == BIG_BAND)

    def uuid(self) -> str:
        return hashlib.md5(song_bytes(self.song())).hexdigest()


def shipped_font() -> Path:
    """The small General MIDI SoundFont (TimGM6mb) that comes with the package pretty_midi."""
    return Path(str(files("pretty_midi").joinpath("TimGM6mb.sf2")))


def draw(*key: object) -> float:
    """A number in [0, 1) that depends on nothing but the key: the same on every machine and in every order."""
    digest = hashlib.sha256(":".join(map(str, key)).encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


@dataclass(frozen=True)
class SampledShare:
    """Which share of the tracks is played by sampled instruments, the folder that holds them, and those that are used."""

    folder: Path
    share: float
    instruments: tuple[str, ...]

    def taken(self, spec: MidiTrackSpec, *key: object) -> MidiTrackSpec:
        """The spec, played by sampled instruments if chance has it so."""
        if draw("sampled", *key) >= self.share:
            return spec
        return replace(spec, font=self.folder, instruments=self.instruments)


def midi_specs(
    folders: Sequence[Path], fonts: Sequence[Path], seconds: float, seed: int, test_source: str = "", classes: int = 3
) -> list[MidiTrackSpec]:
    """Which song becomes which track: numbered in sorted order, about 90/5/5 by a hash of the song's name.

    The seed draws SoundFonts and nothing else: a song that is kept for testing is so in every set that holds it.
    """
    specs: list[MidiTrackSpec] = []
    for folder in folders:
        if not folder.is_dir():
            raise UserError(f"{folder}: no such folder; give --midi a folder that holds .mid files")
        for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.name[0] != "."):
            source = str(path.relative_to(folder.parent))
            # Versions of one song (name__hash.mid) must not be torn apart by the split.
            place = draw(0, "split", path.stem.lower().split("__")[0])
            split = "train" if place < 0.9 else "validation" if place < 0.95 else "test"
            if test_source and test_source in source:
                split = "test"
            font = fonts[int(draw(seed, "font", path.name) * len(fonts))]
            specs.append(MidiTrackSpec(f"Track{len(specs) + 1:05d}", split, source, font, seconds, path, classes))
    if not specs:
        raise UserError(f"no .mid files under {', '.join(map(str, folders))}; give --midi a folder that holds some")
    return specs


def some_songs(specs: Sequence[MidiTrackSpec], count: int) -> list[MidiTrackSpec]:
    """A draw of `count` of the songs, in their order; a larger draw holds the smaller ones."""
    drawn = set(sorted(specs, key=lambda spec: draw("songs", spec.source))[:count])
    return [spec for spec in specs if spec in drawn]


def with_variants(
    specs: Sequence[MidiTrackSpec], fonts: Sequence[Path], variants: int, semitones: tuple[int, int],
    speed: tuple[float, float], seed: int,
) -> list[TrackSpec]:  # fmt: skip
    """The specs, and of every song in train `variants` more in a drawn key, tempo and SoundFont; they stay in train."""
    varied = []
    for spec in (spec for spec in specs if spec.split == "train"):
        for number in range(1, variants + 1):
            key = (seed, spec.midi.name, number)
            shift = semitones[0] + int(draw("key", *key) * (semitones[1] - semitones[0] + 1))
            factor = round(speed[0] + draw("tempo", *key) * (speed[1] - speed[0]), 3)
            name, font = f"Track{len(specs) + len(varied) + 1:05d}", fonts[int(draw("font", *key) * len(fonts))]
            source = f"{spec.source} ({shift:+d} semitones, tempo x{factor:g})"
            varied.append(replace(spec, name=name, source=source, font=font, semitones=shift, speed=factor))
    return [*specs, *varied]


def composed_specs(tracks: int, seconds: float, seed: int) -> list[TrackSpec]:
    """The songs of the embedded band: of 22, the last three for test and the three before them for validation."""
    held_out = max(round(tracks * 3 / 22), 1) if tracks >= 3 else 0
    splits = ["train"] * (tracks - 2 * held_out) + ["validation"] * held_out + ["test"] * held_out
    font = shipped_font()
    return [
        ComposedTrackSpec(f"Track{index + 1:05d}", split, f"composed:{seed}:{index}", font, seconds, index, seed)
        for index, split in enumerate(splits)
    ]


def playing(song: Song) -> list[str]:
    """Which of the four classes really play in the song, sorted."""
    length = max(float(song.seconds(song.end)), 1.0)
    notes: dict[str, list] = {name: [] for name in sorted(FOUR)}
    for part in song.parts:
        if inst_class(part) in FOUR:
            notes[inst_class(part)].extend(part.notes)
    busy = []
    for name, played in notes.items():
        spans = song.seconds(np.array([note[:2] for note in played], dtype=np.int64).reshape(-1, 2)).astype(int)
        covered = {second for start, end in spans for second in range(start, end + 1)}
        if len(played) >= LEAST_NOTES and len(covered) >= LEAST_COVER * length:
            busy.append(name)
    return busy


def excerpt(song: Song, seconds: float) -> Song:
    """The first `seconds` of a song; one that begins late begins at the bar of its first note."""
    start = song.bar_at(song.start) if song.seconds(song.start) > LATE_S else 0
    return song.cut(start, song.tick_at(float(song.seconds(start)) + seconds) + 1)
