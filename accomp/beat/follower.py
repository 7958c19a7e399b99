"""Decides which pulse the player is in: several hypotheses compete, and none is given up while nobody plays.

A hypothesis is worth what it explains of the pointers of the last seconds. The pulse in force, carried on, competes with new
fits of a long, a drifting and a short memory (fit.py). What continues it is taken over at once; what contradicts it has to
explain clearly more; and what counts the same beat otherwise (half, double, three for two) is taken for the same pulse until
it has lasted for several seconds. Frames that were not heard are no evidence: through a rest the pulse runs on.
"""

from dataclasses import replace

import numpy as np

from accomp.beat.bars import with_bar
from accomp.beat.clock import CLOCK_FEATURES
from accomp.beat.fit import Evidence, pulses
from accomp.beat.pulse import Pulse
from accomp.timeline import SAMPLE_RATE

MEMORY_S = 12.0  # of pointers
RECENT_S = 2.0  # time constant of the evidence on which hypotheses compete
SPAN_S = (12.0, 4.0, 2.0)  # of the past that a pulse of long, drifting and short memory describes
UNEXPLAINED, SLACK = 1.6, 0.01  # the long memory is preferred while it leaves so many times as much unexplained, at most
SHORT, HANDICAP = 2, 0.005  # the short memory, and what it has to explain more than the drifting one, as a share
CHANGE_S = 0.1  # seconds of pointers that a pulse which contradicts the one in force has to explain more
NEAR_BEATS, NEAR_TEMPO = 0.12, 0.06  # a fit that deviates less continues the pulse in force
RATIOS = ((2, 1), (1, 2), (3, 2), (2, 3), (3, 1), (1, 3))  # beats counted for so many of the pulse in force
SAME_TEMPO, SAME_BEAT = 0.02, 0.08  # how exactly such a count has to agree
PATIENCE_S = 4.0  # for so long the player has to be heard in another count until it is taken over
SURENESS_S, KNOWN_S = 2.0, 0.5  # time constant of the confidence, and for how much evidence that of before counts
FORGETTING_S = 60.0  # time constant at which confidence falls while nothing is heard
LEAST = 0.06  # confidence below which there is no pulse


class PulseFollower:
    """The pulse of one player, from the pointers of a beat tracker on frames of `hop` samples, `pulse` to begin with."""

    def __init__(self, hop: int, pulse: Pulse | None = None):
        self.hop, self.rate = hop, SAMPLE_RATE / hop
        self.capacity = int(MEMORY_S * self.rate)
        self.stop = 0  # one past the last frame that is known
        self._beat, self._bar = (np.zeros(self.capacity, complex) for _ in range(2))
        self._heard = np.zeros(self.capacity, bool)
        self._told = np.zeros((CLOCK_FEATURES, self.capacity), np.float32)  # clock features of the same frames
        self._since = 0  # the frame from which the pulse in force describes the past
        self._jumped = 0  # the frame at which the tempo or the beat last jumped: pointers before it are out of date
        self._other_count = 0  # frames heard since the pointers count otherwise
        self.pulse = pulse

    def listen(self, pointers: np.ndarray, start: int, heard: np.ndarray | None = None) -> None:
        """Take the pointers (T, 4) of the frames from `start` on, which replace those that were taken before.

        `heard` (T,) says in which of them somebody played: in all, when it is not given, and in none that were left out.
        """
        heard = np.ones(len(pointers), bool) if heard is None else heard
        self._shift(self.features(self.stop, start, start))
        new = start + len(pointers) - max(self.stop, start)
        self._shift(np.zeros((CLOCK_FEATURES, new), np.float32))
        self.stop = start + len(pointers)
        latest = slice(-min(len(pointers), self.capacity), None)
        self._beat[latest] = (pointers[:, 1] + 1j * pointers[:, 0])[latest]
        self._bar[latest] = (pointers[:, 3] + 1j * pointers[:, 2])[latest]
        self._heard[latest] = heard[latest]
        self._update(new)

    def _shift(self, told: np.ndarray) -> None:
        """Make room for so many frames, of which this was told, (CLOCK_FEATURES, T)."""
        count = min(told.shape[1], self.capacity)
        for row in (self._beat, self._bar, self._heard, self._told):
            row[..., : self.capacity - count] = row[..., count:].copy()
            row[..., self.capacity - count :] = 0
        self._told[:, self.capacity - count :] = told[:, told.shape[1] - count :]

    def _update(self, new: int) -> None:
        frames = np.arange(self.stop - self.capacity, self.stop)
        evidence = Evidence(self._beat, self._bar, self._heard & (frames >= self._jumped), self.stop, self.rate)
        fits = pulses(evidence)
        if not fits:
            return
        recent = evidence.weights(RECENT_S)
        total = float((np.abs(evidence.beat) * recent).sum())
        worth = [self._explained(fit, evidence, recent) for fit in fits]
        best = max(range(len(fits)), key=lambda i: worth[i] - (i == SHORT) * HANDICAP * total)
        if total - worth[0] <= UNEXPLAINED * (total - worth[best]) + SLACK * total:
            best = 0
        chosen, along = self._decide(fits[best], worth[best], evidence, recent, new)
        weights = evidence.weights(SURENESS_S)
        known = KNOWN_S * self.rate, self.pulse.confidence if self.pulse is not None else 0.0
        sureness = (known[0] * known[1] + self._explained(along, evidence, weights)) / (known[0] + weights.sum())
        self.pulse = with_bar(replace(chosen, confidence=float(np.clip(sureness, 0, 1))), evidence, self.hop)
        if along is fits[best]:
            self._since = max(self._since, self.stop - int(SPAN_S[best] * self.rate))
            new = max(new, self.stop - self._since)
            self._jumped = self._since if best == SHORT else self._jumped
        span = min(new, self.capacity)
        told = self.at(self.stop)
        self._told[:, self.capacity - span :] = told.features(self.stop - span, self.stop, self.hop) if told else 0.0

    def _explained(self, pulse: Pulse, evidence: Evidence, weights: np.ndarray) -> float:
        """How much of the pointers turns along the pulse, in frames."""
        turned = evidence.beat * np.exp(-2j * np.pi * pulse.phase(evidence.frames, self.hop))
        return float((turned.real * weights).sum())

    def _decide(self, fit: Pulse, worth: float, evidence: Evidence, recent: np.ndarray, new: int) -> tuple[Pulse, Pulse]:
        """The pulse from now on, and the pulse that the pointers turn with: it may count the same beats otherwise."""
        if self.pulse is None:
            return fit, fit
        carried = self.pulse.moved(self.stop, self.hop)
        error = (fit.beat - carried.beat + 0.5) % 1 - 0.5
        if abs(error) < NEAR_BEATS and abs(np.log(fit.frequency / carried.frequency)) < NEAR_TEMPO:
            self._other_count = 0
            return in_the_bar_of(carried, fit), fit
        same = same_pulse(fit, carried)
        if same is not None:
            self._other_count += new
            if self._other_count < PATIENCE_S * self.rate:
                return in_the_bar_of(carried, same), fit
        elif worth - self._explained(carried, evidence, recent) < CHANGE_S * self.rate:
            return carried, carried
        else:
            self._since = max(self._since, self.stop - int(SPAN_S[SHORT] * self.rate))
        self._other_count = 0
        return fit, fit

    def at(self, frame: int) -> Pulse | None:
        """The pulse as it is told when frame `frame` has been reached: less sure, the longer nothing has been heard."""
        if self.pulse is None:
            return None
        rested_s = max(frame - self.stop, 0) / self.rate
        confidence = self.pulse.confidence * float(np.exp(-rested_s / FORGETTING_S))
        return replace(self.pulse, confidence=confidence) if confidence >= LEAST else None

    def features(self, start: int, stop: int, now: int) -> np.ndarray:
        """Clock features (CLOCK_FEATURES, T) of frames [start, stop), when frame `now` has been reached.

        Of the past they are what the pulse of that time was, as far as it is known by now.
        """
        features = np.zeros((CLOCK_FEATURES, max(stop - start, 0)), np.float32)
        pulse, ahead = self.at(now), max(start, self.stop)
        if pulse is not None and ahead < stop:
            features[:, ahead - start :] = pulse.features(ahead, stop, self.hop)
        first, last = max(start, self.stop - self.capacity), min(stop, self.stop)
        if first < last:
            at = self.capacity - self.stop
            features[:, first - start : last - start] = self._told[:, first + at : last + at]
        return features


def in_the_bar_of(carried: Pulse, fit: Pulse) -> Pulse:
    """The fit, which continues the pulse `carried`, in the bar of this."""
    if not carried.beats_in_bar:
        return fit
    error = (fit.beat - carried.beat + 0.5) % 1 - 0.5
    return replace(fit, bar=(carried.bar + error / carried.beats_in_bar) % 1, beats_in_bar=carried.beats_in_bar)


def same_pulse(fit: Pulse, carried: Pulse) -> Pulse | None:
    """The fit, counted as the pulse in force is; None when they are not the same beats counted otherwise."""
    for beats, of in RATIOS:
        frequency = fit.frequency * of / beats
        if abs(np.log(frequency / carried.frequency)) > SAME_TEMPO:
            continue
        places = (fit.beat + np.arange(beats)) * of / beats % 1
        errors = (places - carried.beat + 0.5) % 1 - 0.5
        nearest = int(np.abs(errors).argmin())
        if abs(errors[nearest]) < SAME_BEAT:
            return replace(fit, beat=places[nearest], frequency=frequency, drift=fit.drift * of / beats)
    return None
