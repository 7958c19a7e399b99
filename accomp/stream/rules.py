"""What is played of what the model generates: nothing while nobody plays, and as loud as the player.

The model itself plays on whatever happens. These rules are applied to its answers, by the server and by
`experiment=living`: when the player stops, it goes on for some bars, fades out over another, and is there again in the first
answer after he has come back; and its level follows his.
"""

import numpy as np

from accomp.stream.gain import Gain
from accomp.stream.presence import Heard
from accomp.timeline import SAMPLE_RATE

REST_AFTER = 2.0  # bars
REFERENCE_DB = -18.0  # the player's level at which an answer is as loud as the model makes it
GAIN_DB = (-40.0, 12.0)  # of an answer, at most
BEATS_IN_BAR, BAR_S = 4, 2.0  # where the bar is not known, and where there is no beat
SHORTEST_LONGEST_S = (0.25, 12.0)  # of a bar
BACK_S = 0.02  # fade-in


class PlayingRules:
    """The rules for a batch of B stems, each with a player of its own, or (B = 1) for all stems of one player."""

    def __init__(self, batch: int = 1):
        self._gain = Gain(batch)
        self._stop = 0  # one past the last sample that was answered
        self._last = np.full(batch, -np.inf)  # one past the last sample in which somebody was heard
        self._share: np.ndarray | None = None  # of the amplitude that is let through at `_stop`, (B,)

    def __call__(
        self, audio: np.ndarray, start: int, heard: Heard, bar_s: np.ndarray, rest_after: float = REST_AFTER,
        balance_db: float = 0.0,
    ) -> np.ndarray:  # fmt: skip
        """The answer (B or any, N) from sample `start` on, later than the last, as it is played.

        `bar_s` (B,) is how long a bar is; `rest_after` counts bars, 0: play on for ever.
        """
        stop = start + audio.shape[1]
        level_db = np.nan_to_num(heard.level_db[: len(bar_s)], nan=REFERENCE_DB)
        self._gain.turn(stop, np.clip(level_db - REFERENCE_DB, *GAIN_DB) + balance_db)
        self._last = np.maximum(self._last, heard.last[: len(bar_s)])
        bars = bar_s * SAMPLE_RATE
        rests_at = np.full(len(bars), np.inf) if rest_after <= 0 else self._last + rest_after * bars
        first = max(self._stop, start)
        if self._share is None:
            self._share = (rests_at > first).astype(float)
        share = _shares(np.arange(start, stop), first, self._share, np.maximum(rests_at, first), bars)
        self._stop, self._share = stop, share[:, -1]
        return (audio * (self._gain(start, stop) * share)).clip(-1, 1).astype(np.float32)


def _shares(samples: np.ndarray, first: int, begin: np.ndarray, rests_at: np.ndarray, bars: np.ndarray) -> np.ndarray:
    """The share (B, N) of the amplitude: from `begin` at sample `first` quickly up to 1, from `rests_at` on down to 0."""
    back = BACK_S * SAMPLE_RATE
    up = np.minimum(begin[:, None] + (samples - first).clip(0) / back, 1.0)
    at_rest = np.minimum(begin + (rests_at - first) / back, 1.0)[:, None]
    down = at_rest - (samples - rests_at[:, None]) / bars[:, None]
    return np.where(samples < rests_at[:, None], up, down.clip(0, 1))


def bar_seconds(features: np.ndarray, hop: int) -> np.ndarray:
    """How long a bar is, (B,), by clock features (B, CLOCK_FEATURES, T > 1): four beats where only the beat is known."""
    bar = features[:, 4, :] * 1j + features[:, 5, :]
    turn = np.angle((bar[:, 1:] * bar[:, :-1].conj()).sum(1)) / (2 * np.pi)  # bars per frame
    confidence = features[:, 9].mean(1)
    beat_s = 0.5 * 2 ** (features[:, 8].mean(1) / np.maximum(confidence, 1e-6))
    told = np.where(confidence > 1e-3, BEATS_IN_BAR * beat_s, BAR_S)
    return np.where(turn > 1e-6, hop / SAMPLE_RATE / np.maximum(turn, 1e-6), told).clip(*SHORTEST_LONGEST_S)
