"""Finds the bar that a pulse stands in, and says that there is none where the pointers of the bar do not agree."""

from dataclasses import replace

import numpy as np

from accomp.beat.fit import Evidence
from accomp.beat.pulse import Pulse

MEMORY_S = 6.0  # time constant of the evidence
LENGTHS = range(2, 8)  # beats in a bar
SURE = 0.45  # share of its pointers that a bar has to explain to be taken
CLEAR = 1.6  # and how many times as much as any other length
HELD = 0.2  # share that a bar goes on explaining to be kept beside a better one
LEAD = 0.15  # and how much more the one explains that replaces it


def with_bar(pulse: Pulse, evidence: Evidence, hop: int) -> Pulse:
    """The pulse in the bar that explains the pointers best: that which it has while this is good enough, or none."""
    weights = evidence.weights(MEMORY_S)
    beats = pulse.phase(evidence.frames, hop)
    worth: dict[tuple[int, int], float] = {}  # by length, and by the place in the bar of the beat at the pulse's frame
    wherever: dict[int, float] = {}  # by length, at the best place, be it on a beat or not
    for length in LENGTHS:
        response = np.vdot(np.exp(2j * np.pi * beats / length), evidence.bar * weights) / weights.sum()
        wherever[length] = float(abs(response))
        for place in range(length):
            worth[length, place] = float((response * np.exp(-2j * np.pi * place / length)).real)
    best = max(worth, key=worth.__getitem__)
    held = None
    if pulse.beats_in_bar:
        held = pulse.beats_in_bar, round(pulse.bar * pulse.beats_in_bar - pulse.beat) % pulse.beats_in_bar
    if best != held and worth.get(held, 0.0) >= max(HELD, worth[best] - LEAD):
        best = held
    second = max(value for length, value in wherever.items() if length != best[0])
    if best != held and worth[best] < max(SURE, CLEAR * second):
        return replace(pulse, bar=np.nan, beats_in_bar=0)
    length, place = best
    return replace(pulse, bar=(place + pulse.beat) / length % 1, beats_in_bar=length)
