"""What is wrong with a track, found by reading all of it: every sample, every note, and whether the two belong together."""

from pathlib import Path

import numpy as np
import soundfile

from accomp.data.midi import read_song
from accomp.data.problems import Problem
from accomp.data.slakh import open_track, sounds_of
from accomp.data.song import Song, pedalled
from accomp.data.track import read_sound
from accomp.errors import UserError
from accomp.timeline import SAMPLE_RATE

FRAMES_PER_S = 10  # of the levels that are held against the notes
SILENCE_DB = -80.0  # of full scale
TAIL_S = 3.0  # a note may be heard for so long after its end
LEAST_S = 1.0  # of notes, or of rests, before anything is said about them
REST_DB = 10.0  # in rests a stem is at least so much softer than in notes
# Of 243 rendered stems none is nearer to constant than (0.1 dB, 0.10) or (1.4 dB, 0.06); white noise has (0.1 dB, 0.015).
CONSTANT_DB, CONSTANT_SHARE = 0.3, 0.03
BANDS = 12  # logarithmic, for the shape of the spectrum
LEAST_NOTES = 8


def check_track(path: Path, sample_rate: int = SAMPLE_RATE) -> list[Problem]:
    """Everything that is wrong with one track folder; an empty list when it is sound."""
    path = Path(path)
    if not path.is_dir():
        return [Problem(path, "a track folder", "nothing")]
    _, problems = open_track(path, sample_rate, every_stem=True)
    midi = path / "all_src.mid"
    if midi.is_file():
        song = _song(midi, problems)
        if song and not song.end:
            problems.append(Problem(midi, "notes", "none"))
    faulty = {problem.file for problem in problems}
    for file in (file for file in sounds_of(path) if file not in faulty):
        try:
            audio = read_sound(file, 0, soundfile.info(file).frames, sample_rate)
        except UserError as error:
            problems.append(Problem(file, "readable sound", str(error).removeprefix(f"{file}: ")))
            continue
        midi = path / "MIDI" / f"{file.stem}.mid"
        if midi.is_file() and (song := _song(midi, problems)):
            problems += [Problem(file, *fault) for fault in sound_against_notes(audio, song, sample_rate)]
    return problems


def _song(midi: Path, problems: list[Problem]) -> Song | None:
    try:
        return read_song(midi)
    except UserError as error:
        problems.append(Problem(midi, "a MIDI file", str(error).removeprefix(f"{midi}: ")))
        return None


def sound_against_notes(audio: np.ndarray, song: Song, sample_rate: int) -> list[tuple[str, str]]:
    """(expected, found) of what cannot be the sound of these notes: silence, a level that stays the same, sound in rests.

    `audio` is (N,). Another instrument that plays at the same times is not noticed.
    """
    hop = sample_rate // FRAMES_PER_S
    frames = len(audio) // hop
    blocks = audio[: frames * hop].reshape(frames, hop)
    levels = 10 * np.log10(np.square(blocks, dtype=np.float64).mean(1) + 1e-12)
    sounding, resting, notes = np.zeros(frames, bool), np.ones(frames, bool), 0
    for note in (note for part in song.parts for note in pedalled(part)):
        start_s, end_s = song.seconds([note.start, note.end])
        first, last, faded = (int(at * FRAMES_PER_S) for at in (start_s, end_s, end_s + TAIL_S))
        sounding[first : last + 1] = True
        resting[first : faded + 1] = False
        notes += first < frames
    least = LEAST_S * FRAMES_PER_S
    played, rest = levels[sounding], levels[resting]
    if len(played) >= least and played.max() < SILENCE_DB:
        return [(f"the sound of {notes} notes", "silence")]
    if len(played) >= least and notes >= LEAST_NOTES and _is_constant(blocks[sounding], played):
        return [(f"the sound of {notes} notes", "one level all along, as of noise or a tone")]
    limit = np.median(played) - REST_DB if len(played) >= least else SILENCE_DB
    if len(rest) >= least and np.median(rest) > max(limit, SILENCE_DB):
        return [("silence where no note plays", "sound")]
    return []


def _is_constant(blocks: np.ndarray, levels: np.ndarray) -> bool:
    """Whether neither the level of the blocks (T, N) changes nor how their power is shared among bands."""
    if levels.std() >= CONSTANT_DB:
        return False
    power = np.square(np.abs(np.fft.rfft(blocks * np.hanning(blocks.shape[1]))))
    edges = np.unique(np.geomspace(2, power.shape[1], BANDS + 1).astype(int))
    bands = np.add.reduceat(power, edges[:-1], axis=1)
    return bool((bands / bands.sum(1, keepdims=True)).std(0).max() < CONSTANT_SHARE)
