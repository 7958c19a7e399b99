"""Evaluation from the command line to the CSV, on a tiny untrained model and three little songs."""

import csv
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import mido
import numpy as np
import pytest
import soundfile
import yaml
from tiny_model import CODEC, shaken

from accomp import audio
from accomp.codec.autoencoder import Autoencoder
from accomp.compose import compose
from accomp.errors import UserError
from accomp.evaluation import rows, scores, scoring
from accomp.evaluation.settings import Data, Settings, read
from accomp.evaluation.songs import Choice, load_songs
from accomp.export import save_weights
from accomp.provenance import code_hash
from accomp.timeline import STEMS

ROOT = Path(__file__).resolve().parent.parent
RATE = 44_100


@pytest.fixture(scope="module")
def band(tmp_path_factory) -> Path:
    """Three songs of 4 s at 120 bpm; piano never plays and guitar lies out in the first song."""
    root = tmp_path_factory.mktemp("band")
    rng = np.random.default_rng(0)
    for number in (1901, 1902, 1903):
        track = root / "test" / f"Track{number:05d}"
        (track / "stems").mkdir(parents=True)
        stems = {}
        for i, kind in enumerate(("Bass", "Drums", "Guitar")):
            level = 0 if kind == "Guitar" and number == 1901 else 0.1
            stems[f"S{i:02d}"] = {"inst_class": kind, "audio_rendered": True, "is_drum": kind == "Drums"}
            sound = level * rng.standard_normal(4 * RATE)
            soundfile.write(track / "stems" / f"S{i:02d}.flac", sound, RATE, subtype="PCM_16")
        (track / "metadata.yaml").write_text(yaml.safe_dump({"UUID": str(number), "stems": stems}))
        midi = mido.MidiFile(ticks_per_beat=480)
        notes = mido.MidiTrack([mido.Message("note_on", note=60), mido.Message("note_off", note=60, time=480 * 8)])
        midi.tracks.append(notes)
        midi.save(track / "all_src.mid")
    return root


def settings(model_folder: Path, band: Path, out: Path, *overrides: str) -> Settings:
    small = ["tracks=2", "seconds=3.5", "stems=[bass,guitar]", "metrics=[levels,harmony]", "seeds=[0]", "clock=model"]
    paths = [f"model={model_folder}", f"data.root={band}", f"out_dir={out}", "workers=1"]
    return read(compose("evaluate", [*paths, *small, *overrides]))


def lines_of(folder: Path, name: str = "scores") -> list[dict]:
    with (folder / f"{name}.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def run(model_folder, band, tmp_path_factory) -> tuple[Settings, list[dict]]:
    chosen = settings(model_folder, band, tmp_path_factory.mktemp("out"))
    scores.run(chosen)
    return chosen, lines_of(chosen.out_dir)


def values(lines: list[dict], **wanted: str) -> list[str]:
    return [line["value"] for line in lines if all(line[key] == value for key, value in wanted.items())]


def test_csv_is_tidy_and_states_what_was_hidden(run):
    _, lines = run
    assert list(lines[0]) == [*rows.SUBJECT, "track", "stem", "seed", "metric", "value"]
    assert {line["model"] for line in lines} == {"tiny", *rows.BASELINES, *rows.LIVE}
    hidden = {(line["w"], line["visibility_s"]) for line in lines if line["model"] == "tiny"}
    assert hidden == {("-1", "1.5"), ("0", "0"), ("1", "-1.5")}
    assert {(line["sampler"], line["clock"], line["protocol"]) for line in lines if line["model"] == "tiny"} == {
        ("student_2", "model", "live")
    }
    excerpts = {(line["track"], line["stem"]) for line in lines if line["track"] != "*"}
    assert excerpts == {("Track01901", "bass"), ("Track01902", "bass"), ("Track01902", "guitar")}, "silent stems are out"
    assert "" not in values(lines, metric="rms_db") and len(values(lines, metric="cycle_p50_ms")) == 3
    assert values(lines, metric="generative_ms", w="1") == ["3000"], "the last sample of a step is 3 s behind what was heard"


def test_baselines_are_what_they_say(run):
    _, lines = run
    assert values(lines, model="silence", metric="silence_ratio") == ["1"] * 3
    distances = {line["metric"] for line in lines if line["metric"].startswith(("fad", "kad"))}
    (fad,) = distances  # 21 points are too few for the kernel distance
    assert fad.startswith("fad_autoencoder_"), "the embedding is in the name"
    assert float(values(lines, model="truth", metric=fad)[0]) == pytest.approx(0, abs=1e-3)
    for value in values(lines, model="truth", metric="rms_db") + values(lines, model="random_pairing", metric="rms_db"):
        assert float(value) == pytest.approx(-20, abs=0.1)


def test_results_can_be_read_seen_and_heard(run):
    chosen, _ = run
    summary = lines_of(chosen.out_dir, "summary")
    silent = [line for line in summary if line["model"] == "silence" and line["metric"] == "silence_ratio"]
    assert [(line["mean"], line["low"], line["high"], line["n"]) for line in silent] == [("1", "", "", "3")], (
        "of two songs there is no interval"
    )
    assert "random_pairing" in (chosen.out_dir / "summary.txt").read_text()
    figure = chosen.out_dir / "figures" / "lookahead"
    assert figure.with_suffix(".png").stat().st_size > 10_000 and "<svg" in figure.with_suffix(".svg").read_text()
    assert (chosen.out_dir / "index.html").read_text().count("data:audio/mpeg") > 6


def test_what_is_there_is_neither_played_nor_scored_again(run):
    chosen, lines = run
    answers = sorted((chosen.out_dir / "audio").rglob("*.wav"))
    assert len(answers) == (3 + 4 + 7) * 3
    scored = [path.with_suffix(".json") for path in answers]
    before = [path.stat().st_mtime_ns for path in answers + scored]
    answers[0].unlink()
    scores.run(chosen)
    after = [path.stat().st_mtime_ns for path in answers + scored]
    changed = [i for i, (a, b) in enumerate(zip(before, after, strict=True)) if a != b]
    assert changed == [0, len(answers)], "what was deleted, and its scores"
    assert lines_of(chosen.out_dir) == lines


def test_the_parts_can_be_run_one_after_the_other(run, model_folder, band, tmp_path):
    _, lines = run
    with pytest.raises(UserError, match="let it play first"):
        scores.run(settings(model_folder, band, tmp_path, "do=[score]"))
    for part in ("play", "time", "score", "report"):
        assert not (tmp_path / "index.html").exists()
        scores.run(settings(model_folder, band, tmp_path, f"do=[{part}]"))
        assert (tmp_path / "scores.csv").exists() == (part in ("score", "report"))
    again = [line for line in lines_of(tmp_path) if not line["metric"].endswith("_ms")]
    assert again == [line for line in lines if not line["metric"].endswith("_ms")]
    assert (tmp_path / "index.html").exists()


def test_same_seed_same_numbers_in_any_batch_and_in_processes(run, model_folder, band, tmp_path):
    _, lines = run
    scores.run(settings(model_folder, band, tmp_path, "batch=1", "workers=2", "do=[play,time,score]"))
    for a, b in zip(lines, lines_of(tmp_path), strict=True):
        assert {**a, "value": 0} == {**b, "value": 0}
        if not a["metric"].endswith("_ms") and a["value"]:
            assert float(a["value"]) == pytest.approx(float(b["value"]), rel=1e-3, abs=1e-3), a["metric"]


def test_samplers_and_clocks_are_compared_excerpt_by_excerpt(model_folder, band, tmp_path):
    few = ["regimes=[{r: 0.25, w: 1}]", "seeds=[0,1]", "sampler=[student_1,teacher_4]", "clock=[none,score]"]
    chosen = settings(model_folder, band, tmp_path, *few)
    scores.run(chosen)
    compared = lines_of(tmp_path, "differences")
    assert {(line["sampler"], line["clock"]) for line in compared} == {
        ("student_1", "score"), ("teacher_4", "none"), ("teacher_4", "score")
    }  # fmt: skip
    assert {line["against"] for line in compared} == {"tiny student_1 none live"}
    assert {line["n"] for line in compared if line["metric"] == "rms_db"} == {"6"}, "three excerpts, two seeds"


def test_the_papers_protocol_stands_beside_ours(model_folder, band, tmp_path):
    chosen = settings(model_folder, band, tmp_path, "protocol=[live,paper]", "regimes=[{r: 0.5, w: 0}]")
    scores.run(chosen)
    assert {line["protocol"] for line in lines_of(tmp_path) if line["model"] == "tiny"} == {"live", "paper"}


def test_a_broken_metric_costs_only_its_own_scores(run, model_folder, band, tmp_path, monkeypatch, caplog):
    def breaks(excerpt):
        if excerpt.stem == "guitar":
            raise ZeroDivisionError("no strings")
        return {"strings": 6.0}

    monkeypatch.setattr("accomp.metrics.harmony.make_metric", lambda options: breaks)
    chosen = settings(model_folder, band, tmp_path, "regimes=[{r: 0.25, w: 1}]", "seconds=3", "failures=drop")
    with caplog.at_level("WARNING"):
        scores.run(chosen)
    assert "no strings" in caplog.text
    lines = lines_of(tmp_path)
    assert {line["stem"] for line in lines if line["metric"] == "strings"} == {"bass"}
    assert {line["stem"] for line in lines if line["metric"] == "rms_db"} == {"bass", "guitar"}


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("tracker=final0.ckpt", "tracker=madmom"),
        ("coherence=nowhere", "experiment=coherence"),
        ("vggish=none.pth", "releases/download.*vggish=null"),
        ("clap=none", "clap=null"),
        ("musicnn=none", "pip download musicnn.*musicnn=null"),
        ("needs=[tracker,vggish]", "final0.ckpt.*vggish-10086976.pth"),
    ],
)
def test_what_was_asked_for_and_is_missing_is_an_error(model_folder, band, tmp_path, override, complaint):
    with pytest.raises(UserError, match=complaint):
        scores.run(settings(model_folder, band, tmp_path, "metrics=[beats,coherence]", override))
    assert not (tmp_path / "audio").exists()


def test_a_damaged_answer_costs_nothing_else(run, model_folder, band, tmp_path, caplog):
    chosen, lines = run
    shutil.copytree(chosen.out_dir, tmp_path / "out")
    first, second = sorted((tmp_path / "out" / "audio" / "tiny").rglob("*.wav"))[:2]
    first.write_bytes(b"")
    audio.write(second, np.zeros(100))
    scores.run(settings(model_folder, band, tmp_path / "out", "do=[score,report]"))
    for path in (first, second):
        assert f"{path} is damaged and left out" in caplog.text
    assert len(values(lines_of(tmp_path / "out"), metric="rms_db")) == len(values(lines, metric="rms_db")) - 2


def test_a_scoring_process_that_is_killed_is_one_line(run, model_folder, band, tmp_path, monkeypatch):
    chosen, _ = run
    shutil.copytree(chosen.out_dir / "audio", tmp_path / "audio", ignore=shutil.ignore_patterns("bass.s0.json"))
    monkeypatch.setattr(scoring, "_one_thread", partial(os._exit, 1))  # what every process begins with
    monkeypatch.setattr(scoring, "CHUNK", 1)
    with pytest.raises(UserError, match="workers=1"):
        scores.run(settings(model_folder, band, tmp_path, "do=[score]", "workers=2"))


def test_audio_made_otherwise_is_refused(run, model_folder, band):
    chosen, _ = run
    with pytest.raises(UserError, match=r"another seconds.*name="):
        scores.run(settings(model_folder, band, chosen.out_dir, "seconds=3"))


def test_audio_made_by_other_code_is_refused(run, model_folder, band, monkeypatch):
    chosen, _ = run
    monkeypatch.setattr("accomp.evaluation.audio_cache.SOUND", ("accomp.stream.rollout",))
    with pytest.raises(UserError, match=r"another code: choose another name="):
        scores.run(settings(model_folder, band, chosen.out_dir))


def test_scores_of_another_metric_code_are_computed_anew(run, monkeypatch):
    chosen, _ = run
    before = scoring.metric_set(chosen).keys
    monkeypatch.setattr(scoring, "code_hash", lambda name: "other" if name.endswith("harmony") else code_hash(name))
    after = scoring.metric_set(chosen).keys
    assert before["levels"] == after["levels"] and before["harmony"] != after["harmony"]


def test_a_model_that_was_trained_further_is_another_model(run, model_folder, band, tmp_path):
    chosen, _ = run
    copy = tmp_path / "tiny"
    shutil.copytree(model_folder, copy)
    save_weights(shaken(Autoencoder(**CODEC), seed=1), copy / "codec.safetensors")
    with pytest.raises(UserError, match=r"another codec.safetensors"):
        scores.run(settings(copy, band, chosen.out_dir))


def test_answers_start_only_when_the_model_was_asked(run):
    """In look-ahead the first answer begins two steps in; what lies before was nobody's turn."""
    chosen, _ = run
    folder = chosen.out_dir / "audio" / "tiny" / "student_2.model.live" / "r0.25_w1" / "Track01902"
    answer = audio.read(folder / "bass.s0.wav")
    assert len(answer) == round(3.5 * RATE)
    assert not answer[: 2 * 66_150 - 882].any()


def test_a_song_knows_its_context_partner_and_beats(band):
    first, second = load_songs(Data(str(band)), ["bass", "drums"], Choice(2), seconds=3)
    assert first.stems == second.stems == ("bass", "drums")
    assert first.start == RATE // 2 and first.samples == 3 * RATE
    np.testing.assert_allclose(first.context["bass"], first.truth["drums"], err_msg="guitar is silent in this one")
    np.testing.assert_array_equal(first.partners["bass"], second.truth["bass"])
    np.testing.assert_allclose(first.beats_until(2 * RATE), [0, 0.5, 1, 1.5], atol=1e-6)


def test_a_sharded_evaluation_equals_an_unsharded_one_to_the_last_digit(model_folder, band, tmp_path):
    """Also its distances, which are of all songs together. A batch of one, as the sums of others round differently."""
    asked = ["batch=1", "regimes=[{r: 0.25, w: 1}]"]
    for shard in range(2):
        part = tmp_path / "shards" / str(shard)
        scores.run(settings(model_folder, band, part, "shards=2", f"shard={shard}", *asked))
        assert not (part / "scores.csv").exists()
    played = {path: path.stat().st_mtime_ns for path in (tmp_path / "audio").rglob("*.wav")}
    scores.run(settings(model_folder, band, tmp_path, "do=[score,report]", *asked))
    assert played == {path: path.stat().st_mtime_ns for path in (tmp_path / "audio").rglob("*.wav")}
    scores.run(settings(model_folder, band, tmp_path / "one", *asked))
    sharded, whole = lines_of(tmp_path), lines_of(tmp_path / "one")
    assert len(sharded) == len(whole) and any(line["metric"].startswith("fad") for line in whole)
    for a, b in zip(sharded, whole, strict=True):
        assert a == b or a["metric"].endswith("_ms")


def test_a_song_without_a_score_is_played_and_scored_without_one(model_folder, band, tmp_path):
    root = tmp_path / "band"
    shutil.copytree(band, root)
    for midi in root.rglob("*.mid"):
        midi.unlink()
    chosen = settings(model_folder, root, tmp_path / "out", "metrics=[beats,levels]", "do=[play,score]", "clock=[model,score]")
    scores.run(chosen)
    lines = lines_of(tmp_path / "out")
    assert {line["clock"] for line in lines if line["model"] == "tiny"} == {"model"}, "there are no beats to be told"
    assert {line["model"] for line in lines} == {"tiny", *rows.BASELINES, "held_triad"}
    assert set(values(lines, metric="beat_f1_grid")) == {""} and "" not in values(lines, metric="rms_db")


def test_another_evaluations_audio_is_scored_otherwise(run, model_folder, band, tmp_path):
    chosen, _ = run
    shutil.copytree(chosen.audio_folder, tmp_path / "audio")
    before = sorted((tmp_path / "audio").rglob("*.wav"))
    more = [f"audio={tmp_path / 'audio'}", "metrics=[tone]", "do=[play,score]"]
    scores.run(settings(model_folder, band, tmp_path / "other", *more))
    assert sorted((tmp_path / "audio").rglob("*.wav")) == before and not (tmp_path / "other" / "audio").exists()
    assert values(lines_of(tmp_path / "other"), metric="hnr_db", model="truth")


@pytest.mark.parametrize("damaged", ["stems/S00.flac", "all_src.mid"])
def test_a_damaged_track_is_skipped_only_when_asked(band, tmp_path, damaged):
    root = tmp_path / "band"
    shutil.copytree(band, root)
    (root / "test" / "Track01901" / damaged).unlink()
    with pytest.raises(UserError, match="on_bad=skip"):
        load_songs(Data(str(root)), ["bass"], Choice(), seconds=2)
    names = [song.name for song in load_songs(Data(str(root), on_bad="skip"), ["bass"], Choice(), seconds=2)]
    assert names == ["Track01902", "Track01903"]


@pytest.mark.parametrize(
    "override, complaint",
    [
        ("stems=[bass,bass]", "none twice"),
        ("tracks=0", "must be positive"),
        ("regimes=[{r: 2, w: 0}]", r"r=2 w=0"),
        ("clock=sun", "choose among model"),
        ("do=[dance]", "choose among play"),
        ("seeds=[1,1]", "none twice"),
        ("overlap=-1", "not be negative"),
        ("shard=3", "one of 0 to 0"),
        ("failures=forgive", "choose among zero"),
    ],
)
def test_settings_that_make_no_sense_are_refused(model_folder, band, tmp_path, override, complaint):
    with pytest.raises(UserError, match=complaint):
        settings(model_folder, band, tmp_path, override)


def test_an_instrument_that_the_model_or_the_data_lacks_is_refused(model_folder, band, tmp_path):
    with pytest.raises(UserError, match="cannot play flute; it plays bass"):
        scores.run(settings(model_folder, band, tmp_path, "stems=[flute]"))
    for more in (["measure=codec"], ["data.stems=[bass,drums]"]):
        with pytest.raises(UserError, match=r"stems=\['flute'\]: choose among bass"):
            settings(model_folder, band, tmp_path, "stems=[flute]", *more)


@pytest.mark.parametrize(
    "override, complaint",
    [
        ("metrics=[taste]", "choose among bar_repetition, bass_notes, beats"),
        ("sampler=euphoric_1", "choose one of"),
        ("model=[{0},{0}/../tiny]", "same name"),
        ("songs=[Track00001]", r"not in the data set.*Track01901"),
    ],
)
def test_names_that_nobody_has_are_told_before_anything_is_played(model_folder, band, tmp_path, override, complaint):
    with pytest.raises(UserError, match=complaint):
        scores.run(settings(model_folder, band, tmp_path, override.format(model_folder)))
    assert not (tmp_path / "audio").exists()


@pytest.mark.parametrize(
    "experiment",
    ["latency", "regimes", "students", "lookahead", "leak", "demo_page", "drift", "paper_table", "first_look"],
)
def test_every_experiment_composes(experiment):
    chosen = read(compose("evaluate", [f"experiment={experiment}"]))
    assert chosen.measure == ("latency" if experiment == "latency" else "scores")
    assert set(chosen.stems) <= set(STEMS) and chosen.name == experiment
    text = (ROOT / "conf" / "experiment" / "evaluate" / f"{experiment}.yaml").read_text()
    assert f"# python evaluate.py experiment={experiment}" in text.splitlines()[:2]


def test_a_typo_is_one_line_with_the_nearest_key():
    done = subprocess.run([sys.executable, "evaluate.py", "trakcs=2"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.strip().splitlines() == ["error: trakcs: no such setting; did you mean tracks?"]


def test_help_opens_with_two_examples():
    done = subprocess.run([sys.executable, "evaluate.py", "--help"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0
    assert all(line.startswith("python evaluate.py") for line in done.stdout.splitlines()[:2])


def test_a_model_is_compared_with_itself_without_a_part(model_folder, band, tmp_path):
    both = f"model=[{model_folder},{model_folder} without smoothing+weights]"
    scores.run(settings(model_folder, band, tmp_path, "regimes=[{r: 0.25, w: 1}]", both))
    lines = lines_of(tmp_path)
    assert {line["model"] for line in lines} >= {"tiny", "tiny without smoothing+weights"}
    against = {line["against"].split()[0] for line in lines_of(tmp_path, "differences")}
    assert against == {"tiny"}
