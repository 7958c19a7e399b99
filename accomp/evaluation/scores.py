"""An evaluation in four parts, each of which continues where it stopped: play, time, score, report.

`play` fills a cache of audio, `time` measures what a step of each row takes, `score` files numbers beside each answer,
`report` writes the tidy table (one line per
excerpt and metric, and lines whose track and stem are `*` for what is only defined of many excerpts together), its
summary, the figures and the page to listen to.
"""

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from accomp.disk import write_text
from accomp.errors import UserError
from accomp.evaluation import report
from accomp.evaluation.audio_cache import AudioCache
from accomp.evaluation.distances import embed_all, embeddings_of, set_distances
from accomp.evaluation.figures import draw
from accomp.evaluation.page import write_page
from accomp.evaluation.paper_table import beat_measure, side_by_side, write_side_by_side
from accomp.evaluation.playing import play_all, time_all
from accomp.evaluation.rows import Row, load_models, rows, seeds_of
from accomp.evaluation.scoring import MetricSet, ScoringItem, filed, items, metric_set, score_all
from accomp.evaluation.settings import Settings, check_needs
from accomp.evaluation.songs import Choice, load_songs
from accomp.metrics.latency import lead_ms, percentiles
from accomp.stream.generator import Generator
from accomp.timeline import to_seconds

log = logging.getLogger(__name__)


def run(settings: Settings) -> Path:
    """Do the parts asked for; the folder that everything is in."""
    check_needs(settings)
    metrics = metric_set(settings)
    models = load_models(settings)
    asked = rows(settings, models)  # before anything is played: a misspelt sampler is told at once
    for model in models.values():
        Generator(model, settings.stems, settings.seeds)  # refuses stems that it cannot play
    data = replace(settings.data, stems=settings.data.stems or next(iter(models.values())).config.get("stems"))
    choice = Choice(settings.tracks, settings.songs, settings.shard, settings.shards)
    songs = load_songs(data, settings.stems, choice, settings.seconds, settings.listen)
    embeddings = embeddings_of(settings, next(iter(models.values())))
    cache = AudioCache(settings.audio_folder)
    cache.check(settings, list(models))
    if "play" in settings.do:
        play_all(settings, models, asked, songs, cache)
    if "time" in settings.do and songs and not settings.shard:
        time_all(settings, models, asked, songs, cache)
    there = items(asked, songs, {row: seeds_of(row, settings) for row in asked}, cache)
    if settings.shard is not None:  # the numbers of all shards together are the work of the evaluation itself
        score_all(there, metrics, settings.workers)
        embed_all(embeddings, there)
        return settings.out_dir
    if not there and {"score", "report"} & set(settings.do):
        raise UserError(f"{cache.root} holds nothing that was asked for; let it play first (do='[play,score,report]')")
    if "score" in settings.do:
        score_all(there, metrics, settings.workers)
        lines = list(_scores(there, metrics)) + list(set_distances(embeddings, there))
        lines += _timings(list(dict.fromkeys(item.row for item in there)), settings, cache)
        report.write_lines(settings.out_dir / "scores.csv", lines)
    if "report" in settings.do:
        _report(settings, there)
    return settings.out_dir


def _scores(there: Sequence[ScoringItem], metrics: MetricSet) -> Iterator[dict]:
    for item in there:
        for values in filed(item, metrics).values():
            for name, value in values.items():
                yield report.line(item.row, name, value, item.song.name, item.stem, item.seed)


def _timings(played: Sequence[Row], settings: Settings, cache: AudioCache) -> Iterator[dict]:
    """The three times of a row: what a cycle computes, how early it delivers, and how old what the model heard may be."""
    for row in played:
        if not row.plays or not cache.latency(row).is_file():
            continue
        cycles = percentiles([entry["cycle_ms"] for entry in json.loads(cache.latency(row).read_text())])
        step = row.regime.step
        found = {f"cycle_{key}_ms": value for key, value in cycles.items()}
        for name, key in (("median", "p50"), ("least", "max")):
            found[f"lead_{name}_ms"] = lead_ms(cycles[key], step, settings.overlap)
        found["generative_ms"] = 1000 * to_seconds(step.offset + step.samples)
        yield from (report.line(row, name, value) for name, value in found.items())


def _report(settings: Settings, there: Sequence[ScoringItem]) -> None:
    """Summary, comparison, figures and page, all from the tidy table."""
    folder = settings.out_dir
    lines = report.read_lines(folder / "scores.csv")
    summary = report.summarise(lines)
    report.write_lines(folder / "summary.csv", summary)
    if compared := report.compare(lines):
        report.write_lines(folder / "differences.csv", compared)
    table = "\n\n".join(filter(None, (report.table(summary), report.widths(summary))))
    write_text(folder / "summary.txt", table + "\n")
    figures = draw(folder, summary, beat_measure(settings))
    beside = side_by_side(summary, settings)
    if beside:
        write_side_by_side(folder, beside)
    page = write_page(settings, there, summary, figures, beside)
    if settings.wandb:
        report.log_to_wandb(settings.wandb, settings.name, folder, summary)
    log.info("\n%s\n%s\n%s", table, folder / "scores.csv", page)
