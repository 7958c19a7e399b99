"""The benchmark of the beat tracker, with clocks that are right, half a beat late and silent."""

import logging
import shutil

import pytest

from accomp.beat.clock import GridClock, NoClock
from accomp.beat.grid import BeatGrid
from accomp.benchmarks import tracker as benchmark
from accomp.data.beats import beat_grid
from accomp.data.slakh import find_tracks


@pytest.mark.parametrize(("late_beats", "f1", "predicted"), [(0.0, 1.0, 1.0), (0.5, 0.0, 1.0), (None, 0.0, 0.0)])
def test_predicted_beats_are_compared_with_those_of_the_score(
    late_beats, f1, predicted, small_band, model, model_folder, monkeypatch, caplog
):
    grid = beat_grid(find_tracks(small_band, "test")[0].midi)

    class Clock(NoClock if late_beats is None else GridClock):
        def __init__(self, tracker, hop):
            if late_beats is not None:
                period_s = grid.beats_s[1] - grid.beats_s[0]
                super().__init__([BeatGrid(grid.beats_s + late_beats * period_s, grid.downbeats_s)], hop)

    monkeypatch.setattr(benchmark, "TrackerClock", Clock)
    monkeypatch.setattr(benchmark, "SETTLE_S", 3.0)
    with caplog.at_level(logging.INFO):
        assert benchmark.main(["--model", str(model_folder), "--data", str(small_band)]) == 0
    *_, found, many = caplog.records[-1].getMessage().split()
    assert float(found) == pytest.approx(f1, abs=0.15) and float(many) == pytest.approx(predicted, abs=0.3)


def test_a_data_set_without_tracks_or_beats_is_one_clear_line(tmp_path, small_band, model_folder, caplog):
    no_beats = shutil.copytree(small_band, tmp_path / "no_midi", ignore=shutil.ignore_patterns("*.mid"))
    for data, said in ((tmp_path / "nothing", "nothing"), (no_beats, "in no track of split test is a beat known")):
        caplog.clear()
        assert benchmark.main(["--model", str(model_folder), "--data", str(data)]) != 0
        (line,) = (r.getMessage() for r in caplog.records if r.levelno == logging.ERROR)
        assert said in line and "\n" not in line
