"""Which notes and drum strokes sound: a small causal network on the constant-Q spectrum.

Harmonics of each pitch are laid one above the other (harmonic stacking: Bittner et al. 2018), so that one convolution
sees fundamental and partials at once; a recurrent layer remembers what has sounded. For every frame there are two
answers: one at once, and one `LOOKAHEAD` frames later, when more of the note has sounded.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from accomp.codec.spectrum import BINS, PER_SEMITONE, PITCHES, RESOLUTIONS

LOWEST_PITCH = 21  # MIDI note of the first key, A0
DRUMS = ("kick", "snare", "closed hat", "open hat", "low tom", "high tom", "crash", "ride")
LOOKAHEAD = 3  # frames
ANSWERS = (0, LOOKAHEAD)
HARMONICS = (-36, 0, 36, 57, 72, 84, 93, 101, 108)  # bins above the fundamental: 1/2, 1, 2, ... 8
QUIET = -2.0  # level of silence in the spectrum


class CausalConv2d(nn.Conv2d):
    """A convolution over time (past frames only) and pitch.  (B, C, T, K), state -> (B, C', T, K / stride), state."""

    def __init__(self, into: int, out: int, frames: int, bins: int, stride: int = 1):
        super().__init__(into, out, (frames, bins), stride=(1, stride))
        self.past, self.margin = frames - 1, (bins - 1) // 2 if stride == 1 else 0

    def forward(self, x: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        if state is None:
            state = x.new_zeros(x.shape[0], x.shape[1], self.past, x.shape[3])
        x = torch.cat([state.to(x.dtype), x], 2)
        return super().forward(F.pad(x, (self.margin, self.margin))), x[:, :, x.shape[2] - self.past :]


class Transcriber(nn.Module):
    """Spectrum (B, R, T, BINS) and other features (B, T, D) -> logits of notes (B, A, 2, T, PITCHES): sounding and
    beginning; of drum strokes (B, A, T, len(DRUMS)); and the state. A = len(ANSWERS): answer a at frame t is about
    frame t - ANSWERS[a].
    """

    def __init__(self, others: int, width: int = 16, memory: int = 320):
        super().__init__()
        answers = len(ANSWERS)
        self.stack = CausalConv2d(len(RESOLUTIONS) * len(HARMONICS), width, 3, 5)
        self.refine = CausalConv2d(width, width, 3, 5)
        self.fold = CausalConv2d(width, 2 * width, 1, PER_SEMITONE, stride=PER_SEMITONE)
        self.reduce = nn.Linear(2 * width, 6)
        self.mix = nn.Linear(6 * PITCHES, memory)
        self.memory = nn.GRU(memory + others, memory, batch_first=True)
        self.spread = nn.Linear(memory, 8 * PITCHES)
        self.join = CausalConv2d(2 * width + 8, 2 * width, 3, 3)
        self.notes = nn.Conv2d(2 * width, 2 * answers, 1)
        self.drums = nn.Linear(memory, answers * len(DRUMS))

    def forward(self, spectrum: Tensor, others: Tensor, state: dict | None = None) -> tuple[Tensor, Tensor, dict]:
        state, new = state or {}, {}
        x, new["stack"] = self.stack(stacked(spectrum), state.get("stack"))
        x = F.gelu(x)
        y, new["refine"] = self.refine(x, state.get("refine"))
        x, _ = self.fold(x + F.gelu(y), None)
        x = F.gelu(x)
        h = F.gelu(self.mix(self.reduce(x.permute(0, 2, 3, 1)).flatten(2)))
        h, new["memory"] = self.memory(torch.cat([h, others.to(h.dtype)], 2), state.get("memory"))
        spread = self.spread(h).unflatten(2, (PITCHES, 8)).permute(0, 3, 1, 2)
        y, new["join"] = self.join(torch.cat([x, spread], 1), state.get("join"))
        notes = self.notes(F.gelu(y)).unflatten(1, (len(ANSWERS), 2))
        return notes, self.drums(h).unflatten(2, (len(ANSWERS), -1)).transpose(1, 2), new


def stacked(spectrum: Tensor) -> Tensor:
    """(B, R, T, BINS) -> (B, R len(HARMONICS), T, BINS): at each bin the levels at its harmonics, silence beyond the
    spectrum.
    """
    padded = F.pad(spectrum, (-HARMONICS[0], HARMONICS[-1]), value=QUIET)
    return torch.cat([padded[..., h - HARMONICS[0] : h - HARMONICS[0] + BINS] for h in HARMONICS], 1)
