"""Plays along with a scene by the server's own worker, and notes what the clock predicts."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from accomp.beat.grid import BeatGrid
from accomp.beat.transport import Transport
from accomp.evaluation.living.scenes import Take
from accomp.server.answers import samples_of
from accomp.server.worker import InferenceWorker, Settings, StepRequest
from accomp.stream.rollout import lay
from accomp.stream.streamer import Streamer
from accomp.timeline import to_seconds

ADDED = "bass"


@dataclass
class Played:
    """The drums of the answer (N,), aligned with the player; the beats that the clock predicted for each answer.

    `predicted` holds (seconds, beats in the bar or 0) of each; `tempi` (seconds of the live edge, beats per minute, 0: none).
    `onsets_s` is filled in by `figures`.
    """

    audio: np.ndarray
    predicted: list[tuple[float, int]] = field(default_factory=list)
    tempi: list[tuple[float, float]] = field(default_factory=list)
    onsets_s: np.ndarray = field(default_factory=lambda: np.zeros(0))


def play(make: Callable[[tuple[str, ...]], Streamer], take: Take, settings: Settings, host: bool) -> Played:
    """Play with a maker of streamers as the server does; with `host` it is told the transport of the player's software."""
    made: list[Streamer] = []
    worker = InferenceWorker(lambda stems: made.append(make(stems)) or made[-1])
    settings = replace(settings, rest_after=take.scene.rest_after)
    played = Played(np.zeros(len(take.audio), np.float32))
    step = settings.step
    for number, edge in enumerate(range(step.samples, len(take.audio) - step.offset, step.samples), 1):
        adds = take.scene.adds and to_seconds(edge) > take.span_s[0]
        runs = ((edge - step.samples, take.audio[edge - step.samples : edge]),)
        request = StepRequest(0, number, edge, replace(settings, stems=(*settings.stems, *[ADDED] * adds)), 0.0, 0.0,
                              transport_at(take.grid, edge) if host else None, runs=runs)  # fmt: skip
        result = worker.play(request)
        start = edge + step.offset
        lay(played.audio[None], start - settings.overlap, samples_of(result.packets[0])[None], settings.overlap)
        lines = made[-1].beat_lines(start, start + step.samples + 2 * made[-1].hop)  # to the frame after its last beat
        lines = [line for line in lines if start <= line.sample < start + step.samples]
        played.predicted += [(to_seconds(line.sample), line.beats_in_bar) for line in lines]
        played.tempi.append((to_seconds(edge), result.beat_estimate[0]))
    return played


def transport_at(grid: BeatGrid, sample: int) -> Transport | None:
    """What the player's software tells at this sample: where it stands in the bar, and the tempo of this beat."""
    at_s = to_seconds(sample)
    (beat,), _, (period_s,) = grid.phase(np.array([at_s]))
    if np.isnan(beat):
        return None
    index = int(np.searchsorted(grid.beats_s, at_s, side="right")) - 1
    first = np.searchsorted(grid.beats_s, grid.downbeats_s - 1e-6)  # beats that begin a bar
    bar = int(np.searchsorted(first, index, side="right")) - 1
    last = first[bar + 1] if bar + 1 < len(first) else len(grid.beats_s)
    return Transport(sample, float(index - first[bar] + beat), 60 / float(period_s), int(last - first[bar]))
