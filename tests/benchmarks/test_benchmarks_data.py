import json
import mmap

import numpy as np
import pytest

from accomp.benchmarks import data as benchmark


def test_one_run_gives_every_figure(tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark, "BATCHES", 8)
    monkeypatch.setattr(benchmark, "STEPS", 1)
    monkeypatch.setattr(benchmark, "BATCH", 2)
    monkeypatch.setattr(benchmark, "TRACKS", 2)
    monkeypatch.setattr(benchmark, "TRACK_S", 8.0)
    out = tmp_path / "out" / "benchmark.json"
    assert benchmark.main(["--out", str(out), "--workers", "0"]) == 0
    figures = json.loads(out.read_text())["figures"]
    assert set(benchmark.GOALS) <= set(figures)
    assert np.isfinite(list(figures.values())).all()
    assert all(figures[name] > 0 for name in figures if name not in ("rss_mb_per_1000_batches", "data_wait_share"))


def test_memory_that_grows_is_seen(monkeypatch):
    monkeypatch.setattr(benchmark, "BATCHES", 40)
    monkeypatch.setattr(benchmark, "BATCH", 1)
    kept = []

    class Hoarder:
        def __getitem__(self, index):
            kept.append(mmap.mmap(-1, 2_000_000))  # memory that was certainly not there before
            kept[-1].write(bytes(2_000_000))
            return index

    if np.isnan(slope := benchmark.memory_slope(Hoarder())):
        pytest.skip("no /proc here")
    assert 1000 < slope < 3000


def test_a_missing_codec_is_one_line(tmp_path, caplog):
    assert benchmark.main(["--codec", str(tmp_path / "none"), "--out", str(tmp_path / "b.json")]) == 2
    assert len(caplog.messages) == 1
