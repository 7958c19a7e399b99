"""Percentiles are times that happened, and lead counts from the first sample that is heard."""

import numpy as np
import pytest

from accomp.metrics.latency import lead_ms, percentiles
from accomp.timeline import Step


def test_percentiles_of_a_hundred():
    assert percentiles(np.arange(1, 101)) == {"p50": 50.5, "p95": 96, "max": 100}
    assert percentiles([7.0]) == {"p50": 7, "p95": 7, "max": 7}
    assert all(np.isnan(value) for value in percentiles([]).values())


@pytest.mark.parametrize("depth, expected", [(1, 1500 - 20 - 200), (0, -20 - 200), (-1, -1500 - 20 - 200)])
def test_lead(depth, expected):
    assert lead_ms(200, Step(0.25, depth), overlap=882) == pytest.approx(expected)
