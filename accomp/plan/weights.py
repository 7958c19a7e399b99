"""Weights for the keys of an answer: those whose pitch class the plan does not expect are less likely to sound.

Trained with plans that err, the network follows them in part. Here its estimate and the plan's are multiplied (a product of
experts, Hinton 2002).
"""

import torch
from torch import Tensor

from accomp.codec.spectrum import PITCHES
from accomp.plan.contract import BASS, CHROMA, HARMONY
from accomp.timeline import PITCH_CLASSES

UNEXPECTED = 0.3  # weight of keys whose pitch class is not expected at all
ENOUGH, ENOUGH_FOR_BASS = 0.35, 0.6  # of a pitch class in the plan: its keys have weight 1
LOWEST = 0.8  # share of the lowest note in what is expected of the bass; the rest is that of everybody
KNOWN = 0.05  # of the likeliest pitch class, below which nothing is expected


def key_weights(plan: Tensor, bass: Tensor, lowest_pitch: int) -> Tensor:
    """Factors (B, PITCHES, T) in (0, 1] for how far keys sound, the first of them MIDI pitch `lowest_pitch`; 1 where the plan
    (B, plan_rows(C), T) expects nothing. `bass` (B,) says who plays the lowest notes.
    """
    of_bass = torch.lerp(plan[:, CHROMA], plan[:, BASS], LOWEST) / ENOUGH_FOR_BASS
    expected = torch.where(bass[:, None, None], of_bass, plan[:, CHROMA] / ENOUGH).clamp(max=1)
    weights = UNEXPECTED + (1 - UNEXPECTED) * expected
    weights = torch.where(plan[:, HARMONY].amax(1, keepdim=True) > KNOWN, weights, 1.0)
    pitch_class = (torch.arange(PITCHES, device=plan.device) + lowest_pitch) % PITCH_CLASSES
    return weights[:, pitch_class]
