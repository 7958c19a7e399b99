"""A plan from known chords."""

import numpy as np
import torch

from accomp.beat.chords import beat_chords
from accomp.plan.chart import ChartPlan
from accomp.plan.contract import BASS, CHROMA, CONFIDENCE, NoPlan
from accomp.timeline import SAMPLE_RATE

HOP = 2205  # 20 frames a second


def test_the_chords_of_the_frames_to_come_are_known_for_certain():
    starts = np.array([0.0, 0, 0, 0.5, 0.5, 0.5])
    chords = beat_chords(starts, starts + 0.5, np.array([48, 52, 55, 45, 48, 52]), np.array([0.0, 0.5, 1.0]))
    plan = ChartPlan([chords], NoPlan(4), HOP)
    rows = plan.ahead(5, torch.zeros(1, 10, 20))[0]  # 0.25 s to 1.25 s
    assert rows[CHROMA, 0].nonzero().flatten().tolist() == [0, 4, 7]
    assert rows[CHROMA, 5].nonzero().flatten().tolist() == [0, 4, 9]
    assert rows[BASS, 0].argmax() == 0 and rows[BASS, 5].argmax() == 9
    assert rows[CONFIDENCE].tolist() == [1.0] * 15 + [0.0] * 5
    assert not rows[:, 15:].any(), "after the last chord nothing is known"
    assert SAMPLE_RATE / HOP == 20
