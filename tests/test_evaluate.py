"""Evaluation from the command line to the CSV, on a tiny untrained model and three little songs."""

import csv
import subprocess
import sys
from pathlib import Path

import hydra
import mido
import numpy as np
import pytest
import soundfile
import torch
import yaml
from torch import nn

from accomp import audio
from accomp.checkpoint import CODECS, FORMS, NETS, save_weights
from accomp.diffusion.unet import PaperUNet
from accomp.errors import UserError
from accomp.evaluation import report, scores
from accomp.evaluation.latency import filler, time_live, time_paper
from accomp.evaluation.scores import load_model
from accomp.evaluation.settings import Data, Settings, read
from accomp.evaluation.songs import load_songs
from accomp.timeline import STEMS, Step

ROOT = Path(__file__).resolve().parent.parent
RATE = 44_100
CODEC = {"channels": 4, "width": 8, "latent_width": 8, "encoder_blocks": 1, "decoder_blocks": 1, "latent_blocks": 1}
NET = {"channels": 4, "width": 16, "layers": 1, "heads": 2}


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory) -> Path:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("models") / "tiny"
    folder.mkdir()
    sampler = {
        "denoiser": "student",
        "function": "consistency",
        "steps": 1,
        "sigma_min": 0.5,
        "sigma_max": 80.0,
        "rho": 7.0,
    }
    config = {
        "codec": {"kind": "causal", **CODEC},
        "net": {"kind": "transformer", **NET},
        "denoisers": {"student": {"form": "consistency", "sigma_data": 1.0}},
        "frames": 64,
        "longest_step": 44,
        "sampler": "student_1",
        "samplers": {"student_1": sampler},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    save_weights(CODECS["causal"](**CODEC), folder / "codec.safetensors")
    save_weights(FORMS["consistency"](NETS["transformer"](**NET), 1.0), folder / "student.safetensors")
    return folder


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
    small = ["tracks=2", "seconds=3.5", "stems=[bass,guitar]", "metrics=[levels,harmony]"]
    paths = [f"model={model_folder}", f"data.root={band}", f"out_dir={out}"]
    with hydra.initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        config = hydra.compose("evaluate", [*paths, *small, *overrides])
    return read(config)


@pytest.fixture(scope="module")
def run(model_folder, band, tmp_path_factory) -> tuple[Settings, list[dict]]:
    chosen = settings(model_folder, band, tmp_path_factory.mktemp("out"))
    scores.run(chosen)
    with (chosen.out_dir / "scores.csv").open() as file:
        return chosen, list(csv.DictReader(file))


def values(lines: list[dict], **wanted: str) -> list[str]:
    return [line["value"] for line in lines if all(line[key] == value for key, value in wanted.items())]


def test_csv_is_tidy_and_states_what_was_hidden(run):
    _, lines = run
    assert list(lines[0]) == [
        "model", "regime", "r", "w", "visibility_s", "track", "stem", "seed", "metric", "value",
    ]  # fmt: skip
    assert {line["model"] for line in lines} == {"tiny", "truth", "codec", "random_pairing", "silence"}
    hidden = {(line["w"], line["visibility_s"]) for line in lines if line["model"] == "tiny"}
    assert hidden == {("-1", "1.5"), ("0", "0"), ("1", "-1.5")}
    excerpts = {(line["track"], line["stem"]) for line in lines if line["track"] != "*"}
    assert excerpts == {("Track01901", "bass"), ("Track01902", "bass"), ("Track01902", "guitar")}, (
        "silent stems are out"
    )
    assert {line["value"] for line in lines if line["metric"] == "cycle_p50_ms"} and "" not in values(
        lines, metric="rms_db"
    )


def test_baselines_are_what_they_say(run):
    _, lines = run
    assert values(lines, model="silence", metric="silence_ratio") == ["1"] * 3
    assert float(values(lines, model="truth", metric="fad_latent")[0]) == pytest.approx(0, abs=1e-3)
    for value in values(lines, model="truth", metric="rms_db") + values(lines, model="random_pairing", metric="rms_db"):
        assert float(value) == pytest.approx(-20, abs=0.1)


def test_what_is_there_is_not_played_again(run):
    chosen, lines = run
    answers = sorted((chosen.out_dir / "audio").rglob("*.wav"))
    assert len(answers) == (3 + 4) * 3
    before = [path.stat().st_mtime_ns for path in answers]
    answers[0].unlink()
    scores.run(chosen)
    assert [path.stat().st_mtime_ns for path in answers[2:]] == before[2:]
    with (chosen.out_dir / "scores.csv").open() as file:
        again = list(csv.DictReader(file))
    untimed = [line for line in again if not line["metric"].endswith("_ms")]
    assert untimed == [line for line in lines if not line["metric"].endswith("_ms")]


@pytest.mark.parametrize("clock", ["none", "score"])
def test_a_clock_gets_a_row_of_its_own(run, model_folder, band, clock):
    chosen, _ = run
    scores.run(
        settings(model_folder, band, chosen.out_dir.parent / clock, f"clock={clock}", "regimes=[{r: 0.1, w: 1}]")
    )
    with (chosen.out_dir.parent / clock / "summary.csv").open() as file:
        subjects = {(line["model"], line["visibility_s"]) for line in csv.DictReader(file) if line["regime"]}
    assert subjects == {(f"tiny+{clock}", "-0.6")}


def test_audio_made_otherwise_is_refused(run, model_folder, band):
    chosen, _ = run
    with pytest.raises(UserError, match=r"another seconds.*name="):
        scores.run(settings(model_folder, band, chosen.out_dir, "seconds=3"))


def test_answers_start_only_when_the_model_was_asked(run):
    """In look-ahead the first answer begins two steps in; what lies before was nobody's turn."""
    chosen, _ = run
    answer = audio.read(chosen.out_dir / "audio" / "tiny" / "r0.25_w1" / "Track01902" / "bass.s0.wav")
    assert len(answer) == round(3.5 * RATE)
    assert not answer[: 2 * 66_150 - 882].any()


def test_a_song_knows_its_context_partner_and_beats(band):
    first, second = load_songs(Data(str(band)), ["bass", "drums"], tracks=2, seconds=3)
    assert first.stems == second.stems == ("bass", "drums")
    assert first.start == RATE // 2 and first.samples == 3 * RATE
    np.testing.assert_allclose(first.context["bass"], first.truth["drums"], err_msg="guitar is silent in this one")
    np.testing.assert_array_equal(first.partners["bass"], second.truth["bass"])
    np.testing.assert_allclose(first.beats_s, [0, 0.5, 1, 1.5, 2, 2.5], atol=1e-6)


@pytest.mark.parametrize(
    "override, complaint",
    [
        ("stems=[flute]", "choose among bass"),
        ("tracks=0", "must be positive"),
        ("regimes=[{r: 2, w: 0}]", r"r=2 w=0"),
        ("clock=sun", "choose model"),
        ("overlap=-1", "not be negative"),
    ],
)
def test_settings_that_make_no_sense_are_refused(model_folder, band, tmp_path, override, complaint):
    with pytest.raises(UserError, match=complaint):
        settings(model_folder, band, tmp_path, override)


def test_unknown_metric_names_the_known_ones(model_folder, band, tmp_path):
    with pytest.raises(UserError, match="beats, separation, harmony, levels"):
        scores.run(settings(model_folder, band, tmp_path, "metrics=[taste]"))


@pytest.mark.parametrize("experiment", ["latency", "regimes"])
def test_every_experiment_composes(model_folder, band, tmp_path, experiment):
    chosen = settings(model_folder, band, tmp_path, f"experiment={experiment}")
    assert chosen.measure == ("latency" if experiment == "latency" else "scores")
    assert len(chosen.regimes) == (3 if experiment == "latency" else 9)
    assert set(chosen.stems) <= set(STEMS)


def test_summary_counts_only_what_is_defined():
    def line(value):
        return {"model": "m", "regime": "x", "r": 1, "w": 0, "visibility_s": -1.5, "metric": "rms_db", "value": value}

    (summary,) = report.summarise([line(1.0), line(3.0), line(float("nan"))])
    assert (summary["mean"], summary["standard_error"], summary["n"]) == (2, pytest.approx(1), 2)
    assert "-1.50" in report.table([summary]).splitlines()[1]


class Paper(nn.Module):
    """A codec of the paper's shape that remembers what it was asked."""

    hop, channels = 4096, 64

    def __init__(self):
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))
        self.asked = []

    def encode(self, heard):
        self.asked.append(("encode", heard.shape[1]))
        return torch.ones(1, 64, heard.shape[1] // 4096)

    def decode(self, latents):
        self.asked.append(("decode", latents.shape[2]))
        return torch.zeros(1, latents.shape[2] * 4096)


def test_latency_times_both_sides(model_folder, band, tmp_path):
    chosen = settings(model_folder, band, tmp_path, "latency.steps=2", "latency.paper_cycles=1")
    step = Step(0.25, 1)
    paper = Paper()
    theirs = time_paper(paper, filler(PaperUNet(width=16, blocks=1).eval()), chosen, step)
    ours = time_live(load_model(model_folder), chosen, step)
    assert paper.asked == [("encode", 264_600), ("decode", 17)] * 2, "one warm-up, one timed"
    assert (len(theirs), len(ours)) == (1, 2)
    for timing in theirs + ours:
        parts = timing["encode_ms"] + timing["sample_ms"] + timing["decode_ms"]
        assert timing["cycle_ms"] == pytest.approx(parts) and min(timing.values()) > 0


def test_a_typo_is_one_line_with_the_nearest_key():
    done = subprocess.run([sys.executable, "evaluate.py", "trakcs=2"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.strip().splitlines() == ["error: trakcs: no such setting; did you mean tracks?"]


def test_help_opens_with_two_examples():
    done = subprocess.run([sys.executable, "evaluate.py", "--help"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0
    assert all(line.startswith("python evaluate.py") for line in done.stdout.splitlines()[:2])
