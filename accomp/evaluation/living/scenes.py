"""The scenes: what the player does, made in the notes of a song, where it is exact, and what is asked of the answer.

Every scene begins with the player in tempo. What the scene is about begins CHANGE of its length later.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from accomp.audio import rms_db
from accomp.beat.grid import BeatGrid
from accomp.data.band.render import FOUR, Synthesiser, inst_class, normalised, stems_of
from accomp.data.beats import grid_of
from accomp.data.living import at_tempo, half_a_beat_late, in_compound_metre, in_metre, repeated, with_rest, with_tempo
from accomp.data.song import Song
from accomp.timeline import SAMPLE_RATE, to_samples

CHANGE = 0.4  # of a scene's length
SHORTEST_S = 24.0  # of a scene
REST_S, STOP_S = 8.0, 14.0
AFTER_STEP_S = 4.0  # after a step of the tempo the beat should be kept
LEVEL_DB = -18.0  # of the player, where the scene does not say otherwise
Span = tuple[float, float]  # seconds
Change = Callable[[Song, float], tuple[Song, Span]]  # a song and a time -> what is played, and what the scene is about


@dataclass(frozen=True)
class Scene:
    """What happens, and what is asked of each figure (see `figures`), in words; "" where nothing is.

    `levels_db` are the player's before, in and after the span that the scene is about; `returns`: he is away in it, and what
    counts is how soon the beat is kept after it. `adds`: from there on another instrument is asked for.
    """

    name: str
    asked: dict[str, str]
    change: Change | None = None  # None: nobody plays
    levels_db: tuple[float, float, float] = (LEVEL_DB,) * 3
    nobody: Callable[[int], np.ndarray] | None = None
    rest_after: float = 0.0  # bars; 0: the model plays on for ever
    returns: bool = False
    adds: bool = False


@dataclass(frozen=True)
class Take:
    """A scene as it is played: the player's sound (N,), the beats of the score, and the span that the scene is about."""

    scene: Scene
    song: str
    audio: np.ndarray
    grid: BeatGrid | None
    span_s: Span

    @property
    def length_s(self) -> float:
        return len(self.audio) / SAMPLE_RATE


@dataclass(frozen=True)
class Band:
    """Plays a song's bass, guitars and pianos with a SoundFont; the drums are the model's part."""

    synthesiser: Synthesiser

    def take(self, scene: Scene, name: str, song: Song, seconds: float) -> Take:
        """The scene with this song, `seconds` long."""
        changed, span = scene.change(repeated(song, 2 * seconds), CHANGE * seconds)
        samples = to_samples(seconds)
        parts = [part for part in stems_of(changed) if inst_class(part) in FOUR - {"Drums"}]
        played = (normalised(self.synthesiser, changed, part, samples)[0] for part in parts)
        audio = sum((sound for sound in played if sound is not None), np.zeros(samples, np.float32))
        start, stop = map(to_samples, span)
        unit_db = rms_db(audio[:start])
        for at, db in zip((slice(start), slice(start, stop), slice(stop, None)), scene.levels_db, strict=True):
            audio[at] *= np.float32(10 ** ((db - unit_db) / 20))
        return Take(scene, name, audio.clip(-1, 1), grid_of(changed), span)


def without_player(scene: Scene, seconds: float) -> Take:
    """A scene in which nobody plays."""
    audio = scene.nobody(to_samples(seconds)).astype(np.float32)
    return Take(scene, "", audio, None, (0.0, seconds))


def _steady(song: Song, at_s: float) -> tuple[Song, Span]:
    return song, (at_s, at_s)


def _from_bar(song: Song, at_s: float) -> float:
    return float(song.seconds(song.bar_at(song.tick_at(at_s))))


def _rest(song: Song, at_s: float, length_s: float = REST_S, late: bool = False) -> tuple[Song, Span]:
    """Nobody plays until a bar line, or half a beat after one."""
    stop_s = _from_bar(song, at_s + length_s + 1e-3)
    rested = with_rest(song, stop_s - length_s, stop_s)
    return half_a_beat_late(rested, stop_s + 1e-3) if late else rested, (stop_s - length_s, stop_s)


def _tempo(song: Song, at_s: float, before: float, after: float, ramp_s: float = 0.0) -> tuple[Song, Span]:
    """From one tempo to another at once, or evenly in `ramp_s` seconds."""
    song, factor = at_tempo(song, before), after / before
    start_s = _from_bar(song, at_s)
    at_old_tempo_s = ramp_s * (factor - 1) / np.log(factor)  # what lasts `ramp_s` while the tempo changes
    return with_tempo(song, start_s + 1e-3, factor, at_old_tempo_s), (start_s, start_s + (ramp_s or AFTER_STEP_S))


def _metre(song: Song, at_s: float, beats: int, beats_per_minute: float, compound: bool = False) -> tuple[Song, Span]:
    song = in_metre(song, beats) if beats != 4 else song
    return at_tempo(in_compound_metre(song) if compound else song, beats_per_minute), (at_s, at_s)


def _hum(samples: int) -> np.ndarray:
    time_s = np.arange(samples) / SAMPLE_RATE
    return 1e-3 * np.sqrt(2) * np.sin(2 * np.pi * 50 * time_s)


def _noise(samples: int) -> np.ndarray:
    return 10 ** (-30 / 20) * np.random.default_rng(0).standard_normal(samples)


ON_THE_BEAT = {"drums": "", "clock": ""}
STEP = {"drums": "after: 0.8", "clock": "after: 0.8; 4 s"}
RAMP = {"drums": "", "clock": "", "tempo": "2 bpm"}
METRE = {"drums": "", "clock": "10 of 12 told", "bars": "right, or none"}
NOBODY = {"level": "below -60 dBFS"}
SCENES = (
    Scene("steady", ON_THE_BEAT, _steady),
    Scene("rests 8 s", {"drums": "during: 0.9; one step", "clock": "during: 0.9; one step"}, _rest, returns=True),
    Scene("rests 8 s, back half a beat late", {"drums": "2 bars", "clock": "2 bars"}, partial(_rest, late=True), returns=True),
    Scene("100 to 108 bpm", STEP, partial(_tempo, before=100, after=108)),
    Scene("90 to 130 bpm", STEP, partial(_tempo, before=90, after=130)),
    Scene("130 to 90 bpm", STEP, partial(_tempo, before=130, after=90)),
    Scene("100 to 130 bpm in 20 s", RAMP, partial(_tempo, before=100, after=130, ramp_s=20.0)),
    Scene("110 to 85 bpm in 12 s", RAMP, partial(_tempo, before=110, after=85, ramp_s=12.0)),
    Scene("3/4, 100 bpm", METRE, partial(_metre, beats=3, beats_per_minute=100)),
    Scene("5/4, 110 bpm", METRE, partial(_metre, beats=5, beats_per_minute=110)),
    Scene("7/4, 150 bpm", METRE, partial(_metre, beats=7, beats_per_minute=150)),
    Scene("6/8, 70 dotted quarters", METRE, partial(_metre, beats=2, beats_per_minute=70, compound=True)),
    Scene("9/8, 80 dotted quarters", METRE, partial(_metre, beats=3, beats_per_minute=80, compound=True)),
    Scene("12/8, 60 dotted quarters", METRE, partial(_metre, beats=4, beats_per_minute=60, compound=True)),
    Scene("-18, -38, -58 dBFS", ON_THE_BEAT | {"balance": "within 6 dB to -50; one bar"},
          lambda song, at_s: (song, (at_s, 1.75 * at_s)), (-18.0, -38.0, -58.0)),
    Scene("silence", NOBODY, nobody=np.zeros, rest_after=2.0),
    Scene("hum, -60 dBFS", NOBODY, nobody=_hum, rest_after=2.0),
    Scene("DC", NOBODY, nobody=lambda samples: np.full(samples, 0.2), rest_after=2.0),
    Scene("white noise, -30 dBFS", NOBODY, nobody=_noise, rest_after=2.0),
    Scene("stops for 14 s", ON_THE_BEAT | {"level": "below -60 dBFS"}, partial(_rest, length_s=STOP_S),
          rest_after=2.0, returns=True),
    Scene("bass is added", ON_THE_BEAT | {"offset": "below 0.03"}, _steady, adds=True),
)  # fmt: skip
