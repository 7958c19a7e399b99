"""Windows laid end to end: all of the music comes equally often, and no window crosses the border of a song."""

import numpy as np

from accomp.data.tiles import Tiles

LENGTHS, SIZE = [1000, 350, 720], 100


def test_every_window_lies_inside_a_song():
    tiles = Tiles(LENGTHS, SIZE)
    for index in range(2000):
        song, start = tiles.place(index, seed=3)
        assert 0 <= start <= LENGTHS[song] - SIZE
        assert (song, start) == tiles.place(index, seed=3)


def test_every_round_covers_the_music_evenly():
    tiles = Tiles(LENGTHS, SIZE)
    assert tiles.count == 20, "the last, incomplete window is left out"
    counts = [np.zeros(length) for length in LENGTHS]
    for index in range(200 * tiles.count):
        song, start = tiles.place(index, seed=0)
        counts[song][start : start + SIZE] += 1
    inner = np.concatenate([count[SIZE:-SIZE] for count in counts])
    assert inner.min() > 0.7 * 200 and inner.max() < 1.7 * 200, "more where windows are moved away from a border"
    shares = [count.sum() / length for count, length in zip(counts, LENGTHS, strict=True)]
    assert max(shares) < 1.25 * min(shares), "long songs come as often as their length says"


def test_the_rounds_differ_and_so_do_the_seeds():
    tiles = Tiles(LENGTHS, SIZE)
    rounds = [[tiles.place(tour * tiles.count + i, seed=0) for i in range(tiles.count)] for tour in range(2)]
    assert rounds[0] != rounds[1] and rounds[0] != [tiles.place(i, seed=1) for i in range(tiles.count)]
