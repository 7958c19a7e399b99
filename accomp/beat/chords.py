"""Which chord stands at each beat, from the notes that sound: a root and the pitch classes that belong to it.

The chord of a beat is the template whose unit vector has the largest inner product with the profile of the notes,
weighted by how long they sound (template matching: Fujishima 1999); the lowest note's pitch class is favoured as root.
"""

from dataclasses import dataclass

import numpy as np

TEMPLATES = {  # semitones above the root
    "": (0, 4, 7),
    "m": (0, 3, 7),
    "7": (0, 4, 7, 10),
    "m7": (0, 3, 7, 10),
    "maj7": (0, 4, 7, 11),
    "dim": (0, 3, 6),
    "sus4": (0, 5, 7),
}
ROOT_BONUS = 0.1  # of the inner product, when the root is the lowest note
NEIGHBOUR = 0.25  # weight of the beats before and after
NAMES = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")

_KINDS = [(root, name) for root in range(12) for name in TEMPLATES]
_SETS = np.zeros((len(_KINDS), 12))
for _row, (_root, _name) in enumerate(_KINDS):
    _SETS[_row, [(_root + step) % 12 for step in TEMPLATES[_name]]] = 1
_ROOTS = np.array([root for root, _ in _KINDS])


@dataclass(frozen=True)
class BeatChords:
    """Chords of consecutive beats: `beats_s` (N + 1,) their borders in seconds, `roots` (N,) 0..11 or -1 where nothing
    sounds, `tones` (N, 12) whether a pitch class belongs to the chord, `names` such as "Am7".
    """

    beats_s: np.ndarray
    roots: np.ndarray
    tones: np.ndarray
    names: tuple[str, ...]

    def at(self, times_s: np.ndarray) -> np.ndarray:
        """The beat in which each time lies, -1 outside all beats."""
        index = np.searchsorted(self.beats_s, times_s, side="right") - 1
        return np.where((index >= 0) & (index < len(self.roots)), index, -1)

    def shifted(self, seconds: float) -> "BeatChords":
        """The same chords counted from `seconds` on."""
        return BeatChords(self.beats_s - seconds, self.roots, self.tones, self.names)


def beat_chords(start_s: np.ndarray, end_s: np.ndarray, pitch: np.ndarray, beats_s: np.ndarray) -> BeatChords:
    """The chords under notes with these starts, ends and MIDI pitches (M,), for the beats between `beats_s`."""
    profile, lowest = beat_profiles(start_s, end_s, pitch, beats_s)
    padded = np.pad(profile, ((1, 1), (0, 0)))
    return fitted_chords(profile + NEIGHBOUR * (padded[:-2] + padded[2:]), np.where(lowest < 0, -1, lowest % 12), beats_s)


def fitted_chords(profile: np.ndarray, bass: np.ndarray, beats_s: np.ndarray) -> BeatChords:
    """The chords that fit best to pitch class profiles of beats (N, 12) and their lowest pitch classes (N,), -1: none."""
    norm = np.linalg.norm(profile, axis=1, keepdims=True)
    fit = (profile / np.maximum(norm, 1e-9)) @ (_SETS / np.sqrt(_SETS.sum(1, keepdims=True))).T
    fit = fit + ROOT_BONUS * (bass[:, None] == _ROOTS)
    best = fit.argmax(1) if len(fit) else np.zeros(0, int)
    sounding = norm[:, 0] > 0
    names = tuple(NAMES[_KINDS[b][0]] + _KINDS[b][1] if h else "" for b, h in zip(best, sounding, strict=True))
    return BeatChords(beats_s, np.where(sounding, _ROOTS[best], -1), (_SETS[best] > 0) & sounding[:, None], names)


def beat_profiles(
    start_s: np.ndarray, end_s: np.ndarray, pitch: np.ndarray, beats_s: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """How long each pitch class sounds in each beat, in beats, (N, 12); and the lowest pitch that sounds for a quarter
    of it, or -1, (N,).
    """
    count = max(len(beats_s) - 1, 0)
    profile, lowest = np.zeros((count, 12)), np.full(count, 999)
    first = np.searchsorted(beats_s, start_s, side="right") - 1
    last = np.searchsorted(beats_s, end_s, side="left") - 1
    for begin, end, low, high, note in zip(start_s, end_s, first, last, pitch, strict=True):
        for beat in range(max(low, 0), min(high, count - 1) + 1):
            left, right = beats_s[beat], beats_s[beat + 1]
            share = (min(right, end) - max(left, begin)) / (right - left)
            if share > 0:
                profile[beat, note % 12] += share
                if share >= 0.25:
                    lowest[beat] = min(lowest[beat], note)
    return profile, np.where(lowest == 999, -1, lowest)
