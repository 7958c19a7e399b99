"""From audio on the shelf to numbers: every metric on every answer, as one tidy table.

One line per excerpt and metric, plus lines whose track and stem are `*` for what is only defined of many excerpts
together: `fad_latent` and the timings.
"""

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from accomp import audio
from accomp.checkpoint import Model, load_model
from accomp.errors import UserError
from accomp.evaluation import report
from accomp.evaluation.performances import Row, Shelf, perform, prepare, rows, seeds_of
from accomp.evaluation.settings import Settings
from accomp.evaluation.songs import Song, load_songs
from accomp.metrics.beats import BeatAgreement, madmom_tracker
from accomp.metrics.contract import Excerpt, Metric
from accomp.metrics.frechet import frechet_distance, latent_embedding
from accomp.metrics.harmony import harmony
from accomp.metrics.latency import lead_ms, percentiles
from accomp.metrics.levels import levels
from accomp.metrics.separation import separation

log = logging.getLogger(__name__)

METRICS: dict[str, Callable[[], Metric]] = {
    "beats": lambda: BeatAgreement(madmom_tracker()),
    "separation": lambda: separation,
    "harmony": lambda: harmony,
    "levels": lambda: levels,
}


def run(settings: Settings) -> Path:
    """Play, score, write `scores.csv` and `summary.csv`, and log the table; the folder they are in."""
    strange = sorted(set(settings.metrics) - set(METRICS))
    if strange:
        raise UserError(f"metrics={strange}: choose among {', '.join(METRICS)}")
    metrics = [METRICS[name]() for name in settings.metrics]
    model = load_model(settings.model, settings.device)
    model.sampler(settings.sampler)
    songs = load_songs(settings.data, settings.stems, settings.tracks, settings.seconds)
    shelf = Shelf(settings.out_dir / "audio")
    prepare(shelf, settings)
    perform(settings, model, songs, shelf)
    lines = list(score(settings, model, songs, shelf, metrics))
    report.write_scores(settings.out_dir / "scores.csv", lines)
    summary = report.summarise(lines)
    report.write_scores(settings.out_dir / "summary.csv", summary)
    log.info("\n%s\n%s", report.table(summary), settings.out_dir / "scores.csv")
    return settings.out_dir


def score(
    settings: Settings, model: Model, songs: Sequence[Song], shelf: Shelf, metrics: Sequence[Metric]
) -> Iterator[dict]:
    """The lines of the tidy table, row by row."""
    embed = latent_embedding(model.codec)
    real = np.concatenate([embed(truth) for song in songs for truth in song.truth.values()])
    todo = [(row, song, stem, seed) for row in rows(settings, model) for song in songs for stem in song.stems
            for seed in seeds_of(row, settings)]  # fmt: skip
    clouds: dict[tuple[Row, int], list[np.ndarray]] = {}
    for row, song, stem, seed in tqdm(todo, desc="scoring", unit="stem"):
        answer = audio.read(shelf.answer(row, song, stem, seed))
        excerpt = Excerpt(stem, answer, song.context[stem], song.truth[stem], song.beats_s)
        for metric in metrics:
            for name, value in metric(excerpt).items():
                yield _line(row, song.name, stem, seed, name, value)
        clouds.setdefault((row, seed), []).append(embed(answer))
    # Seed by seed, so that every row is judged on as many points as the recordings are.
    for (row, seed), cloud in clouds.items():
        yield _line(row, "*", "*", seed, "fad_latent", frechet_distance(real, np.concatenate(cloud)))
    for row in rows(settings, model):
        for name, value in _timings(row, songs, shelf, settings).items():
            yield _line(row, "*", "*", "*", name, value)


def _timings(row: Row, songs: Sequence[Song], shelf: Shelf, settings: Settings) -> dict[str, float]:
    """How long the cycles of a row took (all stems of a song in one), and how early they were, at worst."""
    if row.regime is None:
        return {}
    files = [shelf.timings(row, song, seed) for song in songs for seed in seeds_of(row, settings)]
    times = [entry["cycle_ms"] for path in files if path.is_file() for entry in json.loads(path.read_text())]
    found = percentiles(times)
    leads = {f"lead_{name}_ms": lead_ms(found[key], row.regime.step, settings.overlap) for name, key in
             (("median", "p50"), ("least", "max"))}  # fmt: skip
    return {f"cycle_{key}_ms": value for key, value in found.items()} | leads


def _line(row: Row, track: str, stem: str, seed: int | str, metric: str, value: float) -> dict:
    regime = row.regime
    place = {"regime": regime.name, "r": regime.r, "w": regime.w} if regime else {"regime": "", "r": "", "w": ""}
    visibility_s = round(regime.step.visibility_s, 4) if regime else ""
    subject = {"model": row.model, **place, "visibility_s": visibility_s}
    return {**subject, "track": track, "stem": stem, "seed": seed, "metric": metric, "value": value}
