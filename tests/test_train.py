"""train.py: what it leaves behind, its configurations, and what it says about a wrong command line."""

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


def test_runs_leave_their_figures_and_settings(trained_runs):
    for run in trained_runs.values():
        assert (run / "csv/version_0/metrics.csv").read_text().count("\n") > 1
        assert yaml.safe_load((run / "config.yaml").read_text())["steps"] == 3


def test_an_interrupted_run_ends_with_the_weights_of_an_undisturbed_one(tiny_training, tmp_path):
    common = [*tiny_training, "steps=6", "data.epoch_items=4", "callbacks.checkpoint.every_n_steps=1"]
    inside_the_second_epoch = "trainer.max_steps=3"
    for name, more in (("whole", []), ("parts", [inside_the_second_epoch]), ("parts", [])):
        assert processes.train(tmp_path / name, *common, *more) == [0], said(tmp_path / name)
    one, two = processes.state(tmp_path / "whole"), processes.state(tmp_path / "parts")
    assert one["global_step"] == two["global_step"] == 6
    for name, value in one["current_model_state"].items():
        assert torch.equal(value, two["current_model_state"][name]), name


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["experiment=autoencodr"], "experiment=autoencodr: no such option; did you mean experiment=autoencoder"),
        (["modul.steps=3"], "module"),
        (["data.root=nowhere"], "nowhere"),
        (["experiment=planned", "data.latents=nowhere"], "no latents"),
        (["experiment=student_matching", "module.teacher=nowhere"], "nowhere"),
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
    if experiment.startswith(("notes", "student", "paper_")):
        pytest.skip("needs another run or weights of a codec; built elsewhere")
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
    config = compose("train", ["experiment=planned", option, "out_dir=unused"], with_hydra=True)
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
def test_every_experiment_and_sweep_has_an_output_folder_of_its_own(script):
    """`name` and `out_dir` decide the folder, so that every file must set one of them, to what no other has."""
    files = [CONF / f"{script}.yaml"]
    files += [path for group in ("experiment", "sweep") for path in (CONF / group / script).rglob("*.yaml")]
    settings = {path.stem: yaml.safe_load(path.read_text()) for path in files}
    folders = [one.get("out_dir", "").replace("${name}", "") + one["name"] for one in settings.values()]
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
    overrides = [override] if "experiment=" in override or script == "evaluate" else ["experiment=planned", override]
    with pytest.raises(HydraException) as error:
        compose(script, overrides)
    text = explain(error.value, script, overrides)
    assert message in text and "\n" not in text


@pytest.mark.parametrize("value", ["ü", "a=b", "a b"])
def test_a_value_that_is_quoted_as_told_is_taken_as_it_is(value):
    assert compose("train", [f'data.root="{value}"']).data.root == value
