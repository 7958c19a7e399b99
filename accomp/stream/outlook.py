"""What a streamer intends: the beats and bar lines ahead, the chord heard and those expected, and the notes it has settled.

A plain dictionary, to be sent as JSON. Places are samples after the live edge; what lies before `until` is settled. Notes
are those of the last step's frames: one that goes on from the step before has no beginning and is said again.
"""

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch

from accomp.beat.chords import fitted_chords
from accomp.plan.beats import BeatLine
from accomp.plan.chart import ChartPlan
from accomp.plan.contract import BASS, CHROMA, CONFIDENCE
from accomp.plan.own import OwnPlan
from accomp.timeline import SAMPLE_RATE, frames_covering

if TYPE_CHECKING:
    from accomp.stream.streamer import Streamer

BARS = 2  # of beats beyond what is settled
LONGEST = 12 * SAMPLE_RATE  # samples beyond it, where bars are long
LEAST = 0.5  # of a row, from which on a key sounds or a drum is struck


def outlook(streamer: "Streamer", edge: int, stop: int) -> dict:
    """See `Streamer.outlook`."""
    lines = _ahead(streamer.beat_lines(edge, stop + LONGEST), stop)
    period = (lines[-1].sample - lines[0].sample) / (len(lines) - 1) if len(lines) > 1 else 0.0
    inner = streamer.plan.plan if isinstance(streamer.plan, ChartPlan) else streamer.plan
    kind = "none"
    if isinstance(inner, OwnPlan):
        kind = "chart" if isinstance(streamer.plan, ChartPlan) and streamer.plan.chords else "own"
    return {
        "until": stop - edge,
        "bpm": round(60 * SAMPLE_RATE / period, 1) if period else 0.0,
        "beats": [[line.sample - edge, line.number] for line in lines],
        "beats_in_bar": max((line.beats_in_bar for line in lines), default=0),
        "plan": kind,
        "heard": _heard(inner, period / streamer.hop) if isinstance(inner, OwnPlan) else "",
        "chords": _chords(streamer, lines, edge) if kind != "none" else [],
        "notes": _notes(streamer, edge),
    }


def _ahead(lines: list[BeatLine], stop: int) -> list[BeatLine]:
    """The beats up to BARS bars beyond the settled ones."""
    beyond = [i for i, line in enumerate(lines) if line.sample >= stop]
    length = max((line.beats_in_bar for line in lines), default=0) or 4
    return lines[: beyond[0] + BARS * length] if beyond else lines


def _heard(plan: OwnPlan, beat_frames: float) -> str:
    """The chord of the player's last beat, or "" where nothing with a pitch is heard."""
    if not plan.context or not beat_frames:
        return ""
    rows = plan.context[0].harmony[:, -max(round(beat_frames), 1) :].astype(float)
    return _named(rows[CHROMA].mean(1)[None], rows[BASS].mean(1)[None])[0] if rows.shape[1] else ""


def _chords(streamer: "Streamer", lines: list[BeatLine], edge: int) -> list[list]:
    """The chords expected, [sample after the live edge, name, how sure], where they change."""
    if len(lines) < 2:
        return []
    first = streamer.context.stop
    last = frames_covering(0, lines[-1].sample, streamer.hop)[1]
    rows = streamer.plan.ahead(first, streamer.clock.features(first, last))[0].numpy()
    borders = np.clip([line.sample // streamer.hop - first for line in lines], 0, rows.shape[1])
    means = np.stack([rows[:, a : max(b, a + 1)].mean(1) for a, b in pairwise(borders)])
    names = _named(means[:, CHROMA], means[:, BASS])
    for chart in streamer.plan.chords if isinstance(streamer.plan, ChartPlan) else ():
        middles = np.array([(a.sample + b.sample) / 2 for a, b in pairwise(lines)])
        known = [chart.names[i] if i >= 0 else "" for i in chart.at(middles / SAMPLE_RATE)]
        names = [own or fit for own, fit in zip(known, names, strict=True)]
    found = [[line.sample - edge, name, round(float(row[CONFIDENCE]), 2)]
             for line, name, row in zip(lines, names, means, strict=False)]  # fmt: skip
    return [now for before, now in zip([["", ""], *found], found, strict=False) if now[1] and now[1] != before[1]]


def _named(chroma: np.ndarray, bass: np.ndarray) -> list[str]:
    """Names of the chords that fit to chroma and bass (N, PITCH_CLASSES)."""
    lowest = np.where(bass.max(1) > 0, bass.argmax(1), -1)
    return list(fitted_chords(chroma, lowest, np.zeros(len(chroma) + 1)).names)


def _notes(streamer: "Streamer", edge: int) -> dict[str, list[list]]:
    """The notes of the last step by stem: [sample after the live edge, samples, MIDI pitch or drum, 1 if it begins]."""
    codec, count = streamer.model.codec, streamer.own.stop - streamer.new_from
    if codec.lowest_pitch is None or count <= 0:
        return {}
    latents = streamer.own.latents[:, :, -count:]
    start, found = streamer.own.stop - latents.shape[2], {}
    for stem, keys, strokes in zip(streamer.stems, codec.keys(latents), codec.strokes(latents), strict=True):
        if stem == "drums":
            events = [[at, 1, codec.drums[row], 1] for row, at in (strokes > LEAST).nonzero().tolist()]
        else:
            events = [note for row in range(len(keys)) for note in _held(keys[row], row + codec.lowest_pitch)]
        found[stem] = sorted(
            [(start + at) * streamer.hop - edge, frames * streamer.hop, what, begins] for at, frames, what, begins in events
        )
    return found


def _held(key: torch.Tensor, pitch: int) -> list[list]:
    """The notes of one key (T,): [frame, frames, pitch, 1 if it begins in that frame]."""
    notes, before = [], 0
    for at, value in enumerate(key.round().clamp(0, 2).int().tolist()):
        if value == 2 or (value and not before):
            notes.append([at, 0, pitch, int(value == 2 or at > 0)])
        if value:
            notes[-1][1] += 1
        before = value
    return notes
