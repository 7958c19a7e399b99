"""Gives MMA's tracks to the four classes of instruments: one drummer, one bass, up to two guitars and two pianos."""

import random
from collections.abc import Iterable
from dataclasses import replace

from accomp.data.song import Note, Part, Song
from accomp.data.songs.mma import ADDED

PROGRAMS = {"Guitar": range(24, 32), "Piano": range(0, 8), "Bass": range(32, 40)}  # of General MIDI
DRAWN = {"Guitar": (24, 25, 25, 26, 27, 27, 28), "Piano": (0, 0, 0, 1, 2, 4, 5), "Bass": (32, 33, 33, 34, 35)}
KITS = (0, 0, 0, 8, 16, 32)
COMPASS = {"Guitar": (40, 84), "Piano": (28, 100), "Bass": (28, 57)}  # lowest and highest key; drums have none
MOST_ALIKE = 2
SOFTEST = 60  # mean velocity; MMA's pads are softer, and would be lost as a guitar or a piano


def arranged(song: Song, seed: int) -> Song:
    """The song with one part per player, each with a program of its class.

    Tracks of other instruments (organs, strings, brass) become guitars or pianos at random, the class that is missing first;
    of more than two of a class those with the most notes stay. The added track plays only where a class would be missing.
    """
    rng = random.Random(seed)
    drums = [part for part in song.parts if part.is_drum]
    bass = _bass([part for part in song.parts if not part.is_drum])
    others = [part for part in song.parts if not part.is_drum and part not in bass]
    added = [part for part in others if part.name == ADDED]
    chosen: dict[str, list[Part]] = {"Guitar": [], "Piano": []}
    for name, programs in PROGRAMS.items():
        if name != "Bass":
            chosen[name] = [part for part in others if part.program in programs and part not in added]
    rest = [part for part in others if part not in added and part not in chosen["Guitar"] + chosen["Piano"]]
    rest = [part for part in rest if len(part.notes) * 4 * song.ticks_per_quarter >= song.end]  # about a note a bar
    for part in sorted(rest, key=_size):
        chosen[_fewest(chosen, rng)].append(part)
    if added and not all(chosen.values()):
        chosen[_fewest(chosen, rng)] += added
    parts = [merged(drums, rng.choice(KITS), "Drums")] if drums else []
    if bass:
        program = next((part.program for part in bass if part.program in PROGRAMS["Bass"]), rng.choice(DRAWN["Bass"]))
        parts.append(in_compass(merged(bass, program, "Bass")))
    for name, alike in chosen.items():
        for number, part in enumerate(sorted(alike, key=_size)[:MOST_ALIKE], 1):
            fits = part.program in PROGRAMS[name] and part.name != ADDED
            program = part.program if fits else rng.choice(DRAWN[name])
            parts.append(in_compass(merged([part], program, f"{name} {number}")))
    return replace(song, parts=tuple(parts))


def merged(parts: Iterable[Part], program: int, name: str) -> Part:
    """Several parts as one; of notes that begin together on one key the loudest stays. Controllers are left out."""
    parts = list(parts)
    loudest: dict[tuple[int, int], Note] = {}
    for note in (note for part in parts for note in part.notes):
        other = loudest.get((note.start, note.pitch))
        if other is None or (note.velocity, note.end) > (other.velocity, other.end):
            loudest[note.start, note.pitch] = note
    notes = sorted(loudest.values())
    lift = max(SOFTEST - round(sum(note.velocity for note in notes) / max(len(notes), 1)), 0)
    notes = (note._replace(velocity=min(note.velocity + lift, 127)) for note in notes)
    return Part(program, parts[0].is_drum, name, tuple(notes))


def in_compass(part: Part) -> Part:
    """Notes above and below what the instrument has, moved by octaves until it has them."""
    family = next(name for name, programs in PROGRAMS.items() if part.program in programs)
    low, high = COMPASS[family]
    notes = set()
    for note in part.notes:
        pitch = note.pitch
        pitch += 12 * max(-(-(low - pitch) // 12), 0) - 12 * max(-(-(pitch - high) // 12), 0)
        notes.add(note._replace(pitch=pitch))
    return replace(part, notes=tuple(sorted(notes)))


def _bass(parts: list[Part]) -> list[Part]:
    """The tracks of the bass: those with a bass's program, else MMA's track `Bass` or `Walk`, else its lowest Bass-..."""
    found = [part for part in parts if part.program in PROGRAMS["Bass"] and part.name != ADDED]
    found = found or [part for part in parts if part.name.split("-")[0] == "Walk" or part.name == "Bass"]
    named = [part for part in parts if part.name.startswith("Bass")]
    return found or sorted(named, key=lambda part: sum(note.pitch for note in part.notes) / len(part.notes))[:1]


def _size(part: Part) -> int:
    return -len(part.notes)


def _fewest(chosen: dict[str, list[Part]], rng: random.Random) -> str:
    least = min(map(len, chosen.values()))
    return rng.choice([name for name, parts in chosen.items() if len(parts) == least])
