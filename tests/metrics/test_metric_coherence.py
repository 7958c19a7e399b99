"""The coherence metric counts silence as the worst, knows no level, and needs a model."""

import numpy as np
import pytest
import torch
import yaml

from accomp.checkpoint import save_weights
from accomp.errors import UserError
from accomp.metrics.coherence import PIECE, Coherence, coherence_metric, main, starts
from accomp.metrics.contract import Excerpt

SMALL = {"width": 16, "size": 8}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("coherence")
    (folder / "config.yaml").write_text(yaml.safe_dump(SMALL))
    save_weights(Coherence(**SMALL), folder / "coherence.safetensors")
    return folder


def excerpt(answer, context) -> Excerpt:
    return Excerpt("bass", answer, context, answer, None)


def test_level_does_not_matter_and_silence_is_worst(folder):
    stem, context = (0.1 * np.random.default_rng(0).standard_normal((2, 2 * PIECE))).astype(np.float32)
    metric = coherence_metric(str(folder))
    score = metric(excerpt(stem, context))["coherence"]
    assert -1 < score < 1
    assert metric(excerpt(0.2 * stem, 0.5 * context))["coherence"] == pytest.approx(score, abs=1e-3)
    assert metric(excerpt(0 * stem, context)) == {"coherence": -1}
    assert np.isnan(metric(excerpt(stem, 0 * context))["coherence"]), "nothing to fit"
    assert np.isfinite(metric(excerpt(stem[:1000], context[:1000]))["coherence"])


def test_pieces_overlap_by_half():
    assert list(starts(2 * PIECE)) == [0, PIECE // 2, PIECE] and list(starts(10)) == [0]


def test_a_model_can_be_moved_and_a_missing_one_is_told(folder, tmp_path, capsys):
    assert main([str(folder), str(tmp_path / "there")]) == 0
    assert sorted(path.name for path in (tmp_path / "there").iterdir()) == ["coherence.safetensors", "config.yaml"]
    assert main([str(tmp_path / "nowhere"), str(tmp_path / "x")]) == 2
    assert "experiment=coherence" in capsys.readouterr().err
    with pytest.raises(UserError, match="train one"):
        coherence_metric(str(tmp_path / "nowhere"))
