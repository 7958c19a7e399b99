"""How far the stems of each row, taken together, are from the recordings: FAD and KAD under every embedding there is."""

import logging
from collections.abc import Iterator, Sequence

import numpy as np
from tqdm import tqdm

from accomp.codec.fingerprint import fingerprint
from accomp.errors import UserError
from accomp.evaluation.report import line
from accomp.evaluation.rows import Row
from accomp.evaluation.scoring import ScoringItem
from accomp.evaluation.settings import Settings
from accomp.metrics.embeddings import Embed, clap_embedding, latent_embedding, vggish_embedding
from accomp.metrics.frechet import frechet_distance
from accomp.metrics.kernel import kernel_distance
from accomp.model import Model

log = logging.getLogger(__name__)
DISTANCES = {"fad": frechet_distance, "kad": kernel_distance}


def embeddings_of(settings: Settings, model: Model) -> dict[str, Embed]:
    """The embeddings that can be had, by name: the first model's latents, and others of which the weights are given."""
    kind = f"{type(model.codec).__module__.rpartition('.')[2]}_{fingerprint(model.codec)[:4]}"
    found: dict[str, Embed] = {kind: latent_embedding(model.codec)}
    for name, weights, make in (("vggish", settings.vggish, vggish_embedding), ("clap", settings.clap, clap_embedding)):
        if weights:
            try:
                found[name] = make(weights)
            except UserError as error:
                log.warning("fad_%s and kad_%s are left out: %s", name, name, error)
    return found


def set_distances(embeddings: dict[str, Embed], items: Sequence[ScoringItem]) -> Iterator[dict]:
    """One line per row, seed and distance: seed by seed, so that every row has as many points as the recordings.

    A distance of too few points is mostly chance: it is left out, with a warning.
    """
    groups: dict[tuple[Row, int], list[ScoringItem]] = {}
    for item in items:
        groups.setdefault((item.row, item.seed), []).append(item)
    for name, embed in embeddings.items():
        real: dict[tuple[str, str, int], np.ndarray] = {}
        missing: dict[str, int] = {}
        for (row, seed), group in tqdm(groups.items(), desc=f"distances ({name})", unit="row"):
            points = np.concatenate([embed(item.audio) for item in group])
            for item in group:
                key = (item.song.name, item.stem, item.samples)
                if key not in real:
                    real[key] = embed(item.truth)
            truth = np.concatenate([real[item.song.name, item.stem, item.samples] for item in group])
            for metric, distance in DISTANCES.items():
                value = distance(truth, points)
                if np.isnan(value):
                    missing[metric] = len(points)
                else:
                    yield line(row, f"{metric}_{name}", value, seed=seed)
        for metric, count in missing.items():
            log.warning(
                "%s_%s is left out where it has few points (%d): take more tracks or seconds", metric, name, count
            )
