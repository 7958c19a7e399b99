"""Plays a part with recorded notes of real instruments, as `Synthesiser` plays it with a SoundFont.

A pack is a folder with one folder per instrument, each with mono 44.1 kHz FLAC files and a table `samples.csv`: file,
pitch (the MIDI note that the sample sounds at, decimals are its mistuning; for drums the General MIDI note), low, high,
velocity_low, velocity_high (what it serves), round_robin, articulation. Folder names begin with the class: bass_,
guitar_, piano_, epiano_, drums_, snares_, percussion. `impulse_responses` holds amp_, cab_, speaker_ and room_
responses.
"""

import csv
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import oaconvolve

from accomp.data.song import Note, Part, Song, pedalled
from accomp.errors import UserError
from accomp.timeline import SAMPLE_RATE

RELEASE_S = {"bass": 0.07, "guitar": 0.12, "piano": 0.18, "epiano": 0.12}  # how long a note fades after its end
LOUDNESS_EXPONENT = 1.5  # amplitude grows with velocity to this power
OPEN_HAT, HATS, SNARES = 46, frozenset({42, 44, 46}), frozenset({38, 40})
DRIVEN = frozenset({29, 30, 31})  # programs of overdriven guitars
DIRECT = frozenset({"guitar_emily", "guitar_strat", "guitar_gretsch", "guitar_hofner"})  # recorded without an amplifier
PLAYED_BY = {  # the instruments that suit a General MIDI program; unknown programs of a class get any of that class
    "piano": {
        0: ("piano_steinway", "piano_headroom", "piano_kawai"),
        1: ("piano_headroom", "piano_kawai", "piano_steinway"),
        2: ("epiano_cp80", "piano_headroom"),
        3: ("piano_kawai", "epiano_cp80"),
        4: ("epiano_wurlitzer", "epiano_cp80"),
        5: ("epiano_pianet", "epiano_wurlitzer"),
        6: ("epiano_pianet", "epiano_cp80"),
        7: ("epiano_pianet", "epiano_wurlitzer"),
    },
    "guitar": {
        24: ("guitar_spanish",),
        25: ("guitar_archtop", "guitar_spanish"),
        26: ("guitar_archtop_pickup", "guitar_emily", "guitar_hofner"),
        28: ("guitar_gretsch:staccato", "guitar_hofner:staccato", "guitar_strat"),
    }
    | dict.fromkeys((27, 29, 30, 31), ("guitar_strat", "guitar_emily", "guitar_gretsch", "guitar_hofner")),
    "bass": {
        32: ("bass_upright",),
        33: ("bass_growly", "bass_flatwound", "bass_finger_yr"),
        34: ("bass_pick_yr", "bass_muted_pick", "bass_growly"),
        35: ("bass_flatwound", "bass_growly"),
        36: ("bass_growly", "bass_pick_yr"),
        37: ("bass_growly", "bass_pick_yr"),
    },
    "drums": {},
}
FAMILY = {"piano": ("piano_", "epiano_"), "guitar": ("guitar_",), "bass": ("bass_",), "drums": ("drums_",)}


@dataclass(frozen=True)
class Sample:
    """One recorded note: where it lies, at what pitch it sounds, and the notes and velocities that it serves."""

    path: Path
    pitch: float
    low: int
    high: int
    velocity_low: int
    velocity_high: int
    articulation: str

    def serves(self, pitch: int, velocity: int) -> bool:
        return self.low <= pitch <= self.high and self.velocity_low <= velocity <= self.velocity_high


@lru_cache(maxsize=4096)
def _recording(path: Path) -> np.ndarray:
    return soundfile.read(path, dtype="float32")[0]


@lru_cache(maxsize=512)
def transposed(path: Path, ratio: float) -> np.ndarray:
    """The recording played `ratio` times as fast, by cubic interpolation."""
    audio = _recording(path)
    if abs(ratio - 1) < 1e-4:
        return audio
    at = np.arange(1, len(audio) - 2, ratio)
    k = at.astype(np.int64)
    t = (at - k).astype(np.float32)
    a, b, c, d = audio[k - 1], audio[k], audio[k + 1], audio[k + 2]
    return b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))


class SampledInstrument:
    """The samples of one folder, of one articulation when `articulation` is given; `tuning` in semitones moves all."""

    def __init__(self, folder: Path, articulation: str = "", tuning: float = 0.0):
        self.samples = [s for s in read_table(folder) if s.articulation == articulation or not articulation]
        if not articulation and any(s.articulation == "sustain" for s in self.samples):
            self.samples = [s for s in self.samples if s.articulation == "sustain"]
        if not self.samples:
            raise UserError(f"{folder}: no samples of articulation {articulation!r} in samples.csv")
        self.tuning, self.turn = tuning, defaultdict(int)
        self.low, self.high = min(s.low for s in self.samples), max(s.high for s in self.samples)

    def note(self, pitch: int, velocity: int, fold: bool = True) -> np.ndarray | None:
        """The sound of a note, (N,) float32; None when no sample serves it. `fold` moves notes out of range by octaves."""
        if fold:
            pitch += 12 * max(0, -(-(self.low - pitch) // 12)) - 12 * max(0, -(-(pitch - self.high) // 12))
        fitting = [s for s in self.samples if s.serves(pitch, velocity)]
        if not fitting:
            return None
        sample = fitting[self.turn[pitch] % len(fitting)]
        self.turn[pitch] += 1
        shift = pitch - sample.pitch if fold else 0.0
        audio = transposed(sample.path, round(2 ** ((shift + self.tuning) / 12), 6))
        return audio * np.float32((velocity / sample.velocity_high) ** LOUDNESS_EXPONENT)


@lru_cache(maxsize=256)
def read_table(folder: Path) -> tuple[Sample, ...]:
    """The rows of a folder's samples.csv. Raises UserError when it is missing or a row cannot be read."""
    try:
        with (folder / "samples.csv").open(newline="") as file:
            return tuple(
                Sample(folder / row["file"], float(row["pitch"]), *(int(row[key]) for key in
                       ("low", "high", "velocity_low", "velocity_high")), row["articulation"])
                for row in csv.DictReader(file)
            )  # fmt: skip
    except FileNotFoundError:
        raise UserError(f"{folder}: samples.csv is missing; give a folder with one folder per instrument") from None
    except (KeyError, ValueError) as error:
        raise UserError(f"{folder / 'samples.csv'}: cannot be read ({error})") from error


def instruments_in(folder: Path) -> list[str]:
    """The instruments of a pack by name. Raises UserError when there is none."""
    found = sorted(path.parent.name for path in folder.glob("*/samples.csv"))
    if not found:
        raise UserError(f"{folder}: no instruments (folders with a samples.csv); give the folder that holds them")
    return found


class InstrumentPack:
    """Sampled instruments with amplifiers and rooms, chosen per part at random from `seed`.

    Args:
        folder: the pack
        seed: decides which instruments, amplifiers and rooms are taken
        names: the instrument folders to choose from; all when empty
    """

    def __init__(self, folder: Path, seed: str, names: Sequence[str] = ()):
        self.folder, self.seed = folder, seed
        self.instruments = [name for name in instruments_in(folder) if not names or name in names]
        self.name = folder.name

    @cached_property
    def responses(self) -> dict[str, np.ndarray]:
        """Impulse responses by file name, each with unit energy."""
        found = {path.stem: _recording(path) for path in sorted((self.folder / "impulse_responses").glob("*.flac"))}
        return {name: response / np.sqrt(np.square(response).sum()) for name, response in found.items()}

    def choose(self, part: Part, rng: random.Random) -> str:
        """The instrument, as folder or folder:articulation, that plays a part; any of its class now and then."""
        kind = "drums" if part.is_drum else {0: "piano", 3: "guitar", 4: "bass"}.get(part.program // 8)
        suits = PLAYED_BY.get(kind, {}).get(part.program, ())
        suits = [name for name in suits if name.partition(":")[0] in self.instruments]
        anything = [name for name in self.instruments if kind and name.startswith(FAMILY[kind])]
        if not anything:
            raise UserError(f"{self.folder}: no instrument for {kind or f'program {part.program}'}")
        return rng.choice(suits if suits and rng.random() < 0.8 else anything)

    def play(self, song: Song, part: Part, samples: int) -> np.ndarray:
        """The part as float32 (samples,); the same seed, song and part give the same sound."""
        rng = random.Random(f"{self.seed}:{part.is_drum}:{part.program}:{part.name}")
        name = self.choose(part, rng)
        audio = (self._drums if part.is_drum else self._notes)(song, part, samples, name, rng)
        return self._room(self._amplifier(audio, name, part, rng), rng)

    def _notes(self, song: Song, part: Part, samples: int, name: str, rng: random.Random) -> np.ndarray:
        folder, _, articulation = name.partition(":")
        instrument = SampledInstrument(self.folder / folder, articulation, tuning=rng.gauss(0, 0.05))
        release = RELEASE_S.get(folder.partition("_")[0], 0.1)
        audio = np.zeros(samples, np.float32)
        for start, end, note in timed(song, part):
            sound = instrument.note(note.pitch, note.velocity)
            if sound is not None:
                add(audio, start, faded(sound, max(end - start, round(0.05 * SAMPLE_RATE)), release))
        return audio

    def _drums(self, song: Song, part: Part, samples: int, name: str, rng: random.Random) -> np.ndarray:
        tuning = rng.uniform(-2, 2)
        kit = SampledInstrument(self.folder / name, tuning=tuning)
        percussion = SampledInstrument(self.folder / "percussion") if "percussion" in self.instruments else None
        snare = None
        if "snares_frankensnare" in self.instruments and rng.random() < 0.7:
            kinds = sorted({s.articulation for s in read_table(self.folder / "snares_frankensnare")})
            snare = SampledInstrument(self.folder / "snares_frankensnare", rng.choice(kinds), tuning)
        audio = np.zeros(samples, np.float32)
        hits = timed(song, part)
        hats = [start for start, _, note in hits if note.pitch in HATS]
        for start, _, note in hits:
            source = snare if snare is not None and note.pitch in SNARES else kit
            sound = source.note(note.pitch, note.velocity, fold=False)
            if sound is None and percussion is not None:
                sound = percussion.note(note.pitch, note.velocity, fold=False)
            if sound is None:
                continue
            if note.pitch == OPEN_HAT:  # the next stroke on the pair stops it
                closed = next((hat for hat in hats if hat > start + 0.02 * SAMPLE_RATE), None)
                sound = sound if closed is None else faded(sound, closed - start, 0.02)
            add(audio, start, sound)
        return audio

    def _amplifier(self, audio: np.ndarray, name: str, part: Part, rng: random.Random) -> np.ndarray:
        """Guitars recorded directly, and most basses, through a driven amplifier and a loudspeaker."""
        names = [r for r in self.responses if not r.startswith("room_") and r != "speaker_rotary"]
        guitar = name.partition(":")[0] in DIRECT
        bass = name.startswith("bass_") and name != "bass_upright" and rng.random() < 0.5
        if not names or not (guitar or bass):
            return audio
        peak = float(np.abs(audio).max(initial=0)) or 1.0
        drive = rng.uniform(6, 25) if part.program in DRIVEN else rng.choice((0.3, 0.7, 1.5, 3.0)) if guitar else 0.5
        audio = np.tanh(audio * (drive / peak)) * (peak / drive**0.7)
        return self._through(audio, rng.choice([r for r in names if "bass" not in r] if guitar else names))

    def _room(self, audio: np.ndarray, rng: random.Random) -> np.ndarray:
        """Half of the parts stand in a room."""
        rooms = [r for r in self.responses if r.startswith("room_")]
        if not rooms or rng.random() < 0.5:
            return audio
        return audio + np.float32(rng.uniform(0.05, 0.35)) * self._through(audio, rng.choice(rooms))

    def _through(self, audio: np.ndarray, response: str) -> np.ndarray:
        return oaconvolve(audio, self.responses[response])[: len(audio)].astype(np.float32)


def timed(song: Song, part: Part) -> list[tuple[int, int, Note]]:
    """(first sample, last sample, note) of a part in the order of playing, held as the sustain pedal holds them."""
    notes = pedalled(part)
    spans = np.array([(note.start, note.end) for note in notes]).reshape(-1, 2)
    starts, ends = (np.rint(song.seconds(spans[:, i]) * SAMPLE_RATE).astype(np.int64).tolist() for i in (0, 1))
    return sorted(zip(starts, ends, notes, strict=True))


def faded(sound: np.ndarray, length: int, release_s: float) -> np.ndarray:
    """A sound that ends after `length` samples, with a fade of `release_s` seconds behind them."""
    fade = round(release_s * SAMPLE_RATE)
    if len(sound) <= length:
        return sound
    sound = sound[: length + fade].copy()
    sound[length:] *= np.linspace(1, 0, fade, dtype=np.float32)[: len(sound) - length] ** 2
    return sound


def add(audio: np.ndarray, start: int, sound: np.ndarray) -> None:
    """Add a sound to audio from sample `start` on; what lies beyond its end is left out."""
    count = min(len(sound), len(audio) - start)
    if count > 0 and start >= 0:
        audio[start : start + count] += sound[:count]
