"""Every metric on every answer, a few answers at a time in processes of their own; what is judged is never judged again.

A metric that breaks on one answer costs that one score: the reason is logged and all others stand.
"""

import json
import logging
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import soundfile
import torch
from tqdm import tqdm

from accomp import audio
from accomp.errors import UserError
from accomp.evaluation.report import write_text
from accomp.evaluation.rows import CODEC_ROW, Row, Shelf
from accomp.evaluation.settings import Settings
from accomp.evaluation.songs import Song
from accomp.metrics.beats import BeatAgreement, beat_tracker
from accomp.metrics.coherence import coherence_metric, version
from accomp.metrics.contract import Excerpt, Metric
from accomp.metrics.drift import drift_metric
from accomp.metrics.harmony import harmony
from accomp.metrics.levels import levels
from accomp.metrics.separation import separation
from accomp.timeline import WINDOW

log = logging.getLogger(__name__)
CHUNK = 24  # answers of one stem of one song that a process judges in one go; what their context needs is done once
METRICS = {
    "beats": lambda panel: BeatAgreement(beat_tracker(panel.tracker), panel.drop_failures),
    "coherence": lambda panel: coherence_metric(panel.coherence),
    "drift": lambda panel: drift_metric(beat_tracker(panel.tracker)),
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
        means = {
            "beats": f":{self.tracker}{':dropped' * self.drop_failures}",
            "coherence": f":{version(self.coherence)}",
            "drift": f":{self.tracker}",
        }
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
    """All answers that are on the shelf; damaged ones are named and left out."""
    found = [
        Case(row, song, stem, seed, shelf.answer(row, song, stem, seed), shelf.scores(row, song, stem, seed))
        for song in songs
        for stem in song.stems
        for row in rows
        for seed in seeds[row]
    ]
    return [case for case in found if case.answer.is_file() and _is_whole(case)]


def _is_whole(case: Case) -> bool:
    try:
        whole = soundfile.info(case.answer).frames >= case.samples
    except soundfile.LibsndfileError:
        whole = False
    if not whole:
        log.warning("%s is damaged and left out: delete it, and the same command plays it again", case.answer)
    return whole


def judge_all(todo: Sequence[Case], asked: Panel, workers: int) -> None:
    """Judge what has not been judged yet and file the scores beside the answers, with a progress bar.

    Raises UserError when a process that judges is killed; what it had filed stays.
    """
    chunks: list[list[Case]] = []
    for case in todo:
        if all(asked.key(metric) in filed(case) for metric in asked.metrics if wants(metric, case.row)):
            continue
        last = chunks[-1] if chunks else []
        together = 0 < len(last) < CHUNK and last[0].song is case.song and last[0].stem == case.stem
        last.append(case) if together else chunks.append([case])
    failures: list[str] = []
    with tqdm(total=sum(map(len, chunks)), desc="scoring", unit="stem") as bar:
        for count, said in _results(chunks, asked, min(workers, len(chunks))):
            failures += said
            bar.update(count)
    for text in failures[:5]:
        log.warning("%s", text)
    if failures:
        log.warning("%d scores are missing for such reasons; the same command tries them again", len(failures))


def _results(chunks: Sequence[Sequence[Case]], asked: Panel, workers: int) -> Iterator[tuple[int, list[str]]]:
    """(answers judged, what went wrong) chunk by chunk, in the order in which they are done."""
    if workers < 2:
        yield from ((len(chunk), judge(chunk, asked)) for chunk in chunks)
        return
    # Fresh processes: a fork would inherit torch's threads.
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _one_thread) as pool:
        running: dict[Future, int] = {pool.submit(judge, chunk, asked): len(chunk) for chunk in chunks}
        try:
            yield from ((running[future], future.result()) for future in as_completed(running))
        except BrokenProcessPool as error:
            raise UserError(
                "a process that judged was killed (no memory?); go on with the same command and workers=1"
            ) from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)  # after Ctrl-C nothing more is begun


def _one_thread() -> None:
    torch.set_num_threads(1)


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
            except Exception as error:  # foreign libraries fail in ways of their own: it costs this score alone
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
