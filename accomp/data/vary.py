"""The same recording in another key, tempo and level, for training; drums keep their pitch.

A band built from MIDI is varied more exactly in the MIDI (`accomp.data.band midi --variants`); this is for recordings.
"""

from dataclasses import dataclass

import numpy as np

from accomp.errors import UserError
from accomp.timeline import SAMPLE_RATE


@dataclass(frozen=True)
class Variation:
    """What is changed: semitones up, times the tempo, times the amplitude."""

    semitones: float = 0.0
    speed: float = 1.0
    gain: float = 1.0

    def apply(self, audio: np.ndarray, is_drum: bool) -> np.ndarray:
        """Float32 (N,) varied: (round(N / speed),). What sounded at sample n sounds at n / speed, to within 2 ms."""
        semitones = 0.0 if is_drum else self.semitones
        if semitones or self.speed != 1.0:
            audio = _stretched(audio, semitones, self.speed)
        return audio * np.float32(self.gain)


def _stretched(audio: np.ndarray, semitones: float, speed: float) -> np.ndarray:
    try:
        from python_stretch.Signalsmith import Stretch  # here, so that only those who vary recordings need it
    except ModuleNotFoundError as error:
        raise UserError("varied pitch and tempo need a package: pip install python-stretch==0.3.1") from error
    stretch = Stretch(0)  # its own chance begins anew every time: the same sound, the same result
    stretch.preset(1, SAMPLE_RATE)
    stretch.setTimeFactor(speed)
    stretch.setTransposeSemitones(semitones)
    made, length = stretch.process(audio[None])[0], round(len(audio) / speed)
    return np.pad(made[:length], (0, max(length - len(made), 0)))
