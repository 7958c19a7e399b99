"""Means, intervals and comparisons on scores whose answer is known."""

import math

import numpy as np
import pytest

from accomp.evaluation import report
from accomp.evaluation.figures import draw, ours
from accomp.evaluation.paper_table import PUBLISHED_BEAT, read_published, side_by_side, write_side_by_side
from accomp.evaluation.rows import SUBJECT
from accomp.evaluation.settings import Settings


def line(value, model="m", sampler="s", track="a", stem="bass", seed="0", metric="beat_f1_context", regime="x", v="-1.5"):
    who = dict(zip(SUBJECT, (model, sampler, "model" if sampler else "", "live" if sampler else "", regime, "0.25", "1", v),
                   strict=True))  # fmt: skip
    return who | {"track": track, "stem": stem, "seed": seed, "metric": metric, "value": value}


def test_summary_counts_only_what_is_defined():
    (summary,) = report.summarise([line(1.0), line(3.0, track="b"), line(math.nan, track="c")])
    assert (summary["mean"], summary["n"]) == (2, 2)


def test_an_interval_is_over_tracks_and_not_over_excerpts():
    """A hundred excerpts of one song are one song; of fewer than five songs there is no interval."""
    one_each = [(name, value) for name, value in zip("abcde", (0.0, 0.1, 0.5, 0.6, 1.0), strict=True)]
    assert report.interval(one_each * 100) == pytest.approx(report.interval(one_each))
    assert all(map(math.isnan, report.interval(one_each[:4] * 100)))


def test_an_interval_of_many_tracks_is_as_wide_as_theory_says():
    values = np.random.default_rng(1).standard_normal(400)
    low, high = report.interval([(str(i), value) for i, value in enumerate(values)])
    assert low == pytest.approx(values.mean() - 1.96 / 20, abs=0.02)
    assert high == pytest.approx(values.mean() + 1.96 / 20, abs=0.02)


def test_scores_of_fit_are_placed_between_a_random_pairing_and_the_truth():
    baselines = [line(0.2, "random_pairing", "", regime="", v=""), line(0.6, "truth", "", regime="", v="")]
    summary = report.summarise([*baselines, line(0.5), line(-30.0, metric="rms_db")])
    normalised = {(entry["model"], entry["metric"]): entry["normalised"] for entry in summary}
    assert normalised["m", "beat_f1_context"] == pytest.approx(0.75)
    assert math.isnan(normalised["m", "rms_db"])


def test_rows_are_compared_on_the_excerpts_they_share():
    base = [line(0.1 * i, track=t, seed=str(i)) for i in range(2) for t in "abcde"]
    better = [line(0.1 * i + 0.3, sampler="t", track=t, seed=str(i)) for i in range(3) for t in "abcde"]
    (difference,) = report.compare(base + better)
    assert difference["difference"] == pytest.approx(0.3) and difference["n"] == 10
    assert (difference["low"], difference["high"]) == (pytest.approx(0.3), pytest.approx(0.3)), "song by song it is the same"
    assert difference["against"] == "m s model live"


def test_the_table_tells_what_was_hidden_and_the_embedding(tmp_path):
    summary = report.summarise([line(0.25), line(0.5, track="b"), line(3.5, track="*", metric="fad_note_codec_3c20")])
    head, row = report.table(summary).splitlines()
    assert "FAD note_codec_3c20" in head and "-1.50" in row and "0.375" in row


def test_csv_comes_back_as_it_went(tmp_path):
    lines = [line(0.5), line(math.nan)]
    report.write_lines(tmp_path / "scores.csv", lines)
    back = report.read_lines(tmp_path / "scores.csv")
    assert back[0] == lines[0] and math.isnan(back[1]["value"])


def test_look_ahead_is_drawn_to_the_right_and_published_fit_is_normalised(tmp_path):
    summary = report.summarise([line(0.2), line(0.4, regime="y", v="1.5")])
    ((_, points),) = ours(summary, "beat_f1_context").items()
    assert [point[:2] for point in points] == [(-1.5, 0.4), (1.5, 0.2)]
    table = read_published()
    best = next(row for row in table if row["model"] == "diffusion" and row["r"] == 1)
    assert best["fit"] == pytest.approx((62.09 - 52.1) / (61.531 - 52.1), abs=1e-3)
    assert {row["source"] for row in table} >= {"measured", "read off the figure"}
    assert list(draw(tmp_path, summary, PUBLISHED_BEAT)) == ["lookahead"], "one sampler has no speed to compare"


def test_several_samplers_are_drawn_against_their_time(tmp_path):
    lines = [line(f1, sampler=name, track=track) for name, f1 in (("s", 0.2), ("t", 0.3)) for track in "ab"]
    lines += [line(ms, sampler=name, track="*", metric="cycle_p50_ms") for name, ms in (("s", 20.0), ("t", 90.0))]
    assert list(draw(tmp_path, report.summarise(lines), "beat F1 (madmom)")) == ["lookahead", "speed"]


@pytest.mark.parametrize("tracker", ["madmom", "final0.ckpt"])
def test_two_trackers_never_share_a_column_of_the_papers_table(tracker, tmp_path):
    lines = [line(0.3), line(0.6, "truth", "", regime="", v=""), line(4.0, track="*", metric="fad_vggish")]
    for entry in lines:
        entry |= {"r": "0.25", "w": "1"} if entry["sampler"] else {"r": "", "w": ""}
    chosen = Settings("x", tmp_path, tracker=tracker, failures="drop")
    table = side_by_side(report.summarise(lines), chosen)
    ours = next(row for row in table if row["whose"] == "ours" and row["r"] == "0.25")
    published = next(row for row in table if row["whose"] == "published" and row["model"] == "diffusion")
    assert published[PUBLISHED_BEAT] == "0.223" and published["FAD (VGGish)"] == "3.950" and ours["FAD (VGGish)"] == "4.000"
    assert (ours[PUBLISHED_BEAT] == "0.300") == (tracker != "madmom") and "0.300" in ours.values()
    assert {row["r"] for row in table} == {"0.25", ""} and {row["model"] for row in table} >= {
        "truth",
        "random pairing",
    }
    write_side_by_side(tmp_path, table)
    for kind, cell in (("csv", ",0.223,"), ("md", "| 0.223 |"), ("html", "<td>0.223</td>"), ("tex", "& 0.223 &")):
        assert cell in (tmp_path / f"paper_table.{kind}").read_text()
    assert side_by_side(report.summarise([line(0.3) | {"r": "0.2"}]), chosen) == [], "no regime of the paper"


def test_a_summary_says_how_wide_its_intervals_are():
    values = {"a": 0.0, "b": 0.1, "c": 0.5, "d": 0.6, "e": 1.0}
    summary = report.summarise([line(value, track=track) for track, value in values.items()])
    half = (summary[0]["high"] - summary[0]["low"]) / 2
    assert report.widths(summary) == f"95 % intervals over the tracks: F1 ctx ±{half:.3f}"
    assert report.widths(report.summarise([line(0.5)])) == ""


def test_the_table_goes_to_wandb_when_asked(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    report.log_to_wandb("accomp", "mine", tmp_path, report.summarise([line(0.2)]))
    assert list(tmp_path.glob("wandb/offline-run-*/*.wandb"))
