"""Runs that survive: whatever stops a training, the same command ends with the weights of an undisturbed one."""

import signal
from pathlib import Path

import pytest
from processes import assert_equal_weights, said, state, train

STEPS, EVERY, KILLED_IN = 7, 2, 6  # epochs are of 4 steps; checkpoints are 2 steps apart


@pytest.fixture(scope="module")
def settings(tiny_training) -> list[str]:
    return [*tiny_training, f"steps={STEPS}", f"callbacks.checkpoint.every_n_steps={EVERY}"]


@pytest.fixture(scope="module")
def stopped(settings, tmp_path_factory) -> tuple[list[str], Path]:
    """The settings and folder of a run that was stopped in its third step."""
    run = tmp_path_factory.mktemp("stopped")
    assert train(run, *settings, stop_with(signal.SIGTERM, 3)) == [143], said(run)
    return settings, run


def stop_with(number: int, step: int, rank: int | None = None) -> str:
    where = "null" if rank is None else rank
    return f"+callbacks.stop={{_target_: processes.SignalAt, step: {step}, number: {int(number)}, rank: {where}}}"


@pytest.mark.parametrize(
    ("ranks", "workers"),
    [(1, 0), (2, 2), pytest.param(1, 2, marks=pytest.mark.slow), pytest.param(2, 0, marks=pytest.mark.slow)],
)
def test_a_killed_run_ends_with_the_weights_of_an_undisturbed_one(settings, tmp_path, ranks, workers):
    common = [*settings, f"data.workers={workers}", f"data.epoch_items={8 * ranks}", f"devices={ranks}"]
    common += ["trainer=ddp", "trainer.accelerator=cpu", "gpus=0"] * (ranks > 1)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert train(whole, *common, ranks=ranks) == [0] * ranks, said(whole)
    killed = train(parts, *common, stop_with(signal.SIGKILL, KILLED_IN), ranks=ranks)
    assert killed == [-signal.SIGKILL] * ranks, said(parts)
    assert state(parts)["global_step"] == 4, "of the second epoch's first step there is no checkpoint"
    assert train(parts, *common, ranks=ranks) == [0] * ranks, said(parts)
    assert "resuming" in said(parts)
    assert_equal_weights(whole, parts)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGUSR1, 138)])
def test_a_signal_saves_after_the_step_and_exits_with_its_number(settings, tmp_path, number, status):
    assert train(tmp_path, *settings, stop_with(number, 3)) == [status], said(tmp_path)
    assert state(tmp_path)["global_step"] == 3
    assert train(tmp_path, *settings) == [0], said(tmp_path)
    assert state(tmp_path)["global_step"] == STEPS


def test_a_signal_to_one_rank_stops_all_of_them_at_the_same_step(settings, tmp_path):
    common = [*settings, "data.epoch_items=16", "devices=2", "trainer=ddp", "trainer.accelerator=cpu", "gpus=0"]
    assert train(tmp_path, *common, stop_with(signal.SIGTERM, 3, rank=1), ranks=2) == [143, 143], said(tmp_path)
    assert state(tmp_path)["global_step"] == 3


def test_broken_gradients_are_left_out_and_too_many_of_them_end_the_run(settings, tmp_path):
    once = "+callbacks.poison={_target_: processes.PoisonAt, steps: [2, 3]}"
    assert train(tmp_path / "once", *settings, once) == [0], said(tmp_path / "once")
    assert all(value.isfinite().all() for value in state(tmp_path / "once")["state_dict"].values())
    assert "step 1 left out" in said(tmp_path / "once")
    always = "+callbacks.poison={_target_: processes.PoisonAt, steps: [3, 4, 5, 6, 7]}"
    run = train(tmp_path / "always", *settings, always, "+callbacks.guard.patience=3")
    assert run == [2] and "learning_rate" in said(tmp_path / "always")
    assert state(tmp_path / "always")["global_step"] == 4, "the last whole checkpoint before the third broken step"


def test_a_damaged_checkpoint_gives_way_to_the_one_before_it(settings, tmp_path):
    assert train(tmp_path / "whole", *settings) == [0]
    run = tmp_path / "parts"
    assert train(run, *settings, stop_with(signal.SIGTERM, 5)) == [143], said(run)
    last = run / "checkpoints/last.ckpt"
    last.write_bytes(last.read_bytes()[:-1000])
    assert train(run, *settings) == [0], said(run)
    assert "cannot be read" in said(run) and "step 4" in said(run)
    assert_equal_weights(tmp_path / "whole", run)


def test_other_settings_do_not_continue_a_run(settings, tmp_path):
    assert train(tmp_path, *settings) == [0], said(tmp_path)
    assert train(tmp_path, *settings) == [0] and "trained already" in said(tmp_path)
    assert train(tmp_path, *settings, "module.learning_rate=0.5") == [2]
    assert "holds a run with module.learning_rate=0.001, not 0.5" in said(tmp_path)


@pytest.mark.parametrize(
    ("changed", "kept"),
    [
        ("data.batch_size=3", "data.batch_size=2"),
        ("data.frames=32", "data.frames=64"),
        ("data.epoch_items=6", "data.epoch_items=8"),
        ("data.recipe.submix=0", "data.recipe.submix=0.5"),
        ("data.sets=[band]", "data.sets=None"),
        ("data.latents=elsewhere/other", "data.latents="),
    ],
)
def test_other_data_does_not_continue_a_run(stopped, changed, kept):
    """Its order would shift without a word."""
    settings, run = stopped
    assert train(run, *settings, changed) == [2]
    last = said(run).strip().splitlines()[-1]
    assert last.startswith("error: ") and f"holds a run with {kept}" in last and "choose another name=" in last


def test_the_same_data_in_another_place_continues_a_run(stopped, tmp_path):
    settings, run = stopped
    latents = Path(next(value for value in settings if value.startswith("data.latents=")).partition("=")[2])
    (tmp_path / latents.name).symlink_to(latents)
    moved = f"data.latents={tmp_path}/{latents.name}"
    assert train(run, *settings, moved, "data.workers=1", "data.validation_items=4") == [0], said(run)
    assert state(run)["global_step"] == STEPS


@pytest.mark.slow
def test_weights_and_biases_changes_nothing_and_knows_the_run_again(settings, tmp_path):
    """Out of reach (no account here), offline and absent: the same weights; a run that is resumed is the same run there."""
    assert train(tmp_path / "absent", *settings) == [0]
    quiet = {"WANDB_SILENT": "true", "WANDB_API_KEY": "", "WANDB_DIR": str(tmp_path), "NETRC": str(tmp_path / "none")}
    for mode in ("offline", "online"):
        run = tmp_path / mode
        common = [*settings, "logger=wandb"]
        stopped = train(run, *common, stop_with(signal.SIGTERM, 3), WANDB_MODE=mode, **quiet)
        assert stopped == [143], said(run)
        number = state(run)["callbacks"]["LastCheckpoint"]["run_id"]
        assert train(run, *common, WANDB_MODE=mode, **quiet) == [0], said(run)
        assert state(run)["callbacks"]["LastCheckpoint"]["run_id"] == number
        folders = {path.name.split("-")[3] for path in (run / "wandb").glob("offline-run-*")}  # ...-ID, ...-ID-1
        assert folders == {number}, said(run)
        assert "val/loss" in (run / "csv/version_1/metrics.csv").read_text()
        assert_equal_weights(tmp_path / "absent", run)
    assert "out of reach" in said(tmp_path / "online")


def test_a_signal_to_everything_saves_too_when_workers_make_the_batches(settings, tmp_path):
    """As a queue does it: every process of the run gets the signal, those that read the data included."""
    everything = "+callbacks.stop={_target_: processes.SignalAll, step: 3, number: 15}"
    assert train(tmp_path, *settings, "data.workers=2", everything) == [143], said(tmp_path)
    assert state(tmp_path)["global_step"] == 3


def test_a_student_too(tiny_training, settings, tmp_path):
    assert train(tmp_path / "teacher", *settings) == [0]
    data = [value for value in tiny_training if value.startswith("data.")]
    common = ["experiment=student_matching", *data, f"module.teacher={tmp_path}/teacher", f"steps={STEPS}"]
    assert train(tmp_path / "whole", *common) == [0], said(tmp_path / "whole")
    assert train(tmp_path / "parts", *common, stop_with(signal.SIGTERM, 3)) == [143], said(tmp_path / "parts")
    assert train(tmp_path / "parts", *common) == [0], said(tmp_path / "parts")
    assert_equal_weights(tmp_path / "whole", tmp_path / "parts")
