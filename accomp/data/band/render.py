"""Plays a song with a SoundFont and files it the way Slakh2100 is filed: one sound file per instrument, and their sum.

Layout of a track: all_src.mid, metadata.yaml, mix.flac, MIDI/SXX.mid, stems/SXX.flac; mono, 44.1 kHz, 16 bit. As in
Slakh, every stem is brought to -13 LUFS, and when the mix then peaks above -1 dBFS, one gain (overall_gain) lowers mix
and stems alike, so that the mix stays the sum of the stems. Source: slakh-utils README and slakh-generation.
Loudness is measured here: torchaudio's differs by up to 0.05 LU, which would change the sound of the published band.
"""

import math
import random
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pretty_midi
import soundfile
import yaml
from scipy.signal import sosfilt

from accomp.data.midi import write_song
from accomp.data.song import Control, Note, Part, Song, pedalled
from accomp.errors import UserError
from accomp.timeline import SAMPLE_RATE

LOUDNESS_LUFS = -13.0
PEAK_DBFS = -1.0
TAIL_S = 2.0  # sound after the last note ends
FADE = SAMPLE_RATE // 50  # samples; a song that is cut must not end in a click
DRUM_RING_S = 0.5  # a struck drum rings on, however short its note is written
FOUR = frozenset({"Bass", "Drums", "Guitar", "Piano"})
FAMILIES = (  # Slakh's names for the sixteen General MIDI families, eight programs each
    "Piano", "Chromatic Percussion", "Organ", "Guitar", "Bass", "Strings", "Strings (continued)", "Brass",
    "Reed", "Pipe", "Synth Lead", "Synth Pad", "Sound Effects", "Ethnic", "Percussive", "Sound effects",
)  # fmt: skip
PLAYED_CONTROLS = frozenset({6, 7, 11, 38, 98, 99, 100, 101})  # what the synthesiser knows and a mono mix can show
VOICES = 256


def inst_class(part: Part) -> str:
    """Slakh's name for the family of the part's instrument."""
    return "Drums" if part.is_drum else FAMILIES[part.program // 8]


class Synthesiser:
    """A SoundFont as an instrument: notes in, mono sound out. Loading takes up to seconds: load once, play often."""

    def __init__(self, path: Path):
        try:
            import tinysoundfont._tinysoundfont as tsf  # here, so that only those who render need it
        except ModuleNotFoundError as error:
            raise UserError("no synthesiser: run `make setup` or pip install --no-deps tinysoundfont==0.3.7") from error
        self.name = path.name
        try:
            self._synth = tsf.SoundFont(str(path))
        except RuntimeError as error:
            raise UserError(f"{path}: not a SoundFont that can be read ({error}); give an .sf2 or .sf3 file") from error
        self._synth.set_output(tsf.OutputMode.Mono, SAMPLE_RATE, 0.0)
        self._synth.set_max_voices(VOICES)
        self._discarded = np.empty(SAMPLE_RATE // 10, dtype=np.float32)

    def play(self, song: Song, part: Part, samples: int) -> np.ndarray:
        """The part as float32 (samples,); each note begins on its exact sample, whatever was played before."""
        # Stopped notes fade for some milliseconds: render and discard that, so that no part depends on the one before.
        self._synth.reset()
        self._render(self._discarded)
        channel = 9 if part.is_drum else 0
        self._synth.channel_set_preset_number(channel, part.program, part.is_drum)
        audio = np.zeros(samples, dtype=np.float32)
        position = 0
        for at, _, event in self._events(song, part):
            if at >= samples:
                break
            if at > position:
                self._render(audio[position:at])
                position = at
            self._send(channel, event)
        self._render(audio[position:])
        if not np.isfinite(audio).all():
            raise UserError(f"{self.name}: program {part.program} gives no finite sound; use another SoundFont")
        return audio

    def _render(self, out: np.ndarray) -> None:
        if len(out):
            self._synth.render(memoryview(out).cast("B"), False)

    @staticmethod
    def _events(song: Song, part: Part) -> list[tuple[int, int, Control | Note | int]]:
        """(sample, rank, event) in playing order: controls, then ends of notes (their pitch), then beginnings."""
        notes = pedalled(part)
        spans = np.array([(note.start, note.end) for note in notes]).reshape(-1, 2)
        starts, ends = song.seconds(spans[:, 0]), song.seconds(spans[:, 1])
        if part.is_drum:
            ends = np.maximum(ends, starts + DRUM_RING_S)
        starts = np.rint(starts * SAMPLE_RATE).astype(np.int64)
        ends = np.maximum(np.rint(ends * SAMPLE_RATE).astype(np.int64), starts + 1)
        events = [(int(at), 2, note) for at, note in zip(starts, notes, strict=True)]
        events += [(int(at), 1, note.pitch) for at, note in zip(ends, notes, strict=True)]
        controls = [c for c in part.controls if c.number < 0 or c.number in PLAYED_CONTROLS]
        times = np.rint(song.seconds(np.array([c.tick for c in controls], dtype=np.int64)) * SAMPLE_RATE)
        events += [(int(at), 0, control) for at, control in zip(times, controls, strict=True)]
        return sorted(events, key=lambda event: event[:2])

    def _send(self, channel: int, event: Control | Note | int) -> None:
        match event:
            case Note():
                self._synth.channel_note_on(channel, event.pitch, event.velocity / 127)
            case Control(number=-1):
                self._synth.channel_set_pitch_wheel(channel, event.value + 8192)
            case Control():
                self._synth.channel_midi_control(channel, event.number, event.value)
            case pitch:
                self._synth.channel_note_off(channel, pitch)


@cache
def _k_weighting() -> np.ndarray:
    """BS.1770-4's two filters (head, then low cut) for this sample rate: sections (2, 6)."""
    # The standard gives coefficients at 48 kHz; these are the analogue filters behind them, as libebur128 has them.
    k, q = math.tan(math.pi * 1681.974450955533 / SAMPLE_RATE), 0.7071752369554196
    high = 10 ** (3.999843853973347 / 20)
    middle = high**0.4996667741545416
    head = (high + middle * k / q + k * k, 2 * (k * k - high), high - middle * k / q + k * k)
    head += (1 + k / q + k * k, 2 * (k * k - 1), 1 - k / q + k * k)
    k, q = math.tan(math.pi * 38.13547087602444 / SAMPLE_RATE), 0.5003270373238773
    low_a = (1 + k / q + k * k, 2 * (k * k - 1), 1 - k / q + k * k)
    low = (low_a[0], -2 * low_a[0], low_a[0], *low_a)  # the standard leaves this numerator at 1, -2, 1
    return np.array([np.array(section) / section[3] for section in (head, low)])


def loudness_lufs(audio: np.ndarray) -> float:
    """Integrated loudness of BS.1770-4 in LUFS; -inf for silence."""
    block, hop = int(0.4 * SAMPLE_RATE), int(0.1 * SAMPLE_RATE)
    if len(audio) < block:
        audio = np.pad(audio, (0, block - len(audio)))
    # Digital silence drives the filter into denormal numbers, twenty times slower: a hair of noise prevents it.
    dither = np.random.default_rng(0).standard_normal(len(audio)) * 1e-9
    weighted = sosfilt(_k_weighting(), audio + dither)
    energy = np.concatenate([[0.0], np.cumsum(weighted * weighted)])
    at = np.arange(0, len(audio) - block + 1, hop)
    power = np.maximum((energy[at + block] - energy[at]) / block, 1e-20)
    loud = -0.691 + 10 * np.log10(power)
    gate = loud > -70
    if not gate.any():
        return -math.inf
    gate &= loud > -0.691 + 10 * math.log10(power[gate].mean()) - 10
    return -0.691 + 10 * math.log10(power[gate].mean())


@dataclass(frozen=True)
class SongSource:
    """Where a song comes from: its file name and an id that changes with its content."""

    name: str
    uuid: str


def stems_of(song: Song) -> list[Part]:
    """One part per stem: all drum parts as one, as Slakh wants it."""
    drums = [part for part in song.parts if part.is_drum]
    stems = [part for part in song.parts if not part.is_drum]
    if drums:
        main = max(drums, key=lambda part: len(part.notes))
        stems.append(replace(main, notes=tuple(sorted(note for part in drums for note in part.notes))))
    return [part for part in stems if part.notes]


def render_track(folder: Path, song: Song, synthesiser: Synthesiser, source: SongSource, limit_s: float) -> int:
    """Play a song into `folder` (which must not exist) in Slakh's layout; returns the number of audible stems.

    Sound ends TAIL_S after the last note, at `limit_s` at the latest. Parts that are none of the FOUR stay in
    all_src.mid and in metadata.yaml (audio_rendered false), as Slakh does with instruments it has no sound for: ids
    have gaps.
    """
    samples = round(min(float(song.seconds(song.end)) + TAIL_S, limit_s) * SAMPLE_RATE)
    parts = stems_of(song)
    random.Random(source.uuid).shuffle(parts)
    stems = {f"S{number:02d}": part for number, part in enumerate(parts)}
    entries, audio = {}, {}
    for stem_id, part in stems.items():
        sound, lufs = normalised(synthesiser, song, part, samples) if inst_class(part) in FOUR else (None, None)
        entries[stem_id] = _entry(part, synthesiser, lufs)
        if sound is not None:
            audio[stem_id] = sound
    if not audio:
        raise UserError(f"{source.name}: nothing audible with {synthesiser.name}")
    peak = np.abs(sum(audio.values())).max()
    gain = min(1.0, 10 ** (PEAK_DBFS / 20) / peak)
    (folder / "MIDI").mkdir(parents=True)
    (folder / "stems").mkdir()
    _write_audio(folder, audio, gain)
    write_song(folder / "all_src.mid", song)
    for stem_id in audio:
        write_song(folder / "MIDI" / f"{stem_id}.mid", replace(song, parts=(stems[stem_id],)))
    _write_metadata(folder, entries, gain, source)
    return len(audio)


def normalised(synthesiser: Synthesiser, song: Song, part: Part, samples: int) -> tuple[np.ndarray | None, float | None]:
    """A stem at LOUDNESS_LUFS, and how loud it was when its peak was 0.8; (None, None) when it is not audible."""
    sound = synthesiser.play(song, part, samples)
    sound[-FADE:] *= np.linspace(1, 0, len(sound[-FADE:]), dtype=np.float32)
    peak = float(np.abs(sound).max(initial=0))
    if peak < 1e-5:
        return None, None
    sound *= 0.8 / peak  # Slakh measures after this
    lufs = loudness_lufs(sound)
    if not math.isfinite(lufs):
        return None, None
    return sound * np.float32(10 ** ((LOUDNESS_LUFS - lufs) / 20)), lufs


def _entry(part: Part, synthesiser: Synthesiser, lufs: float | None) -> dict:
    """A stem's eight keys in metadata.yaml (seven, without loudness, when it was skipped)."""
    audible = lufs is not None
    entry = {
        "audio_rendered": audible,
        "inst_class": inst_class(part),
        "is_drum": part.is_drum,
        "midi_program_name": "Drums" if part.is_drum else pretty_midi.program_to_instrument_name(part.program),
        "midi_saved": audible,
        "plugin_name": f"{synthesiser.name}:{128 if part.is_drum else 0}:{part.program}" if audible else "None",
        "program_num": 128 if part.is_drum else part.program,
    }
    return entry | ({"integrated_loudness": lufs} if audible else {})


def _write_audio(folder: Path, audio: dict[str, np.ndarray], gain: float) -> None:
    """Stems and mix as 16-bit FLAC. The mix adds the rounded stems, so that it is their sum to the last bit."""
    mix = 0
    for stem_id, sound in audio.items():
        rounded = np.clip(np.rint(sound * (gain * 32767)), -32768, 32767).astype(np.int16)
        mix = mix + rounded.astype(np.int32)
        soundfile.write(folder / "stems" / f"{stem_id}.flac", rounded, SAMPLE_RATE, subtype="PCM_16")
    soundfile.write(folder / "mix.flac", np.clip(mix, -32768, 32767).astype(np.int16), SAMPLE_RATE, subtype="PCM_16")


def _write_metadata(folder: Path, entries: dict, gain: float, source: SongSource) -> None:
    metadata = {
        "UUID": source.uuid,
        "audio_dir": "stems",
        "lmd_midi_dir": source.name,
        "midi_dir": "MIDI",
        "normalization_factor": LOUDNESS_LUFS,
        "normalized": True,
        "overall_gain": float(gain),
        "stems": entries,
        "target_peak": PEAK_DBFS,
    }
    (folder / "metadata.yaml").write_text(yaml.safe_dump(metadata, default_flow_style=False), encoding="utf-8")
