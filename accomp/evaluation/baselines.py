"""Answers that no model plays, to read the models' scores against.

`truth` is the recording itself; `codec` the recording through the model's codec (as well as a model on it can sound);
`random_pairing` the same instrument from another song; `silence` nothing at all. Those that have a live edge repeat the past
or hold a chord: see `accomp.evaluation.recall`.
"""

import numpy as np
import torch

from accomp.codec.contract import Codec
from accomp.evaluation.recall import LIVE, recall
from accomp.evaluation.songs import Song
from accomp.model import Model
from accomp.timeline import Step


def baseline(name: str, song: Song, stem: str, model: Model, step: Step | None, overlap: int) -> np.ndarray:
    """What a baseline plays, (N,)."""
    if name == "truth":
        return song.truth[stem]
    if name == "random_pairing":
        return song.partners[stem]
    if name == "silence":
        return np.zeros_like(song.truth[stem])
    if name in LIVE:
        return recall(name, song.context[stem], song.truth[stem], song.grid, step, overlap)
    return round_trip(model.codec, song.truth[stem])


@torch.inference_mode()
def round_trip(codec: Codec, samples: np.ndarray) -> np.ndarray:
    """Audio (N,) through a codec and back, (N,), its last incomplete frame included; its noise is the same every time."""
    torch.manual_seed(0)
    padded = np.pad(samples, (0, -len(samples) % codec.hop))
    latents = codec.encode_recording(torch.from_numpy(padded)[None].to(next(codec.parameters()).device))
    return codec.decode(latents)[0, : len(samples)].cpu().numpy()
