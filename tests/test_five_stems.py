"""A fifth class of instruments, from the files to the music: data of another layout, training, export, evaluation."""

import csv

import numpy as np
import processes
import pytest
import soundfile

from accomp.compose import compose
from accomp.data.latents import main as encode
from accomp.errors import UserError
from accomp.evaluation import scores
from accomp.evaluation.settings import read
from accomp.export import main as export
from accomp.model import load_model
from accomp.stream.streamer import Streamer

STEMS = ["bass", "drums", "guitar", "piano", "strings"]
NET = ("channels=8", "width=16", "layers=1", "heads=2", "keys=0", "plan=42")
CLASSES = f"data.stems=[{','.join(STEMS)}]"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root, rng = tmp_path_factory.mktemp("five") / "five", np.random.default_rng(0)
    for song in ("train/a", "train/b", "validation/c", "test/d", "test/e"):
        (root / song).mkdir(parents=True)
        for stem in STEMS:
            soundfile.write(root / song / f"{stem}.wav", 0.1 * rng.standard_normal((6 * 44_100, 2)), 44_100)
    return root


@pytest.mark.slow
def test_a_fifth_stem_trains_and_plays(root, model_folder, tmp_path):
    latents = ["--data", str(root), "--codec", str(model_folder), "--out", str(tmp_path / "latents")]
    assert (
        encode([*latents, "--stems", *STEMS, "--shard", "0/2"]) == encode([*latents, "--stems", *STEMS, "--shard", "1/2"]) == 0
    )
    data = [f"data.root={root}", f"data.latents={tmp_path}/latents", "data.frames=64", "data.batch_size=2", CLASSES]
    data += ["data.validation_items=2", "data.epoch_items=4", "data.workers=0", "steps=3", "experiment=planned"]
    net = [f"module.net.{value}" for value in NET]
    ended = processes.train(tmp_path / "four", *data, *net)
    assert ended != [0] and "module.net.stems=5" in processes.said(tmp_path / "four")
    assert processes.train(tmp_path / "run", *data, *net, "module.net.stems=5") == [0], processes.said(tmp_path / "run")
    parts = ["--codec", str(model_folder), "--teacher", str(tmp_path / "run")]
    assert export([str(tmp_path / "five"), *parts]) == 0
    model = load_model(tmp_path / "five")
    assert model.stems == tuple(STEMS)
    streamer = Streamer(model, ["strings"])
    streamer.push(0, np.zeros(44_100, np.float32))
    assert streamer.step(44_100, 22_050, 0).audio.shape == (1, 22_050)
    with pytest.raises(UserError, match="cannot play flute; it plays bass, drums"):
        Streamer(model, ["flute"])
    asked = [
        f"model={tmp_path}/five",
        f"data.root={root}",
        "stems=[strings]",  # the model says what the data holds
        "seconds=3",
        "seeds=[0]",
        "clock=model",
    ]
    asked += [f"out_dir={tmp_path}/out", "workers=1", "metrics=[levels]", "do=[play,score]"]
    scores.run(read(compose("evaluate", asked)))
    with (tmp_path / "out" / "scores.csv").open() as file:
        assert {line["stem"] for line in csv.DictReader(file)} == {"strings"}
