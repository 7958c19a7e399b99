"""Playing along to a recording as the paper's evaluation does, its look into the future included.

Not the `Streamer`: here the window of 6 s slides over the song, is encoded with all its future in it, and only then are the
columns hidden that a player could not have heard. What the codec has carried from them into the other columns stays: that is
the leak. So does the rest of the published procedure (arXiv 2604.07612): steps of int(264600 r) samples that shift a grid of
64 columns by int(64 r), a first window that is played entirely, decoding of the entire window at every step, a crossfade of
50 samples, and silence where a window's decoding ends short. What is not published is the noise; ours depends on seed, stem
and place alone.
"""

import zlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from accomp.errors import UserError
from accomp.model import Model
from accomp.stream.generator import Generator
from accomp.stream.rollout import Rollout, lay
from accomp.stream.stopwatch import Stopwatch
from accomp.stream.streamer import own_clock
from accomp.timeline import WINDOW, Step

COLUMNS = 64
COLUMN = 4096  # samples
OVERLAP = 50  # samples


@torch.inference_mode()
def paper_rollout(
    model: Model, stems: Sequence[str], context: np.ndarray, step: Step, sampler: str | None, seed: int | Sequence[int]
) -> Rollout:
    """Play along to contexts (B, N), one for each stem, from a cold start; one seed for all or one for each.

    The answer is aligned with the context, (B, N). Its last (N - WINDOW) mod step samples, which the paper leaves out, stay
    silent. Raises UserError for a model whose frames do not divide a column; one with a tracker is told the visible beat.
    """
    frames, shift, visible = _in_frames(model, step)
    length = max(context.shape[1], WINDOW)
    padded = torch.from_numpy(np.pad(context, ((0, 0), (0, length - context.shape[1])))).float()
    seeds = [seed] * len(stems) if isinstance(seed, int) else seed
    generator, clock = Generator(model, stems, seeds, sampler), own_clock(model)
    track = np.zeros((len(stems), length), np.float32)
    own = torch.zeros(len(stems), model.codec.channels, frames, device=model.device)
    result = Rollout(track[:, : context.shape[1]])
    for k, start in enumerate(range(0, length - WINDOW + 1, step.samples)):
        first, new = k * shift, shift if k else frames
        watch = Stopwatch()
        latents = model.codec.encode(padded[:, start : start + WINDOW].to(model.device))[:, :, :frames]
        watch.record("encode")
        old = max(visible - new, 0)  # frames that the clock was given in steps before
        clock.listen(latents[:, :, old:visible], first + old)
        beat = clock.features(first, first + frames).to(model.device)
        span = {"stop": first + frames, "count": new, "start": first, "edge": first + visible, "known": first}
        own[:, :, frames - new :] = generator(latents, own, beat, **span)
        watch.record("sample")
        audio, short = _decode(model, own, [f"{s}/{stem}/{first}" for s, stem in zip(seeds, stems, strict=True)])
        if k:
            audio = audio[:, -(step.samples + short + OVERLAP) :]
        watch.record("decode")
        lay(track, start + WINDOW - audio.shape[1], audio, OVERLAP if audio.shape[1] < WINDOW else 0)
        own = torch.nn.functional.pad(own[:, :, shift:], (0, shift))
        result.timings.append(watch.timings())
    return result


def _in_frames(model: Model, step: Step) -> tuple[int, int, int]:
    """Length of the window, of a step and of what is visible of the window, in the model's frames."""
    per, rest = divmod(COLUMN, model.codec.hop)
    if rest:
        raise UserError(
            f"protocol=paper counts columns of {COLUMN} samples, and {model.name} has frames of {model.codec.hop}: "
            "use protocol=live"
        )
    if step.ratio * COLUMNS < 1:
        raise UserError(f"protocol=paper moves by whole columns: r must be at least 1/{COLUMNS}, got {step.ratio:g}")
    columns = COLUMNS, int(COLUMNS * step.ratio), max(int(COLUMNS * (1 - (step.depth + 1) * step.ratio)), 0)
    return tuple(per * count for count in columns)


def _decode(model: Model, latents: Tensor, noises: list[str]) -> tuple[np.ndarray, int]:
    """Latents (B, C, T) as audio (B, WINDOW), one item at a time, and how many samples at its end are only filled up."""
    items = []
    for item, noise in zip(latents.split(1), noises, strict=True):
        with torch.random.fork_rng(devices=[]):  # a codec that draws noise draws it on the CPU
            torch.default_generator.manual_seed(zlib.crc32(noise.encode()))
            items.append(model.codec.decode_window(item)[:, :WINDOW].cpu().numpy())
    audio = np.concatenate(items)
    short = WINDOW - audio.shape[1]
    return np.pad(audio.clip(-1, 1), ((0, 0), (0, short))), short
