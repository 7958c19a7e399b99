"""A metric is one file: it is found by its name, scored, and shown under its heading."""

import sys

import pytest

from accomp import metrics
from accomp.errors import UserError
from accomp.evaluation import report
from accomp.evaluation.rows import Row
from accomp.metrics import registry
from accomp.metrics.contract import Excerpt, Options

FILE = '''"""How bright is it? The share of zero crossings."""

import numpy as np

from accomp.metrics.contract import Column, Excerpt, Metric, Options

COLUMNS = (Column("brightness", "bright", "Share of samples at which the sign changes."),)


def make_metric(options: Options) -> Metric:
    return brightness


def brightness(excerpt: Excerpt) -> dict[str, float]:
    return {"brightness": float(np.mean(np.diff(np.sign(excerpt.answer)) != 0))}
'''


@pytest.fixture
def brightness(tmp_path, monkeypatch):
    (tmp_path / "brightness.py").write_text(FILE)
    monkeypatch.setattr(metrics, "__path__", [*metrics.__path__, str(tmp_path)])
    registry.modules.cache_clear()
    yield registry.find("brightness").make_metric(Options())
    registry.modules.cache_clear()
    del sys.modules["accomp.metrics.brightness"]


def test_one_file_is_a_metric(brightness):
    import numpy as np

    noise = np.random.default_rng(0).standard_normal(1000).astype(np.float32)
    found = brightness(Excerpt("bass", noise, noise, noise, None))
    assert found["brightness"] == pytest.approx(0.5, abs=0.1)
    lines = [report.line(Row("m"), name, value, "a", "bass", 0) for name, value in found.items()]
    head, row = report.table(report.summarise(lines)).splitlines()
    assert head.split()[-1] == "bright" and row.split()[-1] == f"{found['brightness']:.3f}"


def test_an_unknown_metric_is_told_with_those_there_are():
    with pytest.raises(UserError, match="metrics=taste: choose among bar_repetition, bass_notes, beats, "):
        registry.find("taste")


def test_every_column_has_a_heading_and_a_meaning_of_its_own():
    found = registry.columns().values()
    assert len({column.heading for column in found}) == len(found)
    assert all(column.meaning.endswith(".") or column.meaning[-1].isalnum() for column in found)


def test_a_number_without_a_column_is_in_no_table():
    lines = [report.line(Row("m"), "unheard_of", 1.0), report.line(Row("m"), "silence_ratio", 0.5)]
    assert "unheard" not in report.table(report.summarise(lines))
