"""How much less likely keys are that a plan does not expect."""

import pytest
import torch

from accomp.codec.spectrum import PITCHES
from accomp.plan.contract import BASS, CHROMA, plan_rows
from accomp.plan.weights import ENOUGH, ENOUGH_FOR_BASS, LOWEST, UNEXPECTED, key_weights

C, E, A = 0, 4, 9  # pitch classes
LOWEST_PITCH = 21


def weights(chroma: dict[int, float], lowest: int | None = None) -> torch.Tensor:
    """Of a bass and of another stem: (2, PITCHES), by a plan of one frame."""
    plan = torch.zeros(2, plan_rows(1), 1)
    for pitch_class, value in chroma.items():
        plan[:, CHROMA][:, pitch_class] = value
    if lowest is not None:
        plan[:, BASS][:, lowest] = 1
    return key_weights(plan, torch.tensor([True, False]), LOWEST_PITCH)[:, :, 0]


def of(pitch_class: int) -> list[int]:
    return [key for key in range(PITCHES) if (key + LOWEST_PITCH) % 12 == pitch_class]


def test_where_nothing_is_expected_every_key_stays_as_it_is():
    assert (weights({}) == 1).all() and (weights({C: 0.04}) == 1).all()


def test_keys_are_the_less_likely_the_less_their_pitch_class_is_expected():
    _, other = weights({C: 1.0, E: ENOUGH, A: ENOUGH / 2})
    assert (other[of(C)] == 1).all() and (other[of(E)] == 1).all()
    assert other[of(A)] == pytest.approx((1 + UNEXPECTED) / 2)
    assert other[of(2)] == pytest.approx(UNEXPECTED)


def test_a_bass_is_expected_to_play_the_lowest_note_most_of_all():
    bass, other = weights({C: 1.0, E: 1.0}, lowest=C)
    assert (bass[of(C)] == 1).all() and (other[of(E)] == 1).all()
    assert bass[of(E)] == pytest.approx(UNEXPECTED + (1 - UNEXPECTED) * (1 - LOWEST) / ENOUGH_FOR_BASS)
    assert bass[of(A)] == pytest.approx(UNEXPECTED)
