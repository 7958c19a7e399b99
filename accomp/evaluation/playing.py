"""The first part of an evaluation: what is to be scored gets played and kept as WAV files.

What is in the audio cache is not made again, so that a run which was stopped continues.
"""

import json
import logging
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from tqdm import tqdm

from accomp import audio
from accomp.disk import write_text
from accomp.evaluation.audio_cache import AudioCache
from accomp.evaluation.baselines import baseline
from accomp.evaluation.rollouts import BatchItem, play
from accomp.evaluation.rows import CODEC_ROW, Row, seeds_of
from accomp.evaluation.settings import Settings
from accomp.evaluation.songs import Song
from accomp.model import Model
from accomp.stream.rollout import Rollout
from accomp.timeline import to_seconds

log = logging.getLogger(__name__)

LIVE_CYCLES = 12  # of one stem, to know what a cycle takes when nothing else is played


def play_all(
    settings: Settings, models: dict[str, Model], rows: Sequence[Row], songs: Sequence[Song], cache: AudioCache
) -> None:
    """Play everything that is not yet in the cache, with a progress bar."""
    todo = {row: _missing(row, settings, songs, cache) for row in sorted(rows, key=lambda row: not row.plays)}
    length_s = {row: sum(to_seconds(item.song.samples) for item in items) for row, items in todo.items()}
    begun, told = time.monotonic(), False
    with tqdm(total=round(sum(length_s.values())), desc="playing", unit="s of music") as bar:
        for row, items in todo.items():
            for first in range(0, len(items), settings.batch):
                batch = items[first : first + settings.batch]
                for item, samples in zip(batch, _answers(settings, models, row, batch), strict=True):
                    audio.write(cache.answer(row, *item), samples)
                bar.update(sum(to_seconds(item.song.samples) for item in batch))
                if row.plays and not told:
                    told, played_s = True, sum(s for other, s in length_s.items() if other.plays)
                    log.info("playing will take about %s", duration(played_s / bar.n * (time.monotonic() - begun)))


def time_all(
    settings: Settings, models: dict[str, Model], rows: Sequence[Row], songs: Sequence[Song], cache: AudioCache
) -> None:
    """Time a single stem in every row of a model of which no times are known."""
    todo = [row for row in rows if row.plays and row.has_answer(songs[0]) and not cache.latency(row).is_file()]
    for row in tqdm(todo, desc="timing", unit="row"):
        write_text(cache.latency(row), json.dumps(_live_timings(settings, models[row.model], row, songs[0])))


def duration(seconds: float) -> str:
    """A time in words, such as "2 h 05 min"."""
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{max(minutes, 1)} min"


def _missing(row: Row, settings: Settings, songs: Sequence[Song], cache: AudioCache) -> list[BatchItem]:
    items = [BatchItem(song, stem, seed) for song in songs if row.has_answer(song) for stem in song.stems
             for seed in seeds_of(row, settings)]  # fmt: skip
    # Items of like length share a batch, so that little is played past the end of a song.
    return sorted((item for item in items if not cache.answer(row, *item).is_file()), key=lambda item: item.song.samples)


def _answers(settings: Settings, models: dict[str, Model], row: Row, batch: Sequence[BatchItem]) -> list[np.ndarray]:
    """What is played for every item of a batch in this row, (N,) each."""
    if not row.plays:
        model = models.get(row.model.removeprefix(f"{CODEC_ROW}_"), next(iter(models.values())))
        step = row.regime.step if row.regime else None
        return [baseline(row.model, item.song, item.stem, model, step, settings.overlap) for item in batch]
    played = _play(models[row.model], row, batch, settings.overlap)
    return [track[: item.song.samples] for item, track in zip(batch, played.audio, strict=True)]


def _play(model: Model, row: Row, items: Sequence[BatchItem], overlap: int) -> Rollout:
    return play(model, items, row.regime.step, overlap, row.sampler, row.clock, row.protocol)


def _live_timings(settings: Settings, model: Model, row: Row, song: Song) -> list[dict[str, float]]:
    """What the steps of a single stem take, the first two left out: they warm everything up."""
    stem, samples = song.stems[0], min(song.samples, LIVE_CYCLES * row.regime.step.samples)
    short = replace(song, truth={stem: song.truth[stem][:samples]}, context={stem: song.context[stem][:samples]})
    timings = _play(model, row, [BatchItem(short, stem, settings.seeds[0])], settings.overlap).timings
    return timings[2:] or timings
