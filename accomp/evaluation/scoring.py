"""The second part of an evaluation: every metric on every answer, a few answers at a time in processes of their own.

What is scored already is not scored again, unless the answer or the metric's code has changed. A metric that fails on
one answer costs that one score: the reason is logged and all others stand.
"""

import json
import logging
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np
import soundfile
import torch
from tqdm import tqdm

from accomp import audio
from accomp.disk import write_text
from accomp.errors import UserError
from accomp.evaluation.audio_cache import AudioCache
from accomp.evaluation.rows import Row
from accomp.evaluation.settings import Settings
from accomp.evaluation.songs import Song
from accomp.metrics import registry
from accomp.metrics.contract import Excerpt, Metric, Options
from accomp.provenance import code_hash
from accomp.timeline import WINDOW, to_seconds

log = logging.getLogger(__name__)
CHUNK = 24  # answers of one stem of one song that a process scores in one go; what their context needs is done once
Scores = dict[str, dict[str, float]]


@dataclass(frozen=True)
class MetricSet:
    """The metrics to compute, and what they are told."""

    names: tuple[str, ...]
    options: Options

    @cached_property
    def keys(self) -> dict[str, str]:
        """What the scores of each metric are filed under: with other options or other code they are other scores."""
        found = {}
        for name in self.names:
            module = registry.find(name)
            depends = module.depends_on(self.options) if hasattr(module, "depends_on") else ""
            found[name] = f"{name}:{depends}:{code_hash(module.__name__)}"
        return found

    def wanted(self, row: Row) -> list[str]:
        """The metrics that make sense in a row: some compare with the very recording, which most answers need not copy."""
        return [name for name in self.names if row.copies or not getattr(registry.find(name), "OF_COPIES", False)]


@dataclass(frozen=True)
class ScoringItem:
    """One answer to be scored, and where its scores go."""

    row: Row
    song: Song
    stem: str
    seed: int
    answer: Path
    scores: Path
    recording: Path  # where goes what is known about the true stem

    @property
    def samples(self) -> int:
        """How much of the excerpt is scored: the paper leaves out what is less than a step at the end."""
        beyond = max(self.song.samples - WINDOW, 0)
        return self.song.samples - (beyond % self.row.regime.step.samples if self.row.protocol == "paper" else 0)

    @property
    def audio(self) -> np.ndarray:
        return audio.read(self.answer, self.song.lead, self.samples)

    @property
    def truth(self) -> np.ndarray:
        return self.song.truth[self.stem][self.song.lead : self.samples]

    @property
    def context(self) -> np.ndarray:
        return self.song.context[self.stem][self.song.lead : self.samples]


def metric_set(settings: Settings) -> MetricSet:
    """The metrics asked for. Raises UserError on an unknown name, and where a package or weights are missing."""
    options = Options(settings.tracker, settings.coherence, drop_failures=settings.failures == "drop")
    for name in settings.metrics:
        _metric(name, options)
    return MetricSet(tuple(settings.metrics), options)


def items(rows: Sequence[Row], songs: Sequence[Song], seeds: dict[Row, Sequence[int]], files: AudioCache) -> list[ScoringItem]:
    """All answers that are in the cache; damaged ones are named and left out."""
    found = [
        ScoringItem(*place, files.answer(*place), files.scores(*place), files.recording(song, stem))
        for song in songs
        for stem in song.stems
        for row in rows
        if row.has_answer(song)
        for place in [(row, song, stem, seed) for seed in seeds[row]]
    ]
    return [item for item in found if item.answer.is_file() and _is_complete(item)]


def _is_complete(item: ScoringItem) -> bool:
    try:
        complete = soundfile.info(item.answer).frames >= item.samples
    except soundfile.LibsndfileError:
        complete = False
    if not complete:
        log.warning("%s is damaged and left out: delete it, and the same command plays it again", item.answer)
    return complete


def score_all(todo: Sequence[ScoringItem], metrics: MetricSet, workers: int) -> None:
    """Compute the scores that are not filed yet beside the answers, with a progress bar.

    Raises UserError when a process is killed; what it had filed stays.
    """
    chunks: list[list[ScoringItem]] = []
    for item in todo:
        if filed(item, metrics).keys() >= set(metrics.wanted(item.row)):
            continue
        last = chunks[-1] if chunks else []
        together = 0 < len(last) < CHUNK and last[0].song is item.song and last[0].stem == item.stem
        last.append(item) if together else chunks.append([item])
    failures: list[str] = []
    with tqdm(total=sum(map(len, chunks)), desc="scoring", unit="stem") as bar:
        for count, reasons in _results(chunks, metrics, min(workers, len(chunks))):
            failures += reasons
            bar.update(count)
    for text in failures[:5]:
        log.warning("%s", text)
    if failures:
        log.warning("%d scores are missing for such reasons; the same command tries them again", len(failures))


def _results(chunks: Sequence[Sequence[ScoringItem]], metrics: MetricSet, workers: int) -> Iterator[tuple[int, list[str]]]:
    """(answers scored, what went wrong) chunk by chunk, in the order in which they are done."""
    if workers < 2:
        yield from ((len(chunk), score(chunk, metrics)) for chunk in chunks)
        return
    # Fresh processes: a fork would inherit torch's threads.
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _one_thread) as pool:
        running: dict[Future, int] = {pool.submit(score, chunk, metrics): len(chunk) for chunk in chunks}
        try:
            yield from ((running[future], future.result()) for future in as_completed(running))
        except BrokenProcessPool as error:
            raise UserError(
                "a process that computed scores was killed (no memory?); go on with the same command and workers=1"
            ) from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)  # after Ctrl-C nothing more is begun


def _one_thread() -> None:
    torch.set_num_threads(1)


def score(chunk: Sequence[ScoringItem], metrics: MetricSet) -> list[str]:
    """Score answers and file the scores; what went wrong, in words."""
    wrong = []
    for item in chunk:
        found = filed(item, metrics)
        song = item.song
        chords = song.chords and song.chords.shifted(to_seconds(song.lead))
        score = song.beats_until(item.samples), song.downbeats_until(item.samples), chords
        excerpt = Excerpt(item.stem, item.audio, item.context, item.truth, *score)
        for name in metrics.wanted(item.row):
            if name in found:
                continue
            try:
                found[name] = _metric(name, metrics.options)(excerpt)
            except Exception as error:  # foreign libraries fail in ways of their own: it costs this score alone
                wrong.append(f"{name} failed on {item.answer} ({type(error).__name__}: {error})")
        kept = _record(item) | {metrics.keys[name]: scores for name, scores in found.items()}
        write_text(item.scores, json.dumps({"answer": _stamp(item.answer), "scores": kept}))
    return wrong


def filed(item: ScoringItem, metrics: MetricSet) -> Scores:
    """The scores of an answer by the name of their metric, as far as they are filed."""
    record = _record(item)
    return {name: record[key] for name, key in metrics.keys.items() if key in record}


def _record(item: ScoringItem) -> Scores:
    """All scores of an answer, also of other options; none when the audio has been made anew since."""
    if not item.scores.is_file():
        return {}
    record = json.loads(item.scores.read_text())
    return record["scores"] if record["answer"] == _stamp(item.answer) else {}


def _stamp(path: Path) -> list[int]:
    facts = path.stat()
    return [facts.st_size, facts.st_mtime_ns]


@cache
def _metric(name: str, options: Options) -> Metric:
    return registry.find(name).make_metric(options)
