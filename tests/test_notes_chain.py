"""From songs to a model that plays notes by a plan, in the steps in which the shipped weights are trained."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from accomp.beat.chords import BeatChords
from accomp.beat.grid import BeatGrid
from accomp.data.latents import main as encode
from accomp.evaluation.rollouts import BatchItem, play
from accomp.export import main as export
from accomp.model import load_model
from accomp.timeline import Step
from tests import processes
from tests.tiny_model import clicks

CODEC = {"width": 16, "latent_width": 16, "decoder_blocks": 1, "transcriber_width": 2, "transcriber_memory": 8}
NET = {"width": 32, "layers": 1, "heads": 2, "key_features": 2}


@pytest.fixture(scope="module")
def folder(small_band, tmp_path_factory) -> Path:
    """The model folder at the end of the chain, each run trained for two steps."""
    out = tmp_path_factory.mktemp("notes")
    small = ("data.batch_size=2", "data.validation_items=2", "data.epoch_items=4", "data.workers=0", "steps=2")
    latents = (f"data.latents={out}/latents", "data.sets=[band]", "data.frames=64")

    def train(name: str, *settings: str) -> Path:
        assert processes.train(out / name, f"experiment={name}", *small, *settings) == [0], processes.said(out / name)
        return out / name

    audio = (f"data.root={small_band}", "data.samples=32768", *(f"module.codec.{k}={v}" for k, v in CODEC.items()))
    transcriber = train("transcriber", *audio)
    codec = train("notes", *audio, f"module.start={transcriber}", "callbacks.audio=null")
    assert encode(["--data", str(small_band), "--codec", str(transcriber), "--out", f"{out}/latents"]) == 0
    no_play = "callbacks.play=null"
    planned = train("planned", *latents, *(f"module.net.{k}={v}" for k, v in NET.items()), no_play)
    student = train("student_matching", *latents, f"module.teacher={planned}", no_play)
    tracker = train("living_tracker", *latents, "module.tracker.width=16")
    runs = {"codec": codec, "teacher": planned, "student": student, "tracker": tracker}
    assert export([str(out / "model"), *(word for role, run in runs.items() for word in (f"--{role}", str(run)))]) == 0
    return out / "model"


def test_it_plays_by_its_own_plan_by_chords_and_without_a_plan(folder):
    model = load_model(folder)
    chord = BeatChords(np.array([0.0, 60.0]), np.array([0]), np.eye(12, dtype=bool)[:1], ("C",))
    context = {stem: clicks(4)[0] for stem in ("bass", "piano")}
    grid = BeatGrid(np.arange(9) * 0.5, np.arange(0, 9, 4) * 0.5)
    song = SimpleNamespace(name="Track00001", start=0, context=context, grid=grid, chords=chord)
    items = [BatchItem(song, stem, 0) for stem in context]
    heard = [
        play(model, items, Step(0.125, 1), 0, model.config["sampler"], clock, "live").audio for clock in ("chart", "metronome")
    ]
    assert all(
        audio.shape == (2, len(clicks(4)[0])) and np.isfinite(audio).all() and np.abs(audio).max() > 0 for audio in heard
    )
    assert not np.allclose(*heard)


def test_the_encoder_is_the_transcriber_that_made_the_latents(folder):
    codec = load_model(folder).codec
    run = torch.load(folder.parent / "transcriber/checkpoints/last.ckpt", weights_only=True)["state_dict"]
    trained = {name.split("codec.")[-1]: value for name, value in run.items()}
    for name, value in codec.latent_weights().items():
        torch.testing.assert_close(value, trained[name], atol=2e-3, rtol=2e-3)  # kept in half precision
