"""Answers that no model plays, to read the models' scores against.

`truth` is the recording itself; `codec` the recording through the model's codec (as well as a model on it can sound);
`random_pairing` the same instrument from another song; `silence` nothing at all. Two loopers repeat, in tempo, the
last whole bar that ended before the live edge: `loop_context` a bar of the player, as a looper pedal would, `loop_stem` a
bar of the true stem, which shows how much of the music is repetition. Their bars are those of the score.
"""

import numpy as np
import torch

from accomp.evaluation.songs import Song
from accomp.model import Model
from accomp.stream.rollout import lay
from accomp.timeline import SAMPLE_RATE, Step


def baseline(name: str, song: Song, stem: str, model: Model, step: Step | None, overlap: int) -> np.ndarray:
    """What a baseline plays, (N,)."""
    if name == "truth":
        return song.truth[stem]
    if name == "random_pairing":
        return song.partners[stem]
    if name == "silence":
        return np.zeros_like(song.truth[stem])
    if name.startswith("loop_"):
        source = song.context[stem] if name == "loop_context" else song.truth[stem]
        return loop_last_bar(source, song.grid.downbeats_s, step, overlap)
    return round_trip(model, song.truth[stem])


def loop_last_bar(source: np.ndarray, downbeats_s: np.ndarray, step: Step, overlap: int) -> np.ndarray:
    """Step by step, the last bar of `source` (N,) that was complete at the live edge, over and over; silence before one is."""
    bars = np.round(downbeats_s * SAMPLE_RATE).astype(int)
    bars = bars[bars >= 0]
    played = np.zeros((1, len(source)), np.float32)
    for edge in range(step.samples, len(source) + step.samples, step.samples):
        start = edge + step.offset
        known = bars[bars <= min(edge, len(source))]
        if start >= len(source):
            break
        if len(known) < 2:
            continue
        first, last = known[-2:]
        samples = np.arange(max(start - overlap, 0), start + step.samples)
        lay(played, samples[0], source[None, first + (samples - first) % (last - first)], overlap)
    return played[0]


@torch.inference_mode()
def round_trip(model: Model, samples: np.ndarray) -> np.ndarray:
    """Audio (N,) through the codec and back, (N,), its last incomplete frame included."""
    hop = model.codec.hop
    padded = np.pad(samples, (0, -len(samples) % hop))
    latents = model.codec.encode(torch.from_numpy(padded)[None].to(model.device))
    return model.codec.decode(latents)[0, : len(samples)].cpu().numpy()
