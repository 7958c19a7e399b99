"""How far the stems of each row, taken together, are from the recordings: FAD and KAD under every embedding there is.

The points of every answer are kept beside it, so that shards of an evaluation compute them and nothing is computed twice.
"""

import io
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path

import numpy as np
from tqdm import tqdm

from accomp.codec.fingerprint import fingerprint
from accomp.disk import write_whole
from accomp.evaluation.report import line
from accomp.evaluation.rows import Row
from accomp.evaluation.scoring import ScoringItem
from accomp.evaluation.settings import Settings
from accomp.metrics.checkpoint_file import DATA
from accomp.metrics.embeddings import Embed, clap_embedding, latent_embedding, vggish_embedding
from accomp.metrics.frechet import frechet_distance
from accomp.metrics.kernel import kernel_distance
from accomp.metrics.musicnn import musicnn_embedding
from accomp.model import Model
from accomp.provenance import code_hash

log = logging.getLogger(__name__)
DISTANCES = {"fad": frechet_distance, "kad": kernel_distance}


@dataclass(frozen=True)
class Embedding:
    """An embedding under the name of its distances; `key` tells its points from those of other weights or other code."""

    name: str
    key: str
    embed: Embed


def embeddings_of(settings: Settings, model: Model) -> list[Embedding]:
    """The first model's latents, and those embeddings of which weights are given. Raises UserError when they are not there."""
    kind, digest = type(model.codec).__module__.rpartition(".")[2], fingerprint(model.codec)
    code = code_hash("accomp.metrics.embeddings")
    found = [Embedding(f"{kind}_{digest[:4]}", f"{kind}_{digest[:8]}_{code}", latent_embedding(model.codec))]
    if settings.vggish:
        embed = vggish_embedding(settings.vggish, settings.device)
        found.append(Embedding("vggish", f"vggish_{file_hash(Path(settings.vggish))}_{code}", embed))
    if settings.clap:
        embed = clap_embedding(settings.clap)
        weights = sorted(path for path in Path(settings.clap).iterdir() if path.is_file())
        found.append(Embedding("clap", f"clap_{''.join(map(file_hash, weights))[:40]}_{code}", embed))
    if settings.musicnn:
        embed, code = musicnn_embedding(settings.musicnn), code_hash("accomp.metrics.musicnn")
        found.append(Embedding("musicnn", f"musicnn_{file_hash(Path(settings.musicnn, DATA))}_{code}", embed))
    return found


def file_hash(path: Path) -> str:
    """Eight hexadecimal digits of a file's content."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()[:8]


def embed_all(embeddings: Sequence[Embedding], items: Sequence[ScoringItem]) -> None:
    """Compute the points of every answer and recording that are not filed yet, with a progress bar."""
    for embedding in embeddings:
        for item in tqdm(items, desc=f"points ({embedding.name})", unit="stem"):
            answer_points(embedding, item)
            truth_points(embedding, item)


def answer_points(embedding: Embedding, item: ScoringItem) -> np.ndarray:
    """The points (M, D) of an answer, filed beside it."""
    path = item.answer.with_suffix(f".{embedding.key}.npy")
    if path.is_file() and path.stat().st_mtime_ns >= item.answer.stat().st_mtime_ns:
        return np.load(path)
    return _filed(path, embedding.embed(item.audio))


def truth_points(embedding: Embedding, item: ScoringItem) -> np.ndarray:
    """The points (M, D) of as much of the recording as is scored of the answer."""
    path = item.recording / f"{item.samples}.{embedding.key}.npy"
    return np.load(path) if path.is_file() else _filed(path, embedding.embed(item.truth))


def _filed(path: Path, points: np.ndarray) -> np.ndarray:
    buffer = io.BytesIO()
    np.save(buffer, points)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, buffer.getbuffer())
    return points


def set_distances(embeddings: Sequence[Embedding], items: Sequence[ScoringItem]) -> Iterator[dict]:
    """One line per row, seed and distance: seed by seed, so that every row has as many points as the recordings.

    A distance of too few points is mostly chance: it is left out, with a warning.
    """
    groups: dict[tuple[Row, int], list[ScoringItem]] = {}
    for item in items:
        groups.setdefault((item.row, item.seed), []).append(item)
    for embedding in embeddings:
        missing: dict[str, int] = {}
        for (row, seed), group in tqdm(groups.items(), desc=f"distances ({embedding.name})", unit="row"):
            points = np.concatenate([answer_points(embedding, item) for item in group])
            truth = np.concatenate([truth_points(embedding, item) for item in group])
            for metric, distance in DISTANCES.items():
                value = distance(truth, points)
                if np.isnan(value):
                    missing[metric] = len(points)
                else:
                    yield line(row, f"{metric}_{embedding.name}", value, seed=seed)
        for metric, count in missing.items():
            log.warning(
                "%s_%s is left out where it has few points (%d): take more tracks or seconds",
                metric, embedding.name, count,
            )  # fmt: skip
