"""An evaluation in three parts, each of which continues where it stopped: play, score, report.

`play` fills a shelf with audio, `score` files numbers beside each answer, `report` writes the tidy table (one line per
excerpt and metric, and lines whose track and stem are `*` for what is only defined of many excerpts together), its
summary, the figures and the page to listen to.
"""

import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from accomp.data.latents import fingerprint
from accomp.errors import UserError
from accomp.evaluation import report
from accomp.evaluation.figures import draw
from accomp.evaluation.judges import Case, Panel, cases, filed, judge_all, panel
from accomp.evaluation.listening import write_page
from accomp.evaluation.performances import perform, prepare
from accomp.evaluation.rows import Row, Shelf, load_cast, rows, seeds_of
from accomp.evaluation.settings import Settings
from accomp.evaluation.songs import load_songs
from accomp.metrics.embeddings import Embed, clap_embedding, latent_embedding, vggish_embedding
from accomp.metrics.frechet import frechet_distance
from accomp.metrics.kernel import kernel_distance
from accomp.metrics.latency import lead_ms, percentiles
from accomp.model import Model
from accomp.timeline import to_seconds

log = logging.getLogger(__name__)


def run(settings: Settings) -> Path:
    """Do the parts asked for; the folder that everything is in."""
    asked = panel(settings)
    cast = load_cast(settings)
    lines_of = rows(settings, cast)  # before anything is played: a misspelt sampler is told at once
    songs = load_songs(settings.data, settings.stems, settings.tracks, settings.seconds)
    embeddings = embeddings_of(settings, next(iter(cast.values())))
    shelf = Shelf(settings.out_dir / "audio")
    prepare(shelf, settings, cast)
    if "play" in settings.do:
        perform(settings, cast, songs, shelf)
    there = cases(lines_of, songs, {row: seeds_of(row, settings) for row in lines_of}, shelf)
    if not there and settings.do != ["play"]:
        raise UserError(f"{shelf.root} holds nothing that was asked for; let it play first (do='[play,score,report]')")
    if "score" in settings.do:
        judge_all(there, asked, settings.workers)
        _write_scores(settings, asked, there, crowds(embeddings, there), shelf)
    if "report" in settings.do:
        _report(settings, there)
    return settings.out_dir


def _write_scores(settings: Settings, asked: Panel, there: Sequence[Case], distances: list[dict], shelf: Shelf) -> None:
    lines = [
        _line(case.row, case.song.name, case.stem, case.seed, name, value)
        for case in there
        for metric, values in filed(case).items()
        if metric in map(asked.key, asked.metrics)
        for name, value in values.items()
    ]
    played = dict.fromkeys(case.row for case in there)
    report.write_lines(settings.out_dir / "scores.csv", lines + distances + list(timings(played, settings, shelf)))


def _report(settings: Settings, there: Sequence[Case]) -> None:
    """Summary, comparison, figures and page, all from the tidy table."""
    folder = settings.out_dir
    lines = report.read_lines(folder / "scores.csv")
    summary = report.summarise(lines)
    report.write_lines(folder / "summary.csv", summary)
    if compared := report.compare(lines):
        report.write_lines(folder / "differences.csv", compared)
    table = report.table(summary)
    report.write_text(folder / "summary.txt", table + "\n")
    figures = draw(folder, summary)
    write_page(settings, there, summary, figures)
    if settings.wandb:
        report.log_to_wandb(settings.wandb, settings.name, folder, summary)
    log.info("\n%s\n%s\n%s", table, folder / "scores.csv", folder / "index.html")


def embeddings_of(settings: Settings, model: Model) -> dict[str, Embed]:
    """The embeddings that can be had, by name: the first model's latents, and others of which the weights are given."""
    kind = f"{model.config['codec']['kind']}_{fingerprint(model.codec)[:4]}"
    found: dict[str, Embed] = {kind: latent_embedding(model.codec)}
    for name, weights, make in (("vggish", settings.vggish, vggish_embedding), ("clap", settings.clap, clap_embedding)):
        if weights:
            try:
                found[name] = make(weights)
            except UserError as error:
                log.warning("fad_%s and kad_%s are left out: %s", name, name, error)
    return found


def crowds(embeddings: dict[str, Embed], there: Sequence[Case]) -> list[dict]:
    """How far the stems of each row are, taken together, from the recordings, under every embedding.

    Seed by seed, so that every row is judged on as many points as the recordings are.
    """
    lines = []
    for name, embed in embeddings.items():
        real: dict[tuple[str, str, int], np.ndarray] = {}
        groups: dict[tuple[Row, int], list[Case]] = {}
        for case in there:
            groups.setdefault((case.row, case.seed), []).append(case)
        for (row, seed), group in tqdm(groups.items(), desc=f"crowds ({name})", unit="row"):
            cloud = np.concatenate([embed(case.audio) for case in group])
            for case in group:
                key = (case.song.name, case.stem, case.samples)
                if key not in real:
                    real[key] = embed(case.truth)
            truth = np.concatenate([real[case.song.name, case.stem, case.samples] for case in group])
            for metric, distance in (("fad", frechet_distance), ("kad", kernel_distance)):
                lines.append(_line(row, "*", "*", seed, f"{metric}_{name}", distance(truth, cloud)))
    return lines


def timings(played: Sequence[Row], settings: Settings, shelf: Shelf) -> Iterator[dict]:
    """The three clocks of a row: what a cycle computes, how early it delivers, and how old what it heard may be."""
    for row in played:
        if not row.plays or not shelf.latency(row).is_file():
            continue
        cycles = percentiles([entry["cycle_ms"] for entry in json.loads(shelf.latency(row).read_text())])
        step = row.regime.step
        found = {f"cycle_{key}_ms": value for key, value in cycles.items()}
        found |= {f"lead_{name}_ms": lead_ms(cycles[key], step, settings.overlap) for name, key in
                  (("median", "p50"), ("least", "max"))}  # fmt: skip
        found["generative_ms"] = 1000 * to_seconds(step.offset + step.samples)
        yield from (_line(row, "*", "*", "*", name, value) for name, value in found.items())


def _line(row: Row, track: str, stem: str, seed: int | str, metric: str, value: float) -> dict:
    return row.subject | {"track": track, "stem": stem, "seed": seed, "metric": metric, "value": value}
