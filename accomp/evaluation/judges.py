"""Every metric on every answer, a few answers at a time in processes of their own; what is judged is never judged again.

A metric that breaks on one answer costs that one score: the reason is logged and all others stand.
"""

import json
import logging
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from accomp import audio
from accomp.errors import UserError
from accomp.evaluation.report import write_text
from accomp.evaluation.rows import CODEC_ROW, Row, Shelf
from accomp.evaluation.settings import Settings
from accomp.evaluation.songs import Song
from accomp.metrics.beats import BeatAgreement, beat_tracker
from accomp.metrics.coherence import coherence_metric
from accomp.metrics.contract import Excerpt, Metric
from accomp.metrics.harmony import harmony
from accomp.metrics.levels import levels
from accomp.metrics.separation import separation
from accomp.timeline import WINDOW

log = logging.getLogger(__name__)
CHUNK = 12  # answers of one stem of one song that a process judges in one go; their context is tracked once
METRICS = {
    "beats": lambda panel: BeatAgreement(beat_tracker(panel.tracker), panel.drop_failures),
    "coherence": lambda panel: coherence_metric(panel.coherence),
    "harmony": lambda panel: harmony,
    "levels": lambda panel: levels,
    "separation": lambda panel: separation,
}


@dataclass(frozen=True)
class Panel:
    """Which metrics are asked, and what they need to know."""

    metrics: tuple[str, ...]
    tracker: str
    coherence: str
    drop_failures: bool  # the paper's way with beats

    def key(self, metric: str) -> str:
        """What scores are filed under: with other means they are other scores."""
        means = {"beats": f":{self.tracker}{':dropped' * self.drop_failures}", "coherence": f":{self.coherence}"}
        return metric + means.get(metric, "")


@dataclass(frozen=True)
class Case:
    """One answer to be judged, and where its scores go."""

    row: Row
    song: Song
    stem: str
    seed: int
    answer: Path
    scores: Path

    @property
    def samples(self) -> int:
        """How much of the excerpt is judged: the paper leaves out what is no whole step at the end."""
        beyond = max(self.song.samples - WINDOW, 0)
        return self.song.samples - (beyond % self.row.regime.step.samples if self.row.protocol == "paper" else 0)

    @property
    def audio(self) -> np.ndarray:
        return audio.read(self.answer, stop=self.samples)

    @property
    def truth(self) -> np.ndarray:
        return self.song.truth[self.stem][: self.samples]

    @property
    def context(self) -> np.ndarray:
        return self.song.context[self.stem][: self.samples]


def panel(settings: Settings) -> Panel:
    """The metrics that can be had; what is missing for another is logged. Raises UserError on an unknown name."""
    strange = sorted(set(settings.metrics) - set(METRICS))
    if strange:
        raise UserError(f"metrics={strange}: choose among {', '.join(METRICS)}")
    means = (settings.tracker, settings.coherence, settings.protocols == ["paper"])
    found = []
    for name in settings.metrics:
        try:
            _metric(name, Panel((name,), *means))
            found.append(name)
        except UserError as error:
            log.warning("%s is left out: %s", name, error)
    return Panel(tuple(found), *means)


def wants(metric: str, row: Row) -> bool:
    """A made-up stem has no single right answer, so that ratios to the recording are kept for what should resemble it."""
    offline = row.plays and row.regime.w == -1
    return metric != "separation" or offline or row.model.startswith(CODEC_ROW)


def cases(rows: Sequence[Row], songs: Sequence[Song], seeds: dict[Row, Sequence[int]], shelf: Shelf) -> list[Case]:
    """All answers that are on the shelf."""
    found = [
        Case(row, song, stem, seed, shelf.answer(row, song, stem, seed), shelf.scores(row, song, stem, seed))
        for song in songs
        for stem in song.stems
        for row in rows
        for seed in seeds[row]
    ]
    return [case for case in found if case.answer.is_file()]


def judge_all(todo: Sequence[Case], asked: Panel, workers: int) -> None:
    """Judge what has not been judged yet and file the scores beside the answers, with a progress bar."""
    chunks: list[list[Case]] = []
    for case in todo:
        if all(asked.key(metric) in filed(case) for metric in asked.metrics if wants(metric, case.row)):
            continue
        fits = (
            chunks and len(chunks[-1]) < CHUNK and chunks[-1][0].song is case.song and chunks[-1][0].stem == case.stem
        )
        chunks[-1].append(case) if fits else chunks.append([case])
    failures: list[str] = []
    with tqdm(total=sum(map(len, chunks)), desc="scoring", unit="stem") as bar, _executor(workers, len(chunks)) as pool:
        for count, said in _results(pool, chunks, asked):
            failures += said
            bar.update(count)
    for text in failures[:5]:
        log.warning("%s", text)
    if failures:
        log.warning("%d scores are missing for such reasons; the same command tries them again", len(failures))


def _executor(workers: int, chunks: int) -> Executor | nullcontext:
    """A pool of fresh processes (a fork would inherit torch's threads); nothing for one worker."""
    if min(workers, chunks) < 2:
        return nullcontext()
    return ProcessPoolExecutor(min(workers, chunks), multiprocessing.get_context("spawn"), _one_thread)


def _one_thread() -> None:
    torch.set_num_threads(1)


def _results(pool: Executor | None, chunks: Sequence[Sequence[Case]], asked: Panel) -> Iterator[tuple[int, list[str]]]:
    """(answers judged, what went wrong) chunk by chunk, in the order in which they are done."""
    if pool is None:
        yield from ((len(chunk), judge(chunk, asked)) for chunk in chunks)
        return
    running: dict[Future, int] = {pool.submit(judge, chunk, asked): len(chunk) for chunk in chunks}
    for future in as_completed(running):
        yield running[future], future.result()


def judge(chunk: Sequence[Case], asked: Panel) -> list[str]:
    """Score answers and file the scores; what went wrong, in words."""
    wrong = []
    for case in chunk:
        found = filed(case)
        excerpt = Excerpt(case.stem, case.audio, case.context, case.truth, case.song.beats_until(case.samples))
        for name in asked.metrics:
            key = asked.key(name)
            if key in found or not wants(name, case.row):
                continue
            try:
                found[key] = _metric(name, asked)(excerpt)
            except Exception as error:  # a foreign library's failure on one sound must not cost the other scores
                wrong.append(f"{name} failed on {case.answer} ({type(error).__name__}: {error})")
        write_text(case.scores, json.dumps({"answer": _stamp(case.answer), "scores": found}))
    return wrong


def filed(case: Case) -> dict[str, dict[str, float]]:
    """The scores of an answer by metric; empty when there are none, or when the audio has been made anew since."""
    if not case.scores.is_file():
        return {}
    record = json.loads(case.scores.read_text())
    return record["scores"] if record["answer"] == _stamp(case.answer) else {}


def _stamp(path: Path) -> list[int]:
    facts = path.stat()
    return [facts.st_size, facts.st_mtime_ns]


@cache
def _metric(name: str, asked: Panel) -> Metric:
    return METRICS[name](asked)
