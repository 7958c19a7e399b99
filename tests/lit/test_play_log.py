"""Validation that plays: what it scores, what it leaves behind, and what of it can be read back from Weights & Biases."""

import csv
import json
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import processes
import pytest

from accomp import audio
from accomp.beat.grid import BeatGrid
from accomp.lit.logging_audio import MELS, play_picture
from accomp.lit.play_log import beat_f1
from accomp.model import load_model
from accomp.timeline import Step

BEATS = np.arange(0.5, 8.5, 0.5)


@pytest.mark.parametrize(
    ("onsets", "expected"),
    [
        (BEATS, 1.0),
        (np.arange(0.5, 8.3, 0.25), 1.0),  # eighths between the beats are no mistake
        (BEATS + 0.12, 0.0),
        (BEATS[::2], 2 / 3),
        (np.sort(np.concatenate([BEATS, BEATS + 0.12])), 2 / 3),
        ([], 0.0),
    ],
)
def test_onsets_against_the_beats_of_the_score(onsets, expected):
    assert beat_f1(onsets, BEATS) == pytest.approx(expected, abs=0.02)


def test_without_beats_there_is_no_score():
    assert np.isnan(beat_f1([1.0], BEATS[:1]))


@pytest.mark.parametrize("plan", [None, np.eye(12, 20)])
def test_the_picture_has_the_live_edge_where_it_was(plan):
    noise = 0.1 * np.random.default_rng(0).standard_normal(6 * 44_100).astype(np.float32)
    step = Step(0.25, 1)
    picture = play_picture(noise, noise, BeatGrid(BEATS, BEATS[::4]), step, plan)
    assert picture.dtype == np.uint8 and picture.shape[0] == 2 * MELS + 8 + (0 if plan is None else 48)
    (edge,) = np.flatnonzero((picture == 255).all(0))
    assert edge / picture.shape[1] == pytest.approx(3.0 / 6.0, abs=0.01), "the last one whose answer begins in the excerpt"
    above = picture[:MELS]
    assert above[:, edge + 5 :].mean() < 0.6 * above[:, : edge - 5].mean(), "what was not heard is darker"
    beats = len(BEATS[BEATS < 6])
    assert (picture[MELS] == 255).sum() in (beats, beats + 1), "the edge may lie on a beat"


@pytest.fixture(scope="module")
def run(tiny_training, tmp_path_factory):
    """A run of eight steps that plays at every validation, logged to Weights & Biases on the disk alone."""
    out = tmp_path_factory.mktemp("plays")
    played = [word for word in tiny_training if word != "callbacks.play=null"]
    short = [
        "callbacks.play.seconds=4",
        "callbacks.play.excerpts=1",
        "play_every=4",
        "steps=8",
        "trainer.log_every_n_steps=2",
    ]
    best = ["callbacks=best_playing", "callbacks.best.monitor=play/level_difference_db_w0", "logger=wandb"]
    ended = processes.train(out, *played, *short, *best, WANDB_MODE="offline", WANDB_SILENT="true")
    assert ended == [0], processes.said(out)
    return out


@pytest.mark.slow
def test_every_figure_of_playing_and_of_speed_is_in_the_csv(run):
    (path,) = run.glob("csv/*/metrics.csv")
    lines = list(csv.DictReader(path.open(newline="")))
    for name in (
        "play/beat_f1_w1",
        "play/hnr_db_w-1",
        "play/level_difference_db_w0",
        "speed/excerpts_per_s",
        "speed/data_wait",
    ):
        assert [line for line in lines if line.get(name)], name
    assert len([line for line in lines if line.get("play/beat_f1_w1")]) == 2
    assert any(line.get("lr-AdamW") for line in lines)
    figures = json.loads((run / "status.json").read_text())["figures"]
    assert "val/loss" in figures


@pytest.mark.slow
def test_sounds_of_context_answer_and_mix_are_kept(run):
    folders = sorted(path.name for path in (run / "play").iterdir())
    assert folders == ["step0000004", "step0000008"]
    names = sorted(path.stem for path in (run / "play" / "step0000008").iterdir())
    stem = names[0].removeprefix("0_").removesuffix("_w-1")
    assert names == sorted(["0_context", *(f"0_{stem}_w{w}{kind}" for w in (-1, 0, 1) for kind in ("", "_mix"))])
    context, answer, mix = (
        audio.read(run / "play" / "step0000008" / f"{name}.wav") for name in ("0_context", f"0_{stem}_w0", f"0_{stem}_w0_mix")
    )
    np.testing.assert_allclose(mix, context + answer, atol=1e-3)


@pytest.mark.slow
def test_the_best_checkpoint_by_playing_lies_beside_the_last(run):
    assert {"best.ckpt", "last.ckpt"} <= {path.name for path in (run / "checkpoints").iterdir()}


def records(data: bytes) -> Iterator[bytes]:
    """The records of a file of W&B: after seven bytes, LevelDB's log in blocks of 32 kB."""
    place, record = 7, b""
    while place + 7 <= len(data):
        length, kind = struct.unpack_from("<HB", data, place + 4)
        if kind == 0:  # the rest of a block is empty
            place += -place % 32_768 or 32_768
            continue
        record += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # a whole record, or the last part of one
            yield record
            record = b""
        if 32_768 - place % 32_768 < 7:
            place += -place % 32_768


@pytest.mark.slow
def test_wandb_holds_sound_pictures_figures_configuration_and_the_model(run):
    """Read back from the file that `wandb sync` would send."""
    from wandb.proto import wandb_internal_pb2

    (file,) = run.glob("wandb/offline-run-*/*.wandb")
    history, artifacts, settings = {}, [], []
    for data in records(file.read_bytes()):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        history |= {item.key or "/".join(item.nested_key): item.value_json for item in record.history.item}
        settings += [item.key or "/".join(item.nested_key) for item in record.config.update]
        if record.HasField("artifact"):
            artifacts.append(record.artifact)
    for name, kind in (("audio", "audio"), ("spectrograms", "image"), ("scores", "table")):
        assert kind in history[f"play/{name}/_type"]
    assert "play/beat_f1_w1" in history and "speed/excerpts_per_s" in history
    assert any("module" in key for key in settings), "the run's configuration"
    (model,) = (artifact for artifact in artifacts if artifact.type == "model")
    manifest = model.manifest
    names = {entry.path for entry in manifest.contents} or set(
        json.loads(Path(manifest.manifest_file_path).read_text())["contents"]
    )
    assert {"config.yaml", "README.md", "codec.safetensors", "teacher.safetensors"} <= names


@pytest.mark.slow
def test_the_run_can_be_made_a_model_folder_by_hand(run, model_folder, tmp_path):
    from accomp.export import main as export

    assert export([str(tmp_path / "m"), "--codec", str(model_folder), "--teacher", str(run)]) == 0
    assert load_model(tmp_path / "m").config["sampler"].startswith("teacher")
