"""Whether somebody plays, and how loud: by level and by onsets, so that hum, noise and DC are nobody.

The sound is cut into frames of 23 ms and each of these into four bands. An onset is a rise of a band above its mean in the
last 0.2 s, by more than noise of that bandwidth makes in an hour. Somebody plays while the sound is above -60 dBFS and has had
an onset in the last seconds.
"""

from dataclasses import dataclass

import numpy as np

from accomp.timeline import SAMPLE_RATE

FRAME = 1024  # samples
QUIET_DB = -60.0  # what is softer is nothing
BANDS = (1, 9, 35, 116, 372)  # borders in bins of 43 Hz: 43 Hz to 16 kHz; DC lies below
RISE_DB = (11.0, 7.5, 4.5, 4.0)  # of an onset in each band; white noise reaches 7.6, 5.1, 2.9 and 1.8 dB in an hour
BEFORE = 8  # frames that a rise is measured against
FLOOR = 1e-7  # mean square (-70 dBFS) that a rise begins at, at least
HOLD_S, TAIL_S = 6.0, 0.5  # somebody is heard for so long after an onset, and after the sound fell below -60 dBFS
LEVEL_S = 2.0  # the level is that of the last seconds
KEPT_S = 20.0  # of sound that is kept

_RATE = SAMPLE_RATE / FRAME
_WINDOW = np.hanning(FRAME).astype(np.float32)
_KEPT = int(KEPT_S * _RATE)


@dataclass(frozen=True)
class Heard:
    """What was heard of B players: their levels (B,) when they last played, NaN before, and when that was.

    `last` (B,) is one past the last sample in which each was heard, minus infinity before.
    """

    level_db: np.ndarray
    last: np.ndarray


class Presence:
    """Follows the sound of B players."""

    def __init__(self, batch: int):
        self.so_far = Heard(np.full(batch, np.nan), np.full(batch, -np.inf))
        self.stop = 0  # one past the last sample taken
        self._begin(batch)

    def _begin(self, batch: int) -> None:
        self._left = np.zeros((batch, 0), np.float32)  # samples that fill no frame yet
        self._power = np.zeros((batch, 0, len(RISE_DB)))  # mean square of each band of the last frames
        self._heard = np.zeros((batch, 0), bool)
        self._onset, self._loud = (np.full(batch, -_KEPT) for _ in range(2))  # frames since the last of each

    def listen(self, start: int, audio: np.ndarray) -> None:
        """Take samples (B, N) from absolute index `start` on, never before `stop`; what lies between is silence."""
        if start - self.stop > KEPT_S * SAMPLE_RATE:
            self.stop = start // FRAME * FRAME
            self._begin(len(audio))
        audio = np.concatenate([self._left, np.zeros((len(audio), start - self.stop), np.float32), audio], 1)
        self.stop = start + audio.shape[1] - self._left.shape[1] - (start - self.stop)
        count = audio.shape[1] // FRAME
        self._left = audio[:, count * FRAME :]
        if count:
            self._take(audio[:, : count * FRAME].reshape(len(audio), count, FRAME))

    def _take(self, frames: np.ndarray) -> None:
        """Frames (B, n, FRAME): find their onsets, and who is heard in them."""
        spectrum = np.square(np.abs(np.fft.rfft(frames.clip(-4, 4) * _WINDOW))) * (2 / FRAME / np.square(_WINDOW).sum())
        new = np.add.reduceat(spectrum[..., : BANDS[-1]], BANDS[:-1], axis=2)
        batch, count = new.shape[:2]
        power = np.concatenate([self._power, new], 1)
        level = power[:, -min(count + BEFORE, power.shape[1]) :]
        onset = np.zeros((batch, count), bool)
        if level.shape[1] > BEFORE:
            sums = np.cumsum(np.pad(level, ((0, 0), (1, 0), (0, 0))), 1)
            before = np.maximum((sums[:, BEFORE:-1] - sums[:, : -BEFORE - 1]) / BEFORE, FLOOR)
            rise = level[:, BEFORE:] > before * 10 ** (np.array(RISE_DB) / 10)
            onset[:, -rise.shape[1] :] = rise.any(2)
        loud = new.sum(2) > 10 ** (QUIET_DB / 10)
        self._onset, since_onset = _frames_since(onset, self._onset)
        self._loud, since_loud = _frames_since(loud, self._loud)
        heard = (since_onset < HOLD_S * _RATE) & (since_loud < TAIL_S * _RATE)
        self._power, self._heard = power[:, -_KEPT:], np.concatenate([self._heard, heard], 1)[:, -_KEPT:]
        self._measure(heard)

    def _measure(self, heard: np.ndarray) -> None:
        """How loud those are who are heard now, and when that was."""
        end = self.stop - self._left.shape[1]
        recent = slice(-int(LEVEL_S * _RATE), None)
        power = self._power[:, recent].sum(2)
        counted = self._heard[:, recent] & (power > 10 ** (QUIET_DB / 10))
        mean = (power * counted).sum(1) / np.maximum(counted.sum(1), 1)
        here = heard.any(1)
        last = heard.shape[1] - heard[:, ::-1].argmax(1)
        level_db = np.where(here & counted.any(1), 10 * np.log10(np.maximum(mean, 1e-12)), self.so_far.level_db)
        self.so_far = Heard(level_db, np.where(here, end - (heard.shape[1] - last) * FRAME, self.so_far.last))

    def heard(self, start: int, stop: int) -> np.ndarray:
        """Whether each player is heard somewhere in samples [start, stop), which have been taken, (B,)."""
        end = self.stop - self._left.shape[1]  # of the last frame
        count = self._heard.shape[1]
        first = count - -(-(end - start) // FRAME)
        last = max(count - (end - stop) // FRAME, first + 1)
        return self._heard[:, max(min(first, count - 1), 0) : max(last, 1)].any(1)


def _frames_since(happened: np.ndarray, before: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Frames since the last time, at the end (B,) as a negative number to go on from, and at each frame (B, n)."""
    count = happened.shape[1]
    last = np.where(happened, np.arange(count), before[:, None])
    last = np.maximum.accumulate(last, 1)
    return last[:, -1] - count, np.arange(count) - last
