"""`evaluate.py experiment=living`: plays every scene and writes scores.csv and table.md."""

import logging
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from accomp.audio import write
from accomp.data.band.render import Synthesiser
from accomp.data.band.tracks import shipped_font
from accomp.data.midi import read_song
from accomp.data.slakh import find_tracks
from accomp.data.song import Song
from accomp.disk import write_text
from accomp.errors import UserError
from accomp.evaluation.living.figures import PARTS, figures
from accomp.evaluation.living.playing import play
from accomp.evaluation.living.scenes import SCENES, SHORTEST_S, Band, Scene, Take, without_player
from accomp.evaluation.report import aligned, write_lines
from accomp.evaluation.settings import Settings
from accomp.server.models import streamers_of
from accomp.server.worker import Settings as ServerSettings
from accomp.timeline import Step

log = logging.getLogger(__name__)

CLOCKS = {"model": "own", "score": "host's"}
STEM = "drums"
DECIMALS = {"drums": 2, "clock": 2, "offset": 3, "bars": 2, "tempo": 1, "level": 0, "balance": 1}


def run(settings: Settings) -> Path:
    """Play and score all scenes, or those that are named; the folder of the results."""
    if settings.seconds is None or settings.seconds < SHORTEST_S:
        raise UserError(f"seconds={settings.seconds}: a scene lasts for at least {SHORTEST_S:g} s")
    if unknown := set(settings.clocks) - CLOCKS.keys():
        raise UserError(f"clock={sorted(unknown)}: choose model, its own tracker, or score, the player's software, or both")
    scenes, songs = chosen(settings.scenes), songs_in_four(settings)
    make = streamers_of(Path(settings.model), settings.device, settings.sampler)
    if STEM not in make.stems:
        raise UserError(f"model={settings.model}: this is measured by the drums that it plays, and it plays none")
    server = ServerSettings(step=Step(settings.latency.r, settings.latency.w), stems=(STEM,))
    count = sum(len(songs) if scene.change else 1 for scene in scenes)
    lines = []
    for take in tqdm(all_takes(scenes, songs, settings.seconds), total=count, desc="scenes", unit="scene"):
        for clock in settings.clocks if take.grid else ["model"]:
            played = play(make, take, server, host=clock == "score")
            who = {"scene": take.scene.name, "clock": CLOCKS[clock], "song": take.song}
            lines += [who | dict(zip(("figure", "part", "value"), row, strict=True)) for row in figures(take, played)]
            name = "_".join(filter(None, (take.scene.name.replace("/", "_"), clock, take.song)))
            write(settings.out_dir / "audio" / f"{name}.wav", 0.5 * (take.audio + played.audio))
    write_lines(settings.out_dir / "scores.csv", lines)
    text = table(lines, scenes)
    write_text(settings.out_dir / "table.md", text)
    log.info("\n%s\n%s", text, settings.out_dir / "table.md")
    return settings.out_dir


def chosen(names: Sequence[str] | None) -> list[Scene]:
    known = {scene.name: scene for scene in SCENES}
    if unknown := set(names or ()) - known.keys():
        raise UserError(f"scenes={sorted(unknown)}: choose among {'; '.join(known)}")
    return [scene for scene in SCENES if names is None or scene.name in names]


def songs_in_four(settings: Settings) -> dict[str, Song]:
    """The first songs of the set, as notes, that are in 4/4 throughout: they can be brought into any other metre."""
    found = find_tracks(Path(settings.data.root), settings.data.split, settings.data.splits, on_bad=settings.data.on_bad)
    songs = {track.name: read_song(track.midi) for track in found if track.midi is not None}
    songs = {name: song for name, song in songs.items() if [metre[1:] for metre in song.metres] == [(4, 4)]}
    if not songs:
        raise UserError(f"{settings.data.root}, split {settings.data.split}: no song with MIDI that is in 4/4 throughout")
    return dict(list(songs.items())[: settings.tracks])


def all_takes(scenes: Sequence[Scene], songs: dict[str, Song], seconds: float) -> Iterator[Take]:
    """Every scene with every song, or once where nobody plays."""
    band = Band(Synthesiser(shipped_font()))
    for scene in scenes:
        if scene.change is None:
            yield without_player(scene, seconds / 2)
        else:
            yield from (band.take(scene, name, song, seconds) for name, song in songs.items())


def table(lines: Sequence[dict], scenes: Sequence[Scene]) -> str:
    """A line for every scene, clock and figure: means over the songs, and the seconds of the song that took longest."""
    asked = {(scene.name, figure): text for scene in scenes for figure, text in scene.asked.items()}
    groups: dict[tuple[str, str, str], dict[str, list[float]]] = {}
    for line in lines:
        group = groups.setdefault((line["scene"], line["figure"], line["clock"]), {})
        group.setdefault(line["part"], []).append(line["value"])
    cells = [["scene", "figure", "clock", *PARTS, "seconds", "asked"], ["---"] * 3 + ["--:"] * 4 + ["---"]]
    for (scene, figure, clock), values in groups.items():
        means = [_shown(np.mean(_known(values[part]) or [math.nan]), DECIMALS[figure]) for part in PARTS]
        slowest = max(_known(values["recovery"]), default=math.nan)
        cells.append([scene, figure, clock, *means, _shown(slowest, 1), asked[scene, figure]])
    rows = [f"| {' | '.join(row)} |" for row in aligned(cells, names=3)]
    chance = [line["value"] for line in lines if line["part"] == "chance"]
    note = [f"Strokes at any time, as many as were played, would hit {np.mean(chance):.2f} of the beats."] if chance else []
    return "\n".join([*rows, "", *note, ""])


def _known(values: Sequence[float]) -> list[float]:
    return [value for value in values if not math.isnan(value)]


def _shown(value: float, decimals: int) -> str:
    return "" if math.isnan(value) else "never" if math.isinf(value) else f"{value:.{decimals}f}"
