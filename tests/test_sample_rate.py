"""Another sample rate than 44.1 kHz holds for a whole process; what has a different one is refused, in one line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from processes import free_port

ROOT = Path(__file__).parent.parent
RATE = 16_000


def run(*words: str, rate: object = RATE, fails: bool = False) -> str:
    """What a Python process at this rate says; fails unless it ends as it should."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "ACCOMP_SAMPLE_RATE": str(rate)}
    done = subprocess.run([sys.executable, *words], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (done.returncode != 0) == fails, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_seconds_keep_their_meaning():
    code = "from accomp.timeline import *; s = Step(); print(SAMPLE_RATE, WINDOW, s.samples, s.seconds, s.visibility_s)"
    assert run("-c", code).split() == ["16000", "96000", "24000", "1.5", "-1.5"]
    assert run("-c", code, rate=44_100).split() == ["44100", "264600", "66150", "1.5", "-1.5"]


@pytest.mark.parametrize("rate", ["", "16k", "-16000", "0"])
def test_what_is_no_sample_rate_is_one_line(rate):
    said = run("-c", "import accomp.timeline", rate=rate, fails=True)
    assert said.startswith(f"error: ACCOMP_SAMPLE_RATE={rate}: ") and len(said.splitlines()) == 1


def test_sound_and_models_of_another_rate_are_refused(small_band, model_folder):
    code = f"""
from accomp.data.datamodule import SlakhDataModule
from accomp.data.slakh import find_tracks
from accomp.errors import UserError
from accomp.model import load_model
from accomp.server.client import Client
from accomp.server.output_buffers import Setup
for attempt in (
    lambda: find_tracks({str(small_band)!r}),
    lambda: load_model({str(model_folder)!r}),
    lambda: SlakhDataModule({str(small_band)!r}, 2, samples=4096, sample_rate=44100),
    lambda: Client({{"context": [0.0]}}, Setup(("bass",))),
):
    try:
        attempt()
    except UserError as error:
        print(error)
"""
    found, model, data, client = run("-c", code).splitlines()[:4]
    assert "expected 16000 Hz, found 44100 Hz" in found
    for said in (model, data, client):
        assert "is of 44100 Hz and this process of 16000 Hz: set ACCOMP_SAMPLE_RATE=44100" in said


def test_the_server_plays_at_the_rate_of_its_clients(model_folder):
    said = run("serve.py", "--model", str(model_folder), fails=True)
    assert said.startswith("error: what clients send is of 44100 Hz") and len(said.splitlines()) == 1


@pytest.mark.slow
def test_a_model_of_another_rate_trains_is_exported_and_is_scored(tmp_path):
    band, latents = tmp_path / "band", tmp_path / "latents"
    run("-m", "accomp.data.band", "compose", f"--out={band}", "--tracks=11", "--seconds=8", "--jobs=1")
    data = [f"data.root={band}", "data.workers=0", "data.batch_size=2", "data.epoch_items=4", "data.validation_items=2"]
    small = ["width=16", "latent_width=24", "encoder_blocks=1", "decoder_blocks=1", "latent_blocks=1", "channels=8"]
    codec = [f"module.codec.{value}" for value in small]
    run("train.py", "experiment=autoencoder", *data, *codec, "steps=2", f"out_dir={tmp_path}/codec")
    run("-m", "accomp.data.latents", f"--data={band}", f"--codec={tmp_path}/codec", f"--out={latents}")
    (note,) = latents.glob("*/codec.json")
    assert json.loads(note.read_text())["sample_rate"] == RATE
    net = [f"module.net.{value}" for value in ("channels=8", "width=16", "layers=1", "heads=2", "keys=0", "plan=42")]
    teacher = ["experiment=planned", *data, *net, f"data.latents={latents}", "data.frames=32", "steps=2"]
    run("train.py", *teacher, f"out_dir={tmp_path}/teacher")
    refused = run("train.py", *teacher, f"out_dir={tmp_path}/other", rate=44_100, fails=True)
    assert "of 16000 Hz and this process of 44100 Hz" in refused
    runs = ["--codec", f"{tmp_path}/codec", "--teacher", f"{tmp_path}/teacher"]
    run("-m", "accomp.export", f"{tmp_path}/model", *runs)
    assert yaml.safe_load((tmp_path / "model" / "config.yaml").read_text())["sample_rate"] == RATE
    asked = [f"model={tmp_path}/model", f"data.root={band}", "stems=[bass]", "seconds=4", "clock=score", "workers=1"]
    asked += ["metrics=[harmony,levels]", "do=[play,score]", "seeds=[0]", f"out_dir={tmp_path}/out"]
    run("evaluate.py", *asked)
    assert (tmp_path / "out" / "scores.csv").is_file()
    ports = [f"--serverport={free_port()}", f"--clientport={free_port()}"]
    said = run("serve.py", "--model", f"{tmp_path}/model", *ports, rate=44_100, fails=True)
    assert "serve.py plays 44100 Hz only" in said
