"""The whole way of a model: autoencoder, latents, diffusion, student, model folder, streamer; a few steps each."""

from pathlib import Path

import numpy as np
import processes
import pytest
import torch
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hydra.utils import instantiate
from lightning.pytorch.callbacks import Callback
from omegaconf import OmegaConf
from processes import said

from accomp.compose import CONF, compose, explain
from accomp.data.latents import main as encode
from accomp.export import main as gather
from accomp.model import load_model
from accomp.stream.rollout import rollout
from accomp.stream.streamer import Streamer
from accomp.timeline import Step

TINY_CODEC = ["width=16", "latent_width=24", "encoder_blocks=1", "decoder_blocks=1", "latent_blocks=1", "channels=8"]


def train(*arguments):
    """Train in `out_dir`, the last argument, in a process of its own."""
    *settings, place = map(str, arguments)
    out = Path(place.removeprefix("out_dir="))
    assert processes.train(out, "data.workers=0", *settings) == [0], said(out)


@pytest.fixture(scope="module")
def runs(small_band, tmp_path_factory):
    """Folders of an autoencoder, a diffusion model and a student, each trained for a few steps."""
    out = tmp_path_factory.mktemp("runs")
    data = [f"data.root={small_band}", "data.batch_size=2", "data.validation_items=2", "data.epoch_items=4"]
    codec = [f"module.codec.{value}" for value in TINY_CODEC]
    train("experiment=autoencoder", *data, *codec, "data.samples=16384", "steps=3", f"out_dir={out}/codec")
    latents = out / "latents"
    assert encode(["--data", str(small_band), "--codec", str(out / "codec"), "--out", str(latents)]) == 0
    data += [f"data.latents={latents}", "data.frames=64"]
    net = ["net.channels=8", "net.width=16", "net.layers=1", "net.heads=2"]
    train("experiment=diffusion", *data, *(f"module.{v}" for v in net), "steps=3", f"out_dir={out}/diffusion")
    train("experiment=student", *data, f"module.teacher={out}/diffusion", "steps=3", f"out_dir={out}/student")
    train("experiment=tracker", *data, "module.tracker.channels=8", "steps=3", f"out_dir={out}/tracker")
    return out, data


def test_trained_runs_become_a_model_that_plays(runs):
    out, _ = runs
    sources = ["--codec", out / "codec", "--teacher", out / "diffusion", "--student", out / "student"]
    assert gather([str(a) for a in (out / "model", *sources, "--tracker", out / "tracker")]) == 0
    model = load_model(out / "model")
    assert model.frames == 64 and model.config["sampler"] == "student_2"
    context = 0.1 * np.random.default_rng(0).standard_normal(3 * 44_100).astype(np.float32)
    for sampler in model.config["samplers"]:
        audio = rollout(Streamer(model, ("bass",), sampler=sampler), context, Step(0.1, 0)).audio
        assert np.isfinite(audio).all() and np.abs(audio).max() > 0
    for run in ("codec", "diffusion", "student", "tracker"):
        assert (out / run / "csv/version_0/metrics.csv").read_text().count("\n") > 1
        assert yaml.safe_load((out / run / "config.yaml").read_text())["steps"] == 3


def test_an_interrupted_run_ends_with_the_weights_of_an_undisturbed_one(runs):
    out, data = runs
    net = [f"module.net.{v}" for v in ("channels=8", "width=16", "layers=1", "heads=2")]
    common = ["experiment=diffusion", *data, *net, "steps=6", "callbacks.checkpoint.every_n_steps=1"]
    train(*common, f"out_dir={out}/whole")
    train(*common, "trainer.max_steps=3", f"out_dir={out}/parts")  # inside the second epoch
    train(*common, f"out_dir={out}/parts")
    one, two = (torch.load(out / run / "checkpoints/last.ckpt", weights_only=True) for run in ("whole", "parts"))
    assert one["global_step"] == two["global_step"] == 6
    for name, value in one["current_model_state"].items():
        assert torch.equal(value, two["current_model_state"][name]), name


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["experiment=autoencodr"], "experiment=autoencodr: no such option; did you mean experiment=autoencoder"),
        (["modul.steps=3"], "module"),
        (["data.root=nowhere"], "nowhere"),
        (["experiment=diffusion", "data.latents=nowhere"], "no latents"),
        (["experiment=student", "module.teacher=nowhere"], "nowhere"),
    ],
)
def test_a_mistake_is_one_clear_line(tmp_path, arguments, message):
    assert processes.train(tmp_path, *arguments) == [2]
    text = said(tmp_path)
    assert text.strip().splitlines()[-1].startswith("error: ") and message in text
    assert "Traceback" not in text


@pytest.mark.parametrize(
    "experiment",
    sorted(path.stem for path in (CONF / "experiment/train").glob("*.yaml")),
)
def test_every_training_configuration_builds(experiment, monkeypatch):
    if experiment.startswith(("student", "paper_")):
        pytest.skip("needs a teacher's run or the codec's weights; built elsewhere")
    config = compose("train", [f"experiment={experiment}", "trainer.accelerator=cpu", "out_dir=unused"])
    instantiate(config.module, _convert_="all")
    instantiate(config.data, _convert_="all")


OPTIONS = [
    f"{group}={path.stem}"
    for group in ("trainer", "logger", "callbacks", "launcher", "data", "net@module.net")
    for path in sorted((CONF / group.partition("@")[0]).glob("*.yaml"))
]


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_composes(option):
    """And what is no module, data set or trainer (these need a GPU or files) is made."""
    config = compose("train", ["experiment=diffusion", option, "out_dir=unused"], with_hydra=True)
    OmegaConf.to_container(config.hydra.launcher, resolve=False)
    for node in filter(None, config.callbacks.values()):
        assert isinstance(instantiate(node, _convert_="all"), Callback)


@pytest.mark.parametrize("path", sorted((CONF / "sweep").glob("*/*.yaml")), ids=lambda path: path.stem)
def test_every_sweep_varies_what_there_is(path):
    command = path.read_text().splitlines()[1].split()  # `# python train.py experiment=... sweep=... launcher=slurm`
    root, sweep = command[2].removesuffix(".py"), [word for word in command[3:] if "=" in word]
    assert root == path.parent.name
    config = compose(root, sweep, with_hydra=True)
    assert config.hydra.mode.name == "MULTIRUN" and config.hydra.sweep.dir.endswith(path.stem)
    params = [f"{key}={value}" for key, value in config.hydra.sweeper.params.items()]
    for override in OverridesParser.create().parse_overrides(params):
        for value in override.sweep_string_iterator():
            compose(root, [*sweep, f"{override.get_key_element()}={value}"])


EXPERIMENTS = {
    script: sorted(str(path.relative_to(folder).with_suffix("")) for path in folder.rglob("*.yaml"))
    for script in ("train", "evaluate")
    for folder in [CONF / "experiment" / script]
}


@pytest.mark.parametrize("script", EXPERIMENTS)
def test_every_experiment_has_an_output_folder_of_its_own(script):
    """The sweeps too: no two commands of the documents write into one folder."""
    commands = [[f"experiment={name}"] for name in EXPERIMENTS[script]] + [[]]
    commands += [[f"sweep={path.stem}"] for path in (CONF / "sweep" / script).glob("*.yaml")]
    folders = [compose(script, command).out_dir for command in commands]
    assert len(set(folders)) == len(folders), folders


@pytest.mark.parametrize(("script", "other"), [("train", "evaluate"), ("evaluate", "train")])
def test_an_experiment_of_the_other_script_is_refused_with_its_command(script, other):
    for name in EXPERIMENTS[other]:
        with pytest.raises(HydraException) as error:
            compose(script, [f"experiment={name}"])
        assert f"python {other}.py experiment={name}" in explain(error.value, script)


@pytest.mark.parametrize(
    ("script", "override", "message"),
    [
        ("evaluate", "seed=1", "seed: no such setting; did you mean seeds or latency.seed?"),
        ("train", "batch_size=4", "did you mean data.batch_size?"),
        (
            "train",
            "module.objective.nois_mean=1",
            "did you mean module.objective.noise_mean?",
        ),  # of the experiment that was chosen
        ("train", "trainer=gpuu", "did you mean trainer=gpu?"),
        ("train", "experiment=coherense", "did you mean experiment=coherence?"),
        ("train", "data.root=ü", """'data.root="ü"'"""),
        ("train", "data.root=a=b", """'data.root="a=b"'"""),
        ("train", "steps", "name=value"),
    ],
)
def test_a_command_line_that_means_nothing_is_explained_in_one_line(script, override, message):
    overrides = [override] if "experiment=" in override or script == "evaluate" else ["experiment=diffusion", override]
    with pytest.raises(HydraException) as error:
        compose(script, overrides)
    text = explain(error.value, script, overrides)
    assert message in text and "\n" not in text


@pytest.mark.parametrize("value", ["ü", "a=b", "a b"])
def test_a_value_that_is_quoted_as_told_is_taken_as_it_is(value):
    assert compose("train", [f'data.root="{value}"']).data.root == value
