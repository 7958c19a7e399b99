"""The coherence metric counts silence as the worst, knows no level, and needs a model."""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import save_file

from accomp.errors import UserError
from accomp.metrics.coherence import HOP, PIECE, STEP, WEIGHTS, Bands, Coherence, audible, make_metric, pieces, write_folder
from accomp.metrics.contract import Excerpt, Options

NET = {"width": 16, "size": 8, "channels": 12}


def noise(pieces: float, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(round(pieces * PIECE))).astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("coherence")
    (folder / "config.yaml").write_text(yaml.safe_dump({"net": NET}))
    save_file(Coherence(**NET).state_dict(), folder / WEIGHTS)
    return folder


def excerpt(answer, context) -> Excerpt:
    return Excerpt("bass", answer, context, answer, None)


def test_level_does_not_matter_and_silence_is_worst(folder):
    stem, context = noise(2, 1), noise(2, 2)
    metric = make_metric(Options(coherence=str(folder)))
    score = metric(excerpt(stem, context))["coherence"]
    assert -1 < score < 1
    assert metric(excerpt(0.2 * stem, 0.5 * context))["coherence"] == pytest.approx(score, abs=1e-3)
    assert metric(excerpt(0 * stem, context))["coherence"] == -1
    assert np.isnan(metric(excerpt(stem, 0 * context))["coherence"]), "nothing to fit"
    assert np.isfinite(metric(excerpt(stem[:1000], context[:1000]))["coherence"])


def test_half_a_silent_answer_scores_between(folder):
    stem, context = noise(3, 1), noise(3, 2)
    metric, half = make_metric(Options(coherence=str(folder))), stem.copy()
    half[: PIECE + STEP] = 0
    assert -1 < metric(excerpt(half, context))["coherence"] < metric(excerpt(stem, context))["coherence"]


def test_pieces_overlap_by_half():
    audio = np.arange(2 * PIECE, dtype=np.float32)
    assert pieces(audio)[:, 0].tolist() == [0, STEP, PIECE]
    assert pieces(audio[:10]).shape == (1, PIECE)


def test_a_model_can_be_moved_and_a_missing_one_is_told(folder, tmp_path):
    write_folder(folder, tmp_path / "there")
    assert sorted(path.name for path in (tmp_path / "there").iterdir()) == [WEIGHTS, "config.yaml"]
    heard = excerpt(noise(1, 1), noise(1, 2))
    moved, there = (
        make_metric(Options(coherence=str(tmp_path / "there")))(heard),
        make_metric(Options(coherence=str(folder)))(heard),
    )
    assert moved["coherence"] == pytest.approx(there["coherence"], abs=0.01), "half precision"
    with pytest.raises(UserError, match="experiment=coherence"):
        write_folder(tmp_path / "nowhere", tmp_path / "x")
    with pytest.raises(UserError, match="train one"):
        make_metric(Options(coherence=str(tmp_path / "nowhere")))
    (tmp_path / "there" / WEIGHTS).write_bytes(b"damaged")
    with pytest.raises(UserError, match="make it again"):
        make_metric(Options(coherence=str(tmp_path / "there")))


def test_bands_follow_the_level_and_nothing_later():
    bands, audio = Bands(), torch.from_numpy(noise(0.2, 3))[None]
    levels = bands(audio)
    assert levels.shape == (1, Bands.count, audio.shape[1] // HOP)
    torch.testing.assert_close(bands(0.1 * audio), levels - 20 / 30, atol=1e-4, rtol=0)
    changed = audio.clone()
    changed[:, 9 * HOP :] *= 0.5
    same = (bands(changed) == levels).all(1)[0]
    assert same[:9].all() and not same[9:].any()


def test_a_tenth_of_sound_is_no_silence():
    audio = np.zeros((2, 100 * HOP), np.float32)
    audio[0, : 5 * HOP], audio[1, : 12 * HOP] = noise(1)[: 5 * HOP], noise(1)[: 12 * HOP]
    assert audible(Bands()(torch.from_numpy(audio))).tolist() == [False, True]
