"""Training runs become a model folder, whole or not at all, and only when they belong together."""

import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from accomp.errors import UserError
from accomp.export import configuration, main
from accomp.model import load_model
from accomp.stream.rollout import rollout
from accomp.stream.streamer import Streamer
from accomp.timeline import Step

ROLES = ("codec", "teacher", "student", "tracker")


def export(caplog, out: Path, **runs: Path) -> tuple[int, str]:
    """The exit status of the command, and what it logged."""
    caplog.clear()
    with caplog.at_level(logging.INFO):
        code = main([str(out), *(word for role, run in runs.items() for word in (f"--{role}", str(run)))])
    return code, caplog.text


def changed(run: Path, to: Path, **module: object) -> Path:
    """A copy of a run with other settings of its module."""
    shutil.copytree(run, to)
    config = yaml.safe_load((to / "config.yaml").read_text())
    config["module"] |= module
    (to / "config.yaml").write_text(yaml.safe_dump(config))
    return to


def test_trained_runs_become_a_model_that_plays(trained_runs, tmp_path, caplog):
    code, told = export(caplog, tmp_path / "model", **trained_runs)
    assert code == 0, told
    model = load_model(tmp_path / "model")
    assert model.frames == 64 and model.config["sampler"] == "student_3" and "student_2_of_4" in model.config["samplers"]
    context = 0.1 * np.random.default_rng(0).standard_normal(3 * 44_100).astype(np.float32)
    for sampler in model.config["samplers"]:
        audio = rollout(Streamer(model, ("bass",), sampler=sampler), context, Step(0.1, 0)).audio
        assert np.isfinite(audio).all() and np.abs(audio).max() > 0


def test_the_card_says_how_every_part_was_trained(trained_runs, tmp_path, caplog):
    assert export(caplog, tmp_path / "model", **trained_runs)[0] == 0
    card = (tmp_path / "model/README.md").read_text()
    rows = {line.split("|")[1].strip(): line for line in card.splitlines() if line.startswith("| ")}
    for role, run in trained_runs.items():
        code = (run / "config.yaml").read_text().splitlines()[0].removeprefix("# code: ")
        assert f"| {code} |" in rows[role] and "| 3 |" in rows[role] and "`python train.py " in rows[role]
    assert f"--student {trained_runs['student']}" in card and "| band" in rows["teacher"]


def test_a_part_of_another_model_is_said_to_be_copied(trained_runs, tmp_path, caplog):
    runs = {role: trained_runs[role] for role in ("codec", "teacher")}
    assert export(caplog, tmp_path / "first", **runs)[0] == 0
    assert export(caplog, tmp_path / "second", **runs | {"codec": tmp_path / "first"})[0] == 0
    assert f"copied from the model {tmp_path / 'first'}" in (tmp_path / "second/README.md").read_text()
    for name in ("codec", "teacher"):
        first, second = ((tmp_path / which / f"{name}.safetensors").read_bytes() for which in ("first", "second"))
        assert first == second


def test_codec_and_tracker_of_a_model_folder_can_be_used_again(trained_runs, model_folder, tmp_path, caplog):
    assert export(caplog, tmp_path / "first", **trained_runs)[0] == 0
    again = trained_runs | {"codec": tmp_path / "first", "tracker": tmp_path / "first"}
    code, told = export(caplog, tmp_path / "second", **again)
    assert code == 0, told
    first, second = (load_model(tmp_path / name) for name in ("first", "second"))
    assert all((a == b).all() for a, b in zip(first.tracker.parameters(), second.tracker.parameters(), strict=True))
    code, told = export(caplog, tmp_path / "third", **trained_runs | {"tracker": model_folder})
    assert code == 2 and "another codec's latents" in told and not (tmp_path / "third").exists()


def test_a_folder_holds_the_parts_that_were_given_and_is_never_replaced(trained_runs, tmp_path, caplog):
    assert export(caplog, tmp_path / "model", codec=trained_runs["codec"], teacher=trained_runs["teacher"])[0] == 0
    names = {path.name for path in (tmp_path / "model").iterdir()}
    assert names == {"config.yaml", "README.md", "codec.safetensors", "teacher.safetensors"}
    assert set(load_model(tmp_path / "model").config["samplers"]) == {"teacher_4", "teacher_8", "teacher_16"}
    code, told = export(caplog, tmp_path / "model", **trained_runs)
    assert code == 2 and "exists already" in told and not (tmp_path / "model/student.safetensors").exists()


def test_a_teacher_that_always_had_its_condition_is_neither_guided_nor_asked(trained_runs, tmp_path):
    conditioner = yaml.safe_load((trained_runs["teacher"] / "config.yaml").read_text())["module"]["conditioner"]
    teacher = changed(trained_runs["teacher"], tmp_path / "t", conditioner=conditioner | {"cond_dropout": 0.0})
    samplers = configuration(trained_runs | {"teacher": teacher})["samplers"]
    assert {"teacher_4", "student_2"} <= samplers.keys() and "student_2_of_4" not in samplers
    assert not any({"guidance", "candidates"} & values.keys() for values in samplers.values())


@pytest.mark.parametrize(
    ("role", "given", "message"),
    [
        ("teacher", "tracker", "give it as --tracker"),
        ("teacher", "codec", "give it as --codec"),
        ("teacher", "student", "give it as --student"),
        ("student", "teacher", "give it as --teacher"),
        ("tracker", "student", "give it as --student"),
        ("codec", "teacher", "give it as --teacher"),
    ],
)
def test_a_run_in_the_wrong_role_is_named(trained_runs, role, given, message, tmp_path, caplog):
    refused(caplog, tmp_path, message, trained_runs | {role: trained_runs[given]})


def test_parts_that_do_not_belong_together_are_refused(trained_runs, model_folder, tmp_path, caplog):
    """Another codec than that of the latents; a student of another teacher; a teacher of another size."""
    other = shutil.copytree(trained_runs["teacher"], tmp_path / "other")
    wider = yaml.safe_load((other / "config.yaml").read_text())["module"]["net"] | {"width": 32}
    cases = [
        (trained_runs | {"codec": model_folder}, "was trained on latents of codec"),
        (trained_runs | {"teacher": other}, f"was distilled from {trained_runs['teacher']}"),
        ({"codec": trained_runs["codec"], "teacher": changed(other, tmp_path / "wide", net=wider)}, "another size"),
    ]
    for runs, message in cases:
        refused(caplog, tmp_path, message, runs)


@pytest.mark.parametrize(
    ("module", "command"),
    [
        ({"net": {}, "codec": {}, "conditioner": {}}, "python -m accomp.export MODEL --paper {run}"),
        ({"teacher": "x", "objective": {}}, "python -m accomp.export MODEL --paper {run}"),
        ({"net": {}, "shortest_shift_s": 0.1}, "python -m accomp.export MODEL --coherence {run}"),
    ],
)
def test_runs_of_other_kinds_are_refused_with_their_command(trained_runs, module, command, tmp_path, caplog):
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.yaml").write_text(yaml.safe_dump({"module": module}))
    refused(caplog, tmp_path, command.format(run=run), trained_runs | {"teacher": run})
    with pytest.raises(UserError) as error:
        load_model(run)
    assert command.format(run=run) in str(error.value)


@pytest.mark.parametrize("role", ROLES)
def test_a_run_played_as_a_model_says_which_command_makes_one_of_it(trained_runs, role):
    with pytest.raises(UserError) as error:
        load_model(trained_runs[role])
    text = str(error.value)
    assert "a training run" in text and f"--{role} {trained_runs[role]}" in text and "\n" not in text
    if role == "student":
        assert f"--teacher {trained_runs['teacher']}" in text


@pytest.mark.parametrize("name", ["notes.txt", "config.yaml"])
def test_a_folder_that_is_no_model_is_not_replaced(trained_runs, name, tmp_path, caplog):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / name).write_text("mine")
    code, told = export(caplog, tmp_path / "model", codec=trained_runs["codec"], teacher=trained_runs["teacher"])
    assert code == 2 and "exists already" in told
    assert [path.read_text() for path in (tmp_path / "model").iterdir()] == ["mine"]


def refused(caplog, tmp_path: Path, message: str, runs: dict[str, Path]) -> None:
    """The command says why in one line, and leaves nothing behind."""
    out = tmp_path / "new" / "model"
    code, told = export(caplog, out, **runs)
    assert code == 2 and message in told, told
    assert [record.levelname for record in caplog.records].count("ERROR") == 1
    assert "\n" not in caplog.records[-1].getMessage() and not out.exists()
