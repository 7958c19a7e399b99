"""Has MMA (Musical MIDI Accompaniment, Debian package `mma`) play a lead sheet: chords in, a band in MIDI out."""

import random
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from accomp.data.midi import read_song
from accomp.data.song import Metre, Song, Tempo
from accomp.data.songs.grooves import Groove
from accomp.data.songs.sheet import Bar, Sheet
from accomp.errors import UserError

SECTION = 8  # bars with one version of the groove and one loudness; the last of them is a fill
LOUDNESS = ("mp", "m", "m", "mf", "mf", "f")
ADDED = "Chord-Added"  # MMA's name for the track that plays `comping`
LONGEST_S = 300.0  # MMA takes under a second a song, on a machine with nothing else to do
MOST_BARS = 2000


def need_mma() -> None:
    """Raise UserError unless the program `mma` is installed."""
    if not shutil.which("mma"):
        raise UserError("no program `mma`; on Debian and Ubuntu: apt-get install mma")


def accompaniment(sheet: Sheet, groove: Groove, comping: str, seed: int) -> Song:
    """The band that MMA plays to the sheet, one part for each of its tracks; the same seed gives the same song.

    A beat of the sheet becomes a quarter or an eighth, as the sheet counts. Raises UserError when MMA refuses.
    """
    with TemporaryDirectory() as folder:
        source, target = Path(folder) / "song.mma", Path(folder) / "song.mid"
        source.write_text(mma_source(sheet, groove, comping, seed))
        command = ["mma", "-w", "-m", str(MOST_BARS), str(source), "-f", str(target)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=LONGEST_S)
        except subprocess.TimeoutExpired:
            raise UserError(f"mma took longer than {LONGEST_S:g} s") from None
        if done.returncode or not target.exists():
            said = " ".join((done.stdout or done.stderr).split())
            raise UserError(f"mma: {said.partition('Error:')[2].strip() or said or done.returncode}"[:200])
        return _counted(read_song(target), sheet)


def mma_source(sheet: Sheet, groove: Groove, comping: str, seed: int) -> str:
    """What MMA reads: the bars in sections, each with a version of the groove and a loudness of its own."""
    rng = random.Random(seed)
    lines = [f"RndSeed {seed}", f"Tempo {sheet.tempo_bpm:.3f}"]
    added = ["Begin " + ADDED, " Voice Piano1", " Voicing Mode=Optimal", f" Sequence {comping}", "End"]
    full = sheet.metre[0]
    for number, bar in enumerate(sheet.bars):
        place = number % SECTION
        if place == 0:
            lines += [f"Groove {rng.choice(groove.versions)}", *added, f"Volume {rng.choice(LOUDNESS)}"]
        elif place == SECTION - 1 and groove.fills:
            lines += [f"Groove {rng.choice(groove.fills)}", *added]
        if bar.beats < full:
            lines.append(f"Truncate {bar.beats}")
        lines.append(f"{number + 1} {_chords(bar)}")
    return "\n".join(lines) + "\n"


def _chords(bar: Bar) -> str:
    return " ".join(f"{name}@{beat + 1:.3f}".removesuffix(".000") for beat, name in bar.chords)


def _counted(song: Song, sheet: Sheet) -> Song:
    """The song with the sheet's own tempo and metre: MMA writes every beat as a quarter, and some grooves a wrong metre."""
    quarter = song.ticks_per_quarter * sheet.unit // 4
    tempo = Tempo(0, round(60e6 / sheet.tempo_bpm * sheet.unit / 4))
    metres, tick = [], 0
    for bar in sheet.bars:
        if not metres or metres[-1].numerator != bar.beats:
            metres.append(Metre(tick, bar.beats, sheet.unit))
        tick += bar.beats * song.ticks_per_quarter
    parts = (
        replace(part, notes=tuple(n._replace(end=min(n.end, tick)) for n in part.notes if n.start < tick))
        for part in song.parts
    )
    return Song(quarter, (tempo,), tuple(metres), tuple(parts))
