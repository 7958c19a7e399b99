"""A plan from chords that are known: those of a lead sheet, or of the score in evaluation."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from accomp.beat.chords import BeatChords
from accomp.plan.contract import CONFIDENCE, HARMONY, Plan
from accomp.timeline import PITCH_CLASSES, SAMPLE_RATE


class ChartPlan:
    """Known chords in place of the harmony that another plan expects; what that one recalls stays.

    `chords` holds those of every item, or one for all, or nothing; it may be changed. Where there are none, the other
    plan's harmony stays too.
    """

    def __init__(self, chords: Sequence[BeatChords], plan: Plan, hop: int):
        self.chords, self.plan, self.hop = chords, plan, hop

    def reset(self) -> None:
        self.plan.reset()

    def listen(self, context: Tensor, start: int, clock: Tensor) -> None:
        self.plan.listen(context, start, clock)

    def play(self, own: Tensor, start: int) -> None:
        self.plan.play(own, start)

    def ahead(self, start: int, clock: Tensor) -> Tensor:
        rows = self.plan.ahead(start, clock)
        if not self.chords:
            return rows
        rows = rows.expand(max(len(rows), len(self.chords)), -1, -1).clone()
        times_s = (start + np.arange(rows.shape[2])) * self.hop / SAMPLE_RATE
        for item in range(len(rows)):
            number = min(item, len(self.chords) - 1)
            beat = self.chords[number].at(times_s)
            known = np.isin(beat, np.flatnonzero(self.chords[number].roots >= 0))
            harmony = torch.from_numpy(_rows(self.chords[number])[:, beat[known]])
            rows[item, HARMONY, torch.from_numpy(known)] = harmony
            rows[item, CONFIDENCE, torch.from_numpy(known)] = 1
        return rows


def _rows(chords: BeatChords) -> np.ndarray:
    """Chroma and bass of every beat, (2 PITCH_CLASSES, N)."""
    bass = np.arange(PITCH_CLASSES)[:, None] == chords.roots
    return np.concatenate([chords.tones.T, bass]).astype(np.float32)
