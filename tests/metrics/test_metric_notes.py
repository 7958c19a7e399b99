"""Measures of tone, harmony and rhythm on synthetic audio whose answer is known."""

import numpy as np
import pytest

from accomp.beat.chords import beat_chords
from accomp.metrics.bar_repetition import repetition
from accomp.metrics.bass_notes import bass_notes
from accomp.metrics.contract import Excerpt
from accomp.metrics.moving_chroma import moving_chroma
from accomp.metrics.pitch import hnr_db, yin
from accomp.metrics.stroke_grid import off_grid, sixteenths, stroke_grid
from accomp.metrics.tone import attack_db, tone
from accomp.timeline import SAMPLE_RATE


def note(pitch: float, seconds: float, partials: int = 8, level: float = 0.1) -> np.ndarray:
    """A tone with a sharp beginning and partials that fall as 1 / number."""
    t = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    hz = 440 * 2 ** ((pitch - 69) / 12)
    tone = sum(np.sin(2 * np.pi * hz * k * t) / k for k in range(1, partials + 1)) * level
    return (tone * np.minimum(1, (seconds - t) / 0.01)).astype(np.float32)


def line(pitches: list[int], seconds: float = 0.5) -> np.ndarray:
    return np.concatenate([note(pitch, seconds) for pitch in pitches])


def noise(seconds: float, level: float = 0.1) -> np.ndarray:
    return (level * np.random.default_rng(0).standard_normal(round(seconds * SAMPLE_RATE))).astype(np.float32)


def excerpt(stem: str, answer: np.ndarray, context: np.ndarray | None = None, **rest) -> Excerpt:
    context = np.zeros_like(answer) if context is None else context
    values = {"beats_s": None, "truth": answer} | rest
    return Excerpt(stem, answer, context, values.pop("truth"), **values)


@pytest.mark.parametrize("pitch", [28, 33, 45, 59])  # E1 to B3
def test_yin_finds_the_pitch_of_a_bass(pitch):
    hz, _ = yin(note(pitch, 2.0))
    assert np.isfinite(hz[:-8]).all()
    assert np.nanmedian(hz) == pytest.approx(440 * 2 ** ((pitch - 69) / 12), rel=1e-3)


def test_noise_has_no_pitch_and_silence_no_ratio():
    assert np.isfinite(yin(noise(1.0))[0]).mean() < 0.02
    assert np.nanmedian(hnr_db(noise(1.0))) < -8
    assert np.isnan(hnr_db(np.zeros(SAMPLE_RATE, np.float32))).all()
    assert len(yin(np.zeros(100, np.float32))[0]) == 0


@pytest.mark.parametrize("ratio_db", [0, 10, 20])
def test_the_harmonics_to_noise_ratio_is_the_one_that_was_mixed(ratio_db):
    clean = note(45, 3.0)
    dirty = clean + noise(3.0, 1.0) * np.std(clean) * 10 ** (-ratio_db / 20)
    assert np.nanmedian(hnr_db(dirty)) == pytest.approx(ratio_db, abs=1.0)


CHORDS = {"C": (48, 52, 55), "F": (53, 57, 60), "G": (55, 59, 62), "Am": (57, 60, 64)}


def progression(names: list[str]) -> np.ndarray:
    return np.concatenate([sum(note(pitch, 1.0, 3) for pitch in CHORDS[name]) for name in names])


def test_moving_chroma_rewards_changing_together_and_not_a_held_chord():
    context = progression(["C", "F", "G", "Am"] * 3)
    same = moving_chroma(excerpt("piano", progression(["C", "F", "G", "Am"] * 3), context))["moving_chroma_agreement"]
    late = moving_chroma(excerpt("piano", progression(["Am", "C", "F", "G"] * 3), context))["moving_chroma_agreement"]
    held = moving_chroma(excerpt("piano", progression(["C"] * 12), context))["moving_chroma_agreement"]
    assert same > 0.95
    assert late < 0.2 and abs(held) < 0.2
    assert moving_chroma(excerpt("piano", np.zeros_like(context), context))["moving_chroma_agreement"] == 0
    assert np.isnan(moving_chroma(excerpt("drums", context, context))["moving_chroma_agreement"])


def test_the_chord_of_a_beat_is_named_from_its_notes():
    start = np.repeat(np.arange(4.0), 3)
    pitch = np.concatenate([CHORDS[name] for name in ("C", "F", "G", "Am")])
    chords = beat_chords(start, start + 0.9, pitch, np.arange(5.0))
    assert chords.names == ("C", "F", "G", "Am")
    assert chords.roots.tolist() == [0, 5, 7, 9]
    assert chords.at(np.array([-0.1, 0.0, 1.5, 4.0])).tolist() == [-1, 0, 1, -1]


def test_the_lowest_note_decides_between_chords_of_the_same_notes():
    pitches = np.array([57, 60, 64, 67])  # A C E G: Am7; with C below also C6
    chords = beat_chords(np.zeros(4), np.ones(4), pitches, np.array([0.0, 1.0]))
    assert chords.names == ("Am7",)
    silent = beat_chords(np.zeros(0), np.zeros(0), np.zeros(0, int), np.array([0.0, 1.0]))
    assert silent.roots.tolist() == [-1] and not silent.tones.any()


@pytest.mark.parametrize("pitches, tones, roots", [
    ([36, 41, 43, 45], 1.0, 1.0),  # the roots of C F G Am
    ([40, 45, 47, 48], 1.0, 0.0),  # their thirds
    ([37, 42, 44, 46], 0.0, 0.0),  # a semitone above the roots
])  # fmt: skip
def test_bass_notes_are_held_against_the_chords(pitches, tones, roots):
    start = np.repeat(np.arange(4.0), 3)
    chords = beat_chords(start, start + 0.9, np.concatenate([CHORDS[n] for n in ("C", "F", "G", "Am")]), np.arange(5.0))
    found = bass_notes(excerpt("bass", line(pitches, 1.0), chords=chords))
    assert found["bass_chord_tones"] == pytest.approx(tones, abs=0.1)  # a frame lies across a border now and then
    assert found["bass_roots"] == pytest.approx(roots, abs=0.1)
    assert found["bass_periodic"] > 0.9
    silent = bass_notes(excerpt("bass", np.zeros(4 * SAMPLE_RATE, np.float32), chords=chords))
    assert silent == {"bass_chord_tones": 0.0, "bass_roots": 0.0, "bass_periodic": 0.0}


def test_level_and_attack_are_measured_against_the_true_stem():
    gap = np.zeros(SAMPLE_RATE // 5, np.float32)
    slow = np.minimum(1, np.arange(round(0.4 * SAMPLE_RATE)) / (0.2 * SAMPLE_RATE)).astype(np.float32)
    pitches = [40, 45, 47, 45] * 3
    truth = np.concatenate([np.concatenate([gap, note(pitch, 0.4)]) for pitch in pitches])
    soft = np.concatenate([np.concatenate([gap, note(pitch, 0.4) * slow]) for pitch in pitches])
    quieter = tone(excerpt("bass", truth / 2, truth=truth))
    assert quieter["level_difference_db"] == pytest.approx(-6.0, abs=0.1)
    assert -7 < quieter["attack_difference_db"] < -5 and quieter["hnr_db"] > 20
    assert attack_db(truth) > attack_db(soft) + 6
    silent = tone(excerpt("bass", np.zeros_like(truth), truth=truth))
    assert silent["hnr_db"] == -30 and silent["level_difference_db"] == -60
    assert np.isnan(tone(excerpt("drums", truth, truth=truth))["hnr_db"])


def clicks(times_s: np.ndarray, seconds: float) -> np.ndarray:
    audio, burst = np.zeros(round(seconds * SAMPLE_RATE), np.float32), noise(0.02, 0.3)
    for at in np.round(np.asarray(times_s) * SAMPLE_RATE).astype(int):
        audio[at : at + len(burst)] += burst[: len(audio) - at]
    return audio


def test_strokes_on_the_grid_and_between():
    beats = np.arange(0.5, 8.1, 0.5)
    grid = sixteenths(beats)
    assert grid[:5] == pytest.approx([0.5, 0.625, 0.75, 0.875, 1.0])
    assert off_grid(grid + 0.01, grid) == 0 and off_grid(grid[:-1] + 0.0625, grid) == 1
    assert off_grid(np.array([]), grid) == 1
    on = stroke_grid(excerpt("drums", clicks(np.arange(0.5, 8, 0.25), 8.5), beats_s=beats))
    off = stroke_grid(excerpt("drums", clicks(np.arange(0.5, 8, 0.25) + 0.0625, 8.5), beats_s=beats))
    assert on["onsets_off_grid"] < 0.05 and on["hats_off_grid"] < 0.05
    assert off["onsets_off_grid"] > 0.9 and off["hats_off_grid"] > 0.9
    assert np.isnan(stroke_grid(excerpt("drums", clicks([1.0], 2)))["onsets_off_grid"])


def test_a_loop_repeats_and_a_random_line_does_not():
    rng = np.random.default_rng(1)
    bar = [40, 40, 47, 45]
    downbeats = np.arange(0, 16.1, 2.0)
    loop = repetition(line(bar * 8), downbeats, True)
    other = repetition(line(rng.integers(36, 60, 32).tolist()), downbeats, True)
    assert loop > 0.95 > 0.9 > other
    assert repetition(np.zeros(SAMPLE_RATE * 16, np.float32), downbeats, True) == 0
