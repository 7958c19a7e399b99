import pytest
from hypothesis import given
from hypothesis import strategies as st

from accomp.timeline import WINDOW, Step, frames_covering


@pytest.mark.parametrize(
    ("ratio", "depth", "samples", "offset"),
    [
        (0.25, 1, 66_150, 66_150),
        (0.125, 1, 33_075, 33_075),
        (0.0625, 1, 16_537, 16_537),  # 16537.5 is truncated as the Max external truncates it
        (0.2, -1, 52_920, -52_920),
        (1.0, 0, WINDOW, 0),
    ],
)
def test_step_counts_samples_as_the_external_does(ratio, depth, samples, offset):
    step = Step(ratio, depth)
    assert (step.samples, step.offset) == (samples, offset)
    assert step.visibility_s == pytest.approx(-offset / 44_100)


@pytest.mark.parametrize(("ratio", "depth"), [(0, 1), (1.1, 1), (0.25, -2), (0.25, float("nan"))])
def test_impossible_steps_are_refused(ratio, depth):
    with pytest.raises(ValueError, match="must lie in"):
        Step(ratio, depth)


@given(st.integers(0, 10**9), st.integers(1, 10**6), st.sampled_from([2048, 4096]))
def test_frames_cover_outward_and_no_more(start, length, hop):
    first, last = frames_covering(start, start + length, hop)
    assert first * hop <= start < (first + 1) * hop
    assert (last - 1) * hop < start + length <= last * hop
