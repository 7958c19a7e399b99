"""Scores the beats that a model's tracker predicts, on recordings whose beats are known.

    python -m accomp.benchmarks.tracker --model models/live --data data/band [--tracks 16] [--without drums]

Every 1.5 s of each track the tracker has heard what plays but one stem, and predicts the beats from 1.5 to 3 s later, as it
does for a step at w = 1. Logged are the F-measures of these beats (within 70 ms) from the ninth second on, of every track and
their mean, and how many beats were predicted for one of the score.
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from accomp.beat.tracker import TrackerClock
from accomp.command_line import command, parser_of
from accomp.data.beats import track_grid
from accomp.data.slakh import Track, find_tracks
from accomp.errors import UserError
from accomp.metrics.beats import f_measure
from accomp.model import Model, load_model
from accomp.plan.beats import beat_lines
from accomp.timeline import SAMPLE_RATE, STEMS

log = logging.getLogger(__name__)

STEP_S, SETTLE_S, LONGEST_S = 1.5, 8.0, 60.0


@torch.inference_mode()
def score_track(track: Track, model: Model, without: str) -> tuple[float, float] | None:
    """F-measure of the predicted beats, and their number for one of the score; None without either."""
    stems = [stem for stem in STEMS if track.stem_files[stem] and stem != without]
    if not stems or (grid := track_grid(track)) is None:
        return None
    hop = model.codec.hop
    audio = sum(track.read(stem) for stem in stems)[: round(LONGEST_S * SAMPLE_RATE)]
    latents = model.codec.encode(torch.from_numpy(audio)[None])
    clock, step, found = TrackerClock(model.tracker, hop), round(STEP_S * SAMPLE_RATE / hop), []
    for edge in range(step, latents.shape[2] - 2 * step, step):
        clock.listen(latents[:, :, edge - step : edge], edge - step)
        first, last = edge + step, edge + 2 * step
        lines = beat_lines(clock.features(first, last + 1)[0].numpy(), first, hop)
        found += [line.sample / SAMPLE_RATE for line in lines if first * hop <= line.sample < last * hop]
    start, stop = SETTLE_S, (latents.shape[2] - step) * hop / SAMPLE_RATE
    truth, found = (x[(x > start) & (x < stop)] for x in (grid.beats_s, np.array(found)))
    return (f_measure(truth, found), len(found) / len(truth)) if len(truth) else None


def main(argv: Sequence[str] | None = None) -> int:
    parser = parser_of(__doc__)
    parser.add_argument("--model", type=Path, default=Path("models/live"), help="a model folder with a tracker")
    parser.add_argument("--data", type=Path, default=Path("data/band"), help="a data set in Slakh2100's layout")
    parser.add_argument("--split", default="test")
    parser.add_argument("--tracks", type=int, help="how many (all)")
    parser.add_argument("--without", default="drums", choices=STEMS, help="the stem that is not heard")
    return command(parser, argv, _score)


def _score(o: argparse.Namespace) -> None:
    model = load_model(o.model)
    if model.tracker is None:
        raise UserError(f"{o.model}: this model has no beat tracker")
    scores = []
    for track in find_tracks(o.data, o.split)[: o.tracks]:
        if (found := score_track(track, model, o.without)) is not None:
            scores.append(found)
            log.info("%-32s %6.3f %6.2f", track.name, *found)
    if not scores:
        raise UserError(f"{o.data}: in no track of split {o.split} is a beat known and something heard beside the {o.without}")
    log.info("%-32s %6.3f %6.2f", f"mean of {len(scores)}", *np.mean(scores, 0))


if __name__ == "__main__":
    sys.exit(main())
