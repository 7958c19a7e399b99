"""How well the model keeps up with a player: before, in and after what a scene is about, and how soon after.

drums     share of the beats of the score that have an onset of the answer's drums within 70 ms
clock     F-measure of the beats that the clock predicted for each answer, within 70 ms
offset    mean distance of those beats from the nearest of the score, in beats
tempo     mean difference of its tempo at the live edge from the score's, in beats per minute
bars      share of the beats with a bar whose bar has the score's length; none told: NaN
level     of the loudest second of the answer, dBFS
balance   level of the answer above the player's, dB: median over the seconds, so that how soon it follows does not count
recovery  seconds from the player's return, or from the beginning of a change, until RECOVERED of the beats of the following
          RECOVERY_S are kept by drums or clock, or until the balance is within NEAR_DB of what it was before
chance    of the drums: the share of all moments that have an onset within 70 ms, which strokes at any time would reach
"""

from dataclasses import replace

import numpy as np

from accomp.audio import is_silent, rms_db
from accomp.evaluation.living.playing import Played
from accomp.evaluation.living.scenes import Take
from accomp.metrics.beats import TOLERANCE_S, f_measure
from accomp.metrics.onsets import onsets_s
from accomp.timeline import SAMPLE_RATE, to_samples

PARTS = ("before", "during", "after")
BEGUN_S = 8.0  # so long it may take to find the beat at the start
RECOVERED, RECOVERY_S, NEAR_DB = 0.8, 4.0, 6.0
RESTED_S = 3.0  # of the end of a rest, in which nothing should be heard
Span = tuple[float, float]


def figures(take: Take, played: Played) -> list[tuple[str, str, float]]:
    """(figure, part or "recovery", value) of those that are asked of the scene; a part that it does not have is NaN."""
    start, stop = take.span_s
    spans = dict(zip(PARTS, ((BEGUN_S, start), (start, stop), (stop, take.length_s)), strict=True))
    spans = {part: span for part, span in spans.items() if span[1] > span[0]}
    played = replace(played, onsets_s=np.concatenate([_onsets_s(played.audio, span) for span in spans.values()]))
    found = []
    for figure in take.scene.asked:
        measure = MEASURES[figure]
        values = {part: measure(take, played, spans[part]) if part in spans else np.nan for part in PARTS}
        found += [(figure, part, value) for part, value in values.items()]
        found.append((figure, "recovery", _recovery(take, played, figure, values["before"])))
        if figure == "drums":
            moments = np.arange(BEGUN_S, take.length_s, 0.01)
            found.append((figure, "chance", _hit(moments, played)))
    return found


def _hit(times_s: np.ndarray, played: Played) -> float:
    """The share of these moments that have an onset within 70 ms."""
    onsets = np.array([-np.inf, *np.sort(played.onsets_s), np.inf])
    after = np.searchsorted(onsets, times_s)
    distance = np.minimum(times_s - onsets[after - 1], onsets[after] - times_s)
    return float((distance <= TOLERANCE_S).mean()) if len(times_s) else np.nan


def _drums(take: Take, played: Played, span: Span) -> float:
    return _hit(_within(take.grid.beats_s, span), played)


def _clock(take: Take, played: Played, span: Span) -> float:
    predicted = np.array([at for at, _ in played.predicted])
    return f_measure(_within(take.grid.beats_s, span), _within(predicted, span))


def _offset(take: Take, played: Played, span: Span) -> float:
    at = take.grid.position(_within(np.array([at for at, _ in played.predicted]), span))
    return float(np.nanmean(np.abs(at - np.round(at)))) if np.isfinite(at).any() else np.nan


def _tempo(take: Take, played: Played, span: Span) -> float:
    steps = [(at, bpm) for at, bpm in played.tempi if span[0] <= at < span[1] and bpm]
    periods = take.grid.phase(np.array([at for at, _ in steps]))[2]
    return float(np.nanmean(np.array([bpm for _, bpm in steps]) - 60 / periods)) if steps else np.nan


def _bars(take: Take, played: Played, span: Span) -> float:
    told = [beats for at, beats in played.predicted if span[0] <= at < span[1] and beats]
    length = np.bincount(np.diff(np.searchsorted(take.grid.beats_s, take.grid.downbeats_s - 1e-6))).argmax()
    return float(np.mean(np.array(told) == length)) if told else np.nan


def _level(take: Take, played: Played, span: Span) -> float:
    first = max(span[1] - RESTED_S, span[0]) if take.scene.returns and span == take.span_s else span[0]
    seconds = np.arange(first, max(span[1] - 1, first + 0.5), 0.5)
    return max(rms_db(played.audio[to_samples(at) : to_samples(at + 1)]) for at in seconds)


def _balance(take: Take, played: Played, span: Span) -> float:
    seconds = [slice(to_samples(at), to_samples(at + 1)) for at in np.arange(span[0], max(span[1] - 1, span[0]) + 0.5, 0.5)]
    return float(np.median([rms_db(played.audio[at]) - rms_db(take.audio[at]) for at in seconds]))


MEASURES = {
    "drums": _drums,
    "clock": _clock,
    "offset": _offset,
    "tempo": _tempo,
    "bars": _bars,
    "level": _level,
    "balance": _balance,
}


def _recovery(take: Take, played: Played, figure: str, before: float) -> float:
    """Seconds, infinite when it never happens; NaN where there is nothing to recover from."""
    start, stop = take.span_s
    if (start == stop and not take.scene.adds) or figure not in ("drums", "clock", "balance"):
        return np.nan
    begun = stop if take.scene.returns else start
    for at in np.arange(begun, take.length_s - RECOVERY_S, 0.25):
        value = MEASURES[figure](take, played, (at, at + (1 if figure == "balance" else RECOVERY_S)))
        if abs(value - before) <= NEAR_DB if figure == "balance" else value >= RECOVERED:
            return float(at - begun)
    return np.inf


def _within(times_s: np.ndarray, span: Span) -> np.ndarray:
    return times_s[(times_s >= span[0]) & (times_s < span[1])]


def _onsets_s(audio: np.ndarray, span: Span) -> np.ndarray:
    """Onsets from just before a span to just after it."""
    first, last = max(to_samples(span[0] - 0.2), 0), to_samples(span[1] + 0.2)
    piece = audio[first:last]
    return np.zeros(0) if is_silent(piece) else first / SAMPLE_RATE + onsets_s(piece)
