"""Does the answer come in time? Percentiles of what a cycle took, and how early the answer was.

`lead` is the time between an answer being ready and its first sample being played; negative means late.
Failure rule: no timings at all is NaN.
"""

from collections.abc import Sequence

import numpy as np

from accomp.metrics.contract import Column
from accomp.timeline import Step, to_seconds

COLUMNS = (
    Column("cycle_p50_ms", "cycle ms", "Median time to compute one step of one stem on the machine that ran this."),
    Column("lead_least_ms", "lead ms", "How long before its play time the slowest answer was ready; negative is late."),
)


def percentiles(times_ms: Sequence[float]) -> dict[str, float]:
    """`p50`, `p95` and `max` of the given times, in their unit. The 95th is a time that really happened."""
    if not len(times_ms):
        return dict.fromkeys(("p50", "p95", "max"), float("nan"))
    values = np.asarray(times_ms, np.float64)
    return {
        "p50": float(np.median(values)),
        "p95": float(np.percentile(values, 95, method="higher")),
        "max": float(values.max()),
    }


def lead_ms(cycle_ms: float, step: Step, overlap: int) -> float:
    """How long before its play time an answer is ready that took `cycle_ms` to make.

    Playing starts with the crossfade, `overlap` samples before the step that lies w steps past the live edge.
    """
    return 1000 * to_seconds(step.offset - overlap) - cycle_ms
