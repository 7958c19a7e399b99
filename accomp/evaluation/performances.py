"""The first half of an evaluation: everything that is to be judged gets played and put on a shelf of WAV files.

Many excerpts are played at once, as voices of one `Streamer`; what a voice plays does not depend on who plays beside it.
What is already on the shelf is not made again, so that a run which was stopped continues.
"""

import json
import logging
import zlib
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import numpy as np
import yaml
from tqdm import tqdm

from accomp import audio
from accomp.beat.clock import Clock, GridClock, NoClock
from accomp.errors import UserError
from accomp.evaluation.baselines import baseline
from accomp.evaluation.report import write_text
from accomp.evaluation.rows import CODEC_ROW, Row, Shelf, rows, seeds_of
from accomp.evaluation.settings import Settings
from accomp.evaluation.songs import Song
from accomp.model import Model
from accomp.stream.paper_protocol import paper_rollout
from accomp.stream.rollout import Rollout, rollout
from accomp.stream.streamer import Streamer

log = logging.getLogger(__name__)
LIVE_CYCLES = 12  # of one voice, to know what a cycle takes when nobody else plays


class Voice(NamedTuple):
    """One stem of one song, played with one seed."""

    song: Song
    stem: str
    seed: int

    @property
    def number(self) -> int:
        """The seed of its noise: of the excerpt alone, so that sweeps over regimes, samplers and models are paired."""
        return zlib.crc32(f"{self.song.name} {self.song.start} {self.stem} {self.seed}".encode())


def prepare(shelf: Shelf, settings: Settings, cast: dict[str, Model]) -> None:
    """Make sure that audio found on the shelf was made with these settings. Raises UserError otherwise."""
    data = {key: value for key, value in vars(settings.data).items() if key != "on_bad"}
    _agree(shelf.root / "settings.yaml", {"data": data, "seconds": settings.seconds, "overlap": settings.overlap})
    for name, folder in zip(cast, settings.models, strict=True):
        files = [Path(folder) / "config.yaml", *sorted(Path(folder).glob("*.safetensors"))]
        _agree(shelf.root / name / "model.yaml", {path.name: _fingerprint(path) for path in files})


def _agree(record: Path, wanted: dict) -> None:
    if not record.is_file():
        write_text(record, yaml.safe_dump(wanted))
        return
    found = yaml.safe_load(record.read_text())
    different = sorted(key for key in wanted.keys() | found.keys() if found.get(key) != wanted.get(key))
    if different:
        raise UserError(
            f"{record.parent} holds audio made with another {' and '.join(different)}: choose another name=..., or "
            "delete that folder"
        )


def perform(settings: Settings, cast: dict[str, Model], songs: Sequence[Song], shelf: Shelf) -> None:
    """Play everything that is not yet on the shelf, with a progress bar."""
    todo = {row: _missing(row, settings, songs, shelf) for row in rows(settings, cast)}
    with tqdm(total=sum(map(len, todo.values())), desc="playing", unit="stem") as bar:
        for row, voices in todo.items():
            for at in range(0, len(voices), settings.batch):
                batch = voices[at : at + settings.batch]
                for voice, samples in zip(batch, _play(settings, cast, row, batch, shelf), strict=True):
                    audio.write(shelf.answer(row, *voice), samples)
                bar.update(len(batch))
    for row in tqdm([row for row in todo if row.plays and not shelf.latency(row).is_file()], desc="timing", unit="row"):
        write_text(shelf.latency(row), json.dumps(_live_timings(settings, cast[row.model], row, songs[0])))


def _missing(row: Row, settings: Settings, songs: Sequence[Song], shelf: Shelf) -> list[Voice]:
    voices = [Voice(song, stem, seed) for song in songs for stem in song.stems for seed in seeds_of(row, settings)]
    # Voices of like length share a batch, so that little is played past the end of a song.
    return sorted((v for v in voices if not shelf.answer(row, *v).is_file()), key=lambda v: v.song.samples)


def _play(settings: Settings, cast: dict[str, Model], row: Row, batch: Sequence[Voice], shelf: Shelf) -> list:
    """What every voice of a batch plays in this row, (N,) each."""
    if not row.plays:
        model = cast.get(row.model.removeprefix(f"{CODEC_ROW}_"), next(iter(cast.values())))
        step = row.regime.step if row.regime else None
        return [baseline(row.model, v.song, v.stem, model, step, settings.overlap) for v in batch]
    played = roll(cast[row.model], row, batch, settings.overlap)
    record = shelf.timings(row)
    kept = json.loads(record.read_text()) if record.is_file() else []
    at_once = 1 if row.protocol == "paper" else len(batch)
    kept += [{"voices": at_once} | timing for timing in played.timings]
    write_text(record, json.dumps(kept))
    return [track[: v.song.samples] for v, track in zip(batch, played.audio, strict=True)]


def roll(model: Model, row: Row, voices: Sequence[Voice], overlap: int) -> Rollout:
    """Play along with every voice, each against its own context, as voices of one player; (voices, N) of the longest."""
    if row.protocol == "paper":
        return _roll_as_the_paper(model, row, voices)
    context = _side_by_side([v.song.context[v.stem] for v in voices])
    clock = _clock(row.clock, model, [v.song for v in voices])
    streamer = Streamer(
        model, [v.stem for v in voices], sampler=row.sampler, seed=[v.number for v in voices], clock=clock
    )
    return rollout(streamer, context, row.regime.step, overlap)


def _roll_as_the_paper(model: Model, row: Row, voices: Sequence[Voice]) -> Rollout:
    """The same with the paper's protocol, voice by voice, because its noise has one seed for all voices."""
    parts = [
        paper_rollout(model, (v.stem,), v.song.context[v.stem][None], row.regime.step, row.sampler, v.number)
        for v in voices
    ]
    audio = _side_by_side([part.audio[0] for part in parts])
    return Rollout(audio, [timing for part in parts for timing in part.timings])


def _side_by_side(tracks: Sequence[np.ndarray]) -> np.ndarray:
    """Tracks (N,) of any length as (voices, N), silence after the shorter ones."""
    longest = max(map(len, tracks))
    return np.stack([np.pad(track, (0, longest - len(track))) for track in tracks])


def _clock(name: str, model: Model, songs: Sequence[Song]) -> Clock | None:
    """None leaves the choice to the model, which has a beat tracker of its own."""
    if name == "model":
        return None
    return NoClock() if name == "none" else GridClock([song.grid for song in songs], model.codec.hop)


def _live_timings(settings: Settings, model: Model, row: Row, song: Song) -> list[dict[str, float]]:
    """What the steps of a single voice take, the first two left out: they warm everything up."""
    samples = min(song.samples, LIVE_CYCLES * row.regime.step.samples)
    stem = song.stems[0]
    short = Song(
        song.name, song.start, {stem: song.truth[stem][:samples]}, {stem: song.context[stem][:samples]}, {}, song.grid
    )
    timings = roll(model, row, [Voice(short, stem, settings.seeds[0])], settings.overlap).timings
    return timings[2:] or timings


def _fingerprint(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()[:16]
