"""How much of its own past a network is told: nothing of what was played on another beat."""

import numpy as np
import pytest
import torch

from accomp.beat.clock import clock_features
from accomp.codec.contract import Codec
from accomp.stream.own_past import OwnPast
from accomp.timeline import SAMPLE_RATE

HOP, FRAMES, COUNT = 2048, 192, 32


class Silent(Codec):
    """Enough of a codec, which does not tell notes."""

    hop, channels, delay, causal = HOP, 4, 0, True
    encode = decode = encode_stream = decode_stream = None


def told(start: int, count: int, shift: float = 0.0, period_s: float = 0.5, confidence: float = 1.0) -> torch.Tensor:
    beats = np.arange(start, start + count) * HOP / SAMPLE_RATE / period_s + shift
    none = np.full(count, np.nan)
    return torch.from_numpy(clock_features(beats % 1, none, np.full(count, period_s), confidence))[None]


def played(before: dict, after: dict, batch: int = 2) -> OwnPast:
    """Three answers to one clock, and then another one asks."""
    own = OwnPast(Silent(), batch, FRAMES, torch.device("cpu"))
    own.begin(64)
    for _ in range(3):
        own.forget(told(own.compared(), own.stop - own.compared(), **before))
        own.play(torch.ones(batch, 4, COUNT), told(own.stop, COUNT, **before))
    assert (own.known == 64).all() and own.stop == 64 + 3 * COUNT
    own.forget(told(own.compared(), own.stop - own.compared(), **after))
    return own


@pytest.mark.parametrize(
    ("before", "after", "forgets"),
    [
        ({}, {}, False),
        ({}, {"shift": 0.1}, False),  # a correction
        ({}, {"shift": 0.5}, True),  # the off-beat was taken for the beat
        ({}, {"shift": -0.25}, True),
        ({}, {"confidence": 0.3}, False),
        ({}, {"confidence": 0.0}, False),  # the beat is lost: what is played goes on
        ({"confidence": 0.0}, {}, True),  # it is found
        ({"confidence": 0.0}, {"confidence": 0.0}, False),
    ],
)
def test_what_was_played_on_another_beat_is_not_told(before, after, forgets):
    own = played(before, after)
    assert own.known.tolist() == [own.stop if forgets else 64] * 2


def test_each_stem_has_its_own():
    own = played({}, {})
    both = torch.cat([told(own.compared(), own.stop - own.compared(), shift=shift) for shift in (0.0, 0.4)])
    own.forget(both)
    assert own.known.tolist() == [64, own.stop]
