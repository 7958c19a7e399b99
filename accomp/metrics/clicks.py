"""Does one hear where the pieces were joined? The roughness of the sound at the borders against that around them.

A jump or a kink of the waveform is energy in its second difference. At every border the two second differences that straddle
it are compared with those of the `AROUND_S` on either side; the figure is the mean of these ratios in dB. Joins that cannot be
told from the rest of the music give 0 dB, a jump of -40 dBFS in a loud bass note more than 30 dB.
Failure rule: borders in silence are left out; with no border left the figure is NaN.
"""

from collections.abc import Sequence

import numpy as np

from accomp.timeline import to_samples

AROUND_S = 0.01
SILENT = 1e-14  # mean square of the second difference; 16-bit rounding noise alone gives 5e-10


def border_excess(audio: np.ndarray, borders: Sequence[int]) -> np.ndarray:
    """Roughness at each border relative to its surroundings, (borders,); 1 is inaudible.

    A border b lies between samples b - 1 and b of audio (N,). Borders in silence or too near an end are left out.
    """
    rough = np.square(np.diff(np.asarray(audio, np.float64), 2))
    reach = to_samples(AROUND_S)
    ratios = []
    for border in borders:
        first = border - 2  # second difference i spans samples i, i + 1, i + 2
        if first < reach or first + 2 + reach > len(rough):
            continue
        around = np.concatenate([rough[first - reach : first], rough[first + 2 : first + 2 + reach]]).mean()
        if around > SILENT:
            ratios.append(rough[first : first + 2].mean() / around)
    return np.array(ratios)


def click_db(excess: np.ndarray) -> float:
    """Mean excess of many borders in dB; NaN when there are none."""
    return float(10 * np.log10(excess.mean() + 1e-12)) if len(excess) else float("nan")
