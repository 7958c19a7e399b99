"""A search shared by workers: what it asks, what it remembers, and who goes on when a worker dies."""

import os
import signal
from pathlib import Path

import optuna
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState
from processes import ended, forked

from accomp import tune
from accomp.compose import quoted
from accomp.errors import UserError
from accomp.trials import write_status

RANGE = "x=interval(0.0,1.0)"


@pytest.fixture
def unchecked(monkeypatch) -> None:
    """No training that only looks whether the objective exists."""
    monkeypatch.setattr(tune, "check_objective", lambda *_: None)


def study_of(folder: Path) -> optuna.Study:
    storage = JournalStorage(JournalFileBackend(str(folder / "journal.log")))
    return optuna.load_study(study_name="accomp", storage=storage)


def test_ranges_are_written_in_hydras_grammar():
    fixed, free = tune.space(
        ["steps=5", "a.b=tag(log,interval(1e-4,1e-2))", "n=choice(4,6)", "k=range(8,33,8)", "whole=int(interval(1,9))"]
    )
    assert fixed == ["steps=5"]
    assert free == {
        "a.b": FloatDistribution(1e-4, 1e-2, log=True),
        "n": CategoricalDistribution(["4", "6"]),
        "k": IntDistribution(8, 32, step=8),
        "whole": IntDistribution(1, 9),
    }


@pytest.mark.parametrize("overrides", [["steps=5"], ["a=range(0.1,0.5,0.1)"], ["a=interval(1"], ["a=glob(*)"]])
def test_what_cannot_be_searched_is_one_clear_line(overrides, tmp_path):
    with pytest.raises(UserError):
        tune.space(overrides)
    assert tune.main([str(tmp_path / "search"), "--trials", "1", *overrides]) == 2


def test_a_search_finds_low_ground_and_outlives_failures(unchecked, tmp_path, monkeypatch):
    def train(run, overrides, objective, watch):
        x = float(overrides[-1].removeprefix("x="))
        if x > 0.9:
            raise UserError("too hot")
        return (x - 0.3) ** 2

    monkeypatch.setattr(tune, "train", train)
    assert tune.main([str(tmp_path), "--trials", "30", RANGE]) == 0
    study = study_of(tmp_path)
    assert len(study.trials) == 30 and abs(study.best_params["x"] - 0.3) < 0.1
    assert tune.main([str(tmp_path), "--trials", "30", RANGE]) == 0
    assert len(study_of(tmp_path).trials) == 30, "it had them all"


def test_a_search_without_a_single_success_has_failed(unchecked, tmp_path, monkeypatch, caplog):
    def train(run, overrides, objective, watch):
        raise UserError("too hot")

    monkeypatch.setattr(tune, "train", train)
    assert tune.main([str(tmp_path), "--trials", "2", RANGE]) == 2
    assert "all 2 trials failed" in caplog.text


def test_a_dead_workers_trial_is_taken_up_in_its_folder(unchecked, tmp_path, monkeypatch):
    def die(run, overrides, objective, watch):
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(tune, "train", die)
    worker = forked(lambda: tune.main([str(tmp_path), "--trials", "2", RANGE]), tmp_path / "log")
    assert ended(worker) == -signal.SIGKILL
    seen = []

    def train(run, overrides, objective, watch):
        seen.append((run.name, overrides[-1]))
        return 1.0

    monkeypatch.setattr(tune, "train", train)
    assert tune.main([str(tmp_path), "--trials", "2", RANGE]) == 0
    dead, *others = study_of(tmp_path).trials
    assert dead.state == TrialState.FAIL and len(others) == 2
    assert seen[0] == ("0", f"x={dead.params['x']}") and others[0].params == dead.params
    assert all(trial.state == TrialState.COMPLETE for trial in others)


def test_workers_share_a_search(unchecked, tmp_path, monkeypatch):
    monkeypatch.setattr(tune, "train", lambda run, overrides, objective, watch: float(overrides[-1].removeprefix("x=")))
    workers = [forked(lambda: tune.main([str(tmp_path), "--trials", "12", RANGE]), tmp_path / "log") for _ in range(3)]
    assert [ended(worker) for worker in workers] == [0, 0, 0], (tmp_path / "log").read_text()
    trials = study_of(tmp_path).trials
    assert len(trials) == 12 and all(trial.state == TrialState.COMPLETE for trial in trials)


@pytest.mark.parametrize("text", ["runs/a b", "Übung", 'a "b"', "it's", "a=b", "a,b", "[a]", "(1)"])
def test_any_folder_can_be_an_override(text):
    override = OverridesParser.create().parse_override(quoted("out_dir", text))
    assert override.key_or_group == "out_dir" and override.value() == text and not override.is_sweep_override()


def test_an_objective_that_no_training_logs_is_told_before_the_first_trial(tmp_path, monkeypatch, caplog):
    def finish(run, overrides, watch=None):
        assert overrides == ["a=1", "x=0.0", "steps=1", "+trainer.limit_val_batches=1"]
        write_status(run, "done", figures={"val/loss": 1.0})
        return 0, {}

    (tmp_path / "check").mkdir()
    monkeypatch.setattr(tune, "finish", finish)
    monkeypatch.setattr(tune, "train", lambda run, overrides, objective, watch: 1.0)
    assert tune.main([str(tmp_path), "--trials", "1", "--objective", "val/los", "a=1", RANGE]) == 2
    assert "this training logs val/loss" in caplog.text and not study_of(tmp_path).trials
    assert tune.main([str(tmp_path), "--trials", "1", "a=1", RANGE]) == 0


def test_a_trial_that_falls_behind_is_ended_early(unchecked, tmp_path, monkeypatch):
    def train(run, overrides, objective, watch):
        number = len(seen)
        seen.append(number)
        (run / "csv" / "version_0").mkdir(parents=True)
        (run / "csv" / "version_0" / "metrics.csv").write_text(f"step,val/loss\n10,{number}\n")
        if not watch(run):
            raise optuna.TrialPruned
        return float(number)

    seen: list[int] = []
    monkeypatch.setattr(tune, "train", train)
    assert tune.main([str(tmp_path), "--trials", "6", "--prune-after", "3", RANGE]) == 0
    states = [trial.state for trial in study_of(tmp_path).trials]
    assert states == [TrialState.COMPLETE] * 3 + [TrialState.PRUNED] * 3


@pytest.mark.slow
def test_a_real_training_is_a_trial(tiny_training, tmp_path):
    folder = tmp_path / 'Suche nach "Übung" = 1'  # the grammar of overrides knows these characters
    arguments = [
        *tiny_training,
        "steps=2",
        "callbacks.progress=null",
        "module.learning_rate=tag(log,interval(1e-4,1e-2))",
    ]
    assert tune.main([str(folder), "--trials", "2", *arguments]) == 0
    assert len([trial for trial in study_of(folder).trials if trial.state == TrialState.COMPLETE]) == 2
