"""Pitch classes and chords of tones whose notes are known."""

import numpy as np
import pytest
from signals import RATE, excerpt, noise, tone

from accomp.beat.pitch_profile import chroma
from accomp.metrics.harmony import chord_agreement, chroma_agreement, harmony


def test_chroma_knows_the_note():
    for note, hz in {0: 261.63, 4: 164.81, 9: 110.0, 2: 73.42}.items():
        assert chroma(tone(hz, 1)).argmax() == note


def test_same_chord_agrees_and_a_foreign_one_does_not():
    c_major = tone(261.63) + tone(329.63) + tone(392.0)
    f_sharp = tone(369.99) + tone(466.16) + tone(554.37)
    assert chroma_agreement(tone(130.81), c_major) > 0.5
    assert chroma_agreement(tone(92.5), c_major) < 0.1
    assert chroma_agreement(c_major, c_major) == pytest.approx(1)
    assert chroma_agreement(c_major, f_sharp) < 0
    assert harmony(excerpt(0 * c_major, c_major)) == {"chroma_agreement": 0, "chord_agreement": 0}
    assert all(np.isnan(value) for value in harmony(excerpt(c_major, c_major, stem="drums")).values())


def test_a_stem_agrees_with_the_chord_it_plays_and_not_with_another():
    c_major = tone(261.63) + tone(329.63) + tone(392.0)
    assert chord_agreement(tone(130.81), c_major) > 0.8, "the root"
    assert chord_agreement(tone(185.0), c_major) < 0.2, "F sharp, a tritone away"
    assert chord_agreement(noise(), c_major) == pytest.approx(0.25, abs=0.03), "chance: three of twelve"
    silent_half = np.concatenate([tone(130.81, 1), np.zeros(2 * RATE, np.float32)])
    assert chord_agreement(silent_half, c_major) > 0.8, "a rest is no wrong note"
