"""Scores what the plan of a session expects of the harmony to come, on recordings whose score is known.

    python -m accomp.benchmarks.plan --codec models/live --data data/band [--tracks 12] [--ahead 1.5]

Every second of each track the codec has heard everything but one stem, and the plan is asked for what is to come. Logged
are correlations of pitch classes with those of the score, the average of each track left out (moving chroma): of what the
codec transcribes with what it hears, and of the plan with what follows `ahead` seconds later, in the first half minute
and after a minute; and how sure the plan is.
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from accomp.beat.clock import GridClock
from accomp.codec.note_codec import NoteCodec
from accomp.command_line import command, parser_of
from accomp.data.beats import beat_grid
from accomp.data.notes import note_roll, read_notes
from accomp.data.slakh import Track, find_tracks
from accomp.errors import UserError
from accomp.metrics.moving_chroma import profile_agreement
from accomp.plan.contract import CHROMA, CONFIDENCE, harmony
from accomp.plan.own import OwnPlan
from accomp.timeline import PITCH_CLASSES, SAMPLE_RATE, STEMS
from accomp.training_run import load_codec

log = logging.getLogger(__name__)

STEP = 22  # frames between plans, a second
AVERAGED = 11  # frames over which pitch classes are averaged before they are compared, half a second
COLD_S, WARM_S = 30.0, 60.0


def moving(found: np.ndarray, truth: np.ndarray) -> float:
    """Moving chroma agreement of pitch class profiles (N, 12) x 2 where the truth sounds; what is not foreseen counts 0."""
    found, truth = found[truth.any(1)], truth[truth.any(1)]
    known = found.any(1)
    if not len(truth):
        return float("nan")
    a, b = (x[known] / x[known].sum(1, keepdims=True) for x in (found, truth))
    return profile_agreement(a, b) * known.mean()


@torch.inference_mode()
def score_track(track: Track, codec: NoteCodec, ahead: int) -> dict[str, float] | None:
    """The scores of one track, `ahead` in frames; None when nothing with a pitch is left without its first stem."""
    present = [stem for stem in STEMS if track.stem_files[stem]]
    others = present[1:]
    if not set(others) - {"drums"}:
        return None
    latents = codec.encode(torch.from_numpy(sum(track.read(stem) for stem in others))[None])
    frames = latents.shape[2]
    rolls = [note_roll(read_notes(track, stem), 0, frames, codec.hop / SAMPLE_RATE) for stem in others if stem != "drums"]
    truth = harmony(np.minimum(np.max(rolls, 0)[:88], 1), codec.lowest_pitch)[CHROMA]
    clock, plan = GridClock([beat_grid(track.midi)], codec.hop), OwnPlan(codec)
    expected, followed, times, sure = [], [], [], []
    for edge in range(STEP, frames - ahead - AVERAGED, STEP):
        plan.listen(latents[:, :, edge - STEP : edge], edge - STEP, clock.features(edge - STEP, edge))
        rows = plan.ahead(edge, clock.features(edge, edge + ahead + AVERAGED))[0].numpy()
        expected.append(rows[CHROMA, ahead:].mean(1))
        followed.append(truth[:, edge + ahead : edge + ahead + AVERAGED].mean(1))
        times.append(edge * codec.hop / SAMPLE_RATE)
        sure.append(rows[CONFIDENCE, ahead])
    expected, followed, times, sure = map(np.array, (expected, followed, times, sure))
    heard = harmony(codec.keys(latents)[0].clamp(0, 1).numpy(), codec.lowest_pitch)[CHROMA]
    pieces = slice(0, frames // AVERAGED * AVERAGED)
    halves = [x[:, pieces].reshape(PITCH_CLASSES, -1, AVERAGED).mean(2).T for x in (heard, truth)]
    scores = {"what is heard": moving(*halves)}
    for name, when in (("first half minute", times < COLD_S), ("after a minute", times > WARM_S)):
        scores[name] = moving(expected[when], followed[when])
        scores[f"{name}, confidence"] = float(sure[when].mean()) if when.any() else float("nan")
    return scores


def main(argv: Sequence[str] | None = None) -> int:
    parser = parser_of(__doc__)
    parser.add_argument("--codec", type=Path, default=Path("models/live"), help="a model folder or a training run")
    parser.add_argument("--data", type=Path, default=Path("data/band"), help="a data set in Slakh2100's layout")
    parser.add_argument("--split", default="test")
    parser.add_argument("--tracks", type=int, help="how many (all)")
    parser.add_argument("--ahead", type=float, default=1.5, help="seconds from the live edge to what is scored")
    return command(parser, argv, _score)


def _score(o: argparse.Namespace) -> None:
    codec = load_codec(o.codec).eval()
    if not isinstance(codec, NoteCodec):
        raise UserError(f"{o.codec}: the latents of this codec are no notes, so that nothing can be planned from them")
    ahead = round(o.ahead * SAMPLE_RATE / codec.hop)
    tracks = find_tracks(o.data, o.split)[: o.tracks]
    found = [scores for track in tracks if (scores := score_track(track, codec, ahead))]
    if not found:
        raise UserError(f"{o.data}: in no track of split {o.split} do two stems play of which one is no drums")
    log.info("%d tracks, %g s ahead", len(found), o.ahead)
    for name in found[0]:
        log.info("%-32s %6.3f", name, np.nanmean([scores[name] for scores in found]))


if __name__ == "__main__":
    sys.exit(main())
