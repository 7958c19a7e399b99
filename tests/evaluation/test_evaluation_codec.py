"""`evaluate.py experiment=codec` from the configuration to the table, with an untrained codec on composed songs."""

import csv

import numpy as np
import pytest
import torch

from accomp.compose import compose
from accomp.data.slakh import find_tracks
from accomp.errors import UserError
from accomp.evaluation import codec as measure
from accomp.evaluation.settings import Settings, read
from accomp.evaluation.songs import middle
from accomp.metrics.spectral import spectral


def settings(*overrides: str) -> Settings:
    return read(compose("evaluate", ["experiment=codec", *overrides]))


@pytest.fixture(scope="module")
def run(model_folder, small_band, tmp_path_factory) -> tuple[Settings, list[dict], str]:
    out = tmp_path_factory.mktemp("codec")
    chosen = settings(
        f"model={model_folder}",
        f"sets={{here: {small_band}, there: {small_band}}}",
        "latency.paper_cycles=0",
        "seconds=3",
        f"out_dir={out}",
    )
    assert measure.run(chosen) == out
    with (out / "scores.csv").open() as file:
        return chosen, list(csv.DictReader(file)), (out / "table.md").read_text()


def pick(lines: list[dict], **wanted: str) -> list[str]:
    return [entry["value"] for entry in lines if all(entry[key] == value for key, value in wanted.items())]


def test_csv_is_tidy_and_has_every_metric_of_every_part(run):
    _, lines, _ = run
    assert list(lines[0]) == ["codec", "set", "track", "part", "metric", "value"]
    assert {entry["set"] for entry in lines} == {"here", "there", "*"}
    parts = {entry["part"] for entry in lines if entry["set"] == "here"}
    assert "mix" in parts and len(parts) > 2
    metrics = {
        "sdr_db",
        "isr_db",
        "sar_db",
        "si_sdr_db",
        "lsd_db",
        "mr_stft",
        "onset_error_ms",
        "onset_missed",
        "chroma",
    }
    for part in parts:
        assert {entry["metric"] for entry in lines if entry["part"] == part} == metrics
        assert pick(lines, set="here", part=part) == pick(lines, set="there", part=part), "the same songs, the same scores"


def test_time_and_borders_stand_beside_the_sound(run):
    _, lines, _ = run
    parts = [float(pick(lines, codec="ours", metric=f"{name}_p50_ms")[0]) for name in ("encode", "decode", "step")]
    assert min(parts) > 0 and parts[2] >= max(parts[:2])
    assert float(pick(lines, codec="ours", metric="step_p95_ms")[0]) >= parts[2]
    assert float(pick(lines, codec="ours", metric="late_to_early")[0]) > 0
    # 3 s in steps of 1.5 s meet twice, once on the way and once at the end, where there is too little around it.
    excerpts = len(pick(lines, metric="sdr_db"))
    assert int(pick(lines, codec="ours", metric="borders")[0]) in range(1, 2 * excerpts + 1)


def test_table_is_markdown_with_a_row_for_every_set_and_part(run):
    _, lines, text = run
    rows = [entry.split("|")[1:-1] for entry in text.splitlines() if entry.startswith("| ours")]
    sound = [row for row in rows if len(row) == 13]
    assert [row[1].strip() for row in sound] == sorted(row[1].strip() for row in sound)
    assert sum(int(row[3]) for row in sound) == len(pick(lines, metric="sdr_db"))
    assert "Music2Latent's weights are not here" in text and "paper_cycles=0" in text
    mix = next(row for row in sound if row[1].strip() == "here" and row[2].strip() == "mix")
    assert float(mix[8]) == pytest.approx(float(pick(lines, set="here", part="mix", metric="lsd_db")[0]), abs=0.051)


def test_a_set_is_named_after_its_folder_and_songs_are_spread_evenly(small_band):
    chosen = measure.songs(settings(f"data.root={small_band}", "data.split=train", "tracks=1"))
    assert [label for label, _ in chosen] == [small_band.name]
    assert len(measure.songs(settings(f"data.root={small_band}", "data.split=train", "tracks=null"))) == 2


def test_mix_is_the_sum_of_the_stems_and_silent_parts_are_left_out(small_band):
    (track,) = find_tracks(small_band, "test")
    found = dict(measure.parts(track, settings("stems=[bass]", "seconds=3")))
    start, stop = middle(track, 3)
    np.testing.assert_array_equal(found["mix"], sum(track.read(s, start, stop) for s in ("bass", "drums", "guitar", "piano")))
    assert set(found) <= {"bass", "mix"}


@pytest.mark.parametrize("step", [66_150, 5001, 100])
@torch.inference_mode()
def test_streamed_is_offline_and_aligned(model, step):
    audio = (0.1 * np.random.default_rng(0).standard_normal(50_001)).astype(np.float32)
    streamed = measure.stream(model.codec, audio, step)
    whole = np.pad(audio, (0, 2 * model.codec.hop))
    offline = model.codec.decode(model.codec.encode(torch.from_numpy(whole)[None]))[0, : len(audio)].numpy()
    np.testing.assert_allclose(streamed.audio, offline, atol=1e-5)
    np.testing.assert_array_equal(streamed.audio.shape, audio.shape)
    assert all((border + model.codec.delay) % model.codec.hop == 0 for border in streamed.borders)


def test_the_reference_codec_is_scored_beside_ours_when_it_is_there(model, small_band):
    """A codec that hands every recording back unchanged is at no distance from it."""
    lines = list(measure.score(settings(f"data.root={small_band}", "seconds=3", "stems=[bass]"), model.codec, np.copy))
    theirs = {entry["metric"]: entry["value"] for entry in lines if entry["codec"] == measure.REFERENCE}
    assert theirs["lsd_db"] == 0 and theirs["onset_missed"] == 0 and theirs["sdr_db"] == 100
    ours = {entry["metric"] for entry in lines if entry["codec"] == measure.OURS}
    assert set(theirs) < ours


def test_weights_are_looked_for_where_they_are_said_to_be(model_folder, tmp_path):
    pytest.importorskip("music2latent")
    with pytest.raises(UserError, match="no Music2Latent weights"):
        measure.run(settings(f"music2latent={tmp_path}/m.pt", f"model={model_folder}"))


@pytest.mark.parametrize(
    ("override", "complaint"),
    [("seconds=1", "at least 3 s"), ("model=nowhere", "no such run or model folder"), ("sets={a: nowhere}", "nowhere")],
)
def test_mistakes_are_named(model_folder, tmp_path, override, complaint):
    with pytest.raises(UserError, match=complaint):
        measure.run(settings(f"model={model_folder}", "latency.paper_cycles=0", f"out_dir={tmp_path}", override))
    assert not list(tmp_path.iterdir())


def test_a_quieter_copy_differs_in_level_alone():
    truth = (0.1 * np.random.default_rng(0).standard_normal(88_200)).astype(np.float32)
    found = measure.compare((0.5 * truth).astype(np.float32), truth)
    assert found["sdr_db"] == pytest.approx(6.02, abs=0.1) and found["si_sdr_db"] > 60
    assert found["lsd_db"] == spectral((0.5 * truth).astype(np.float32), truth)["lsd_db"]
