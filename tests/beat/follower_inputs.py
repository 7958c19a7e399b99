"""The pointers of a perfect tracker for beats of any tempo, and what a follower makes of them."""

import numpy as np

HOP = 2048
RATE = 44_100 / HOP  # frames per second


def pointers(bpm, beats_in_bar=4, seconds=10.0, phase=0.3, noise=0.0, seed=0):
    """Pointers (T, 4) and the position in beats at each frame; `bpm` is a number or a function of the time in seconds."""
    t = np.arange(round(seconds * RATE))
    tempo = np.array([bpm(frame / RATE) for frame in t]) if callable(bpm) else np.full(len(t), float(bpm))
    beat = phase + np.concatenate([[0], np.cumsum(tempo[:-1])]) / 60 / RATE
    angles = 2 * np.pi * beat, 2 * np.pi * beat / beats_in_bar
    z = np.stack([f(angle) for angle in angles for f in (np.sin, np.cos)], 1)
    return z + noise * np.random.default_rng(seed).standard_normal(z.shape), beat


def followed(follower, z, heard=None, step=16, start=0):
    """Give a follower pointers in steps, only those heard; (frame reached, pulse) after each."""
    heard = np.ones(len(z), bool) if heard is None else heard
    found = []
    for first in range(0, len(z) - step + 1, step):
        if heard[first : first + step].all():
            follower.listen(z[first : first + step], start + first)
        found.append((start + first + step, follower.at(start + first + step)))
    return found


def errors(found, beat, ahead=0):
    """How far each pulse found lies from the true position `ahead` frames after its frame, in beats; NaN: no pulse."""
    wrong = []
    for frame, pulse in found:
        if frame + ahead < len(beat):
            off = np.nan if pulse is None else pulse.phase(frame + ahead, HOP) - beat[frame + ahead]
            wrong.append((off + 0.5) % 1 - 0.5)
    return np.abs(np.array(wrong))
