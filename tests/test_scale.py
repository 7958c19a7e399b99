"""What a second process gains and what logging costs. It wants two idle cores: `pytest -m slow tests/test_scale.py`."""

import json

import pytest
from processes import said, train

pytestmark = pytest.mark.slow
TIMED = ["steps=60", "+callbacks.pace={_target_: processes.Pace}", "data.epoch_items=100000", "data.batch_size=8"]
NET = ["net@module.net=planned", "module.net.channels=8", "module.net.keys=0", "module.net.plan=42"]


def shape(arguments: list[str]) -> list[str]:
    return [*(value for value in arguments if not value.startswith("module.net.")), *NET, *TIMED]


def test_two_ranks_train_1_6_times_as_many_excerpts_a_second(tiny_training, tmp_path):
    paces = []
    for ranks in (1, 2):
        ddp = ["trainer=ddp", "trainer.accelerator=cpu", "gpus=0", f"devices={ranks}"]
        run = tmp_path / str(ranks)
        # Lightning gives a rank that is alone all cores; here each has one.
        assert train(run, *shape(tiny_training), *ddp, ranks=ranks, OMP_NUM_THREADS="1") == [0] * ranks, said(run)
        paces.append(ranks * json.loads((run / "pace0.json").read_text())["steps_per_s"])
    assert paces[1] >= 1.6 * paces[0], paces


def test_logging_costs_less_than_a_hundredth_of_the_time(tiny_training, tmp_path):
    timed = ["logger.csv._target_=processes.TimedLogger", "steps=105"]
    assert train(tmp_path, *shape(tiny_training), *timed) == [0], said(tmp_path)
    pace = json.loads((tmp_path / "pace0.json").read_text())
    assert 0 < pace["logging"] < 0.01, pace
