"""Playing along to a recording, step by step, as if it were live."""

from dataclasses import dataclass, field

import numpy as np

from accomp.stream.rules import PlayingRules
from accomp.stream.stopwatch import Stopwatch
from accomp.stream.streamer import Streamer
from accomp.timeline import Step


@dataclass
class Rollout:
    """What was played, (B, N) aligned with the context, and the timing of every step."""

    audio: np.ndarray
    timings: list[dict[str, float]] = field(default_factory=list)


def rollout(
    streamer: Streamer, context: np.ndarray, step: Step, overlap: int = 882, rules: PlayingRules | None = None
) -> Rollout:
    """Play along to the context (N,) or (B, N) from a cold start; with `rules`, as the server plays, without as it is.

    The answers are laid where a client would lay them, each blended into the last over `overlap` samples. What lies before
    the first answer stays silent, as it does live.
    """
    streamer.reset()
    context = np.atleast_2d(context)
    length = context.shape[1]
    result = Rollout(np.zeros((len(streamer.stems), length), np.float32))
    for edge in range(step.samples, length + step.samples, step.samples):
        block = context[:, edge - step.samples : edge]
        streamer.push(edge - step.samples, np.pad(block, ((0, 0), (0, step.samples - block.shape[1]))))
        if edge + step.offset >= length:
            break
        watch = Stopwatch()
        answer = streamer.step(edge, step.samples, step.offset, overlap, watch.record)
        result.timings.append(watch.timings())
        audio = answer.audio
        if rules is not None:
            audio = rules(audio, answer.start, streamer.presence.so_far, streamer.bar_s())
        lay(result.audio, answer.start, audio, overlap)
    return result


def lay(track: np.ndarray, start: int, audio: np.ndarray, overlap: int) -> None:
    """Blend an answer (B, n) into the track (B, N) at `start`: a crossfade over `overlap`, then plain."""
    first, last = max(start, 0), min(start + audio.shape[1], track.shape[1])
    fade = min(overlap, last - start)
    new = audio[:, first - start : last - start].copy()
    if start >= 0 and fade > 0:
        t = np.arange(fade, dtype=np.float32) / overlap
        new[:, :fade] = track[:, start : start + fade] * (1 - t) + new[:, :fade] * t
    track[:, first:last] = new
