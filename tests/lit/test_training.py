"""What all trainings share: the schedule, and that every one can begin with the weights of another run."""

import itertools

import pytest
import torch

from accomp.beat.tracker import Tracker
from accomp.compose import CONF, compose
from accomp.errors import UserError
from accomp.lit.tracker import TrackerModule
from accomp.lit.training import adamw, warmup_cosine

EXPERIMENTS = sorted(path.stem for path in (CONF / "experiment/train").glob("*.yaml"))


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_training_can_be_told_where_to_start(experiment):
    assert compose("train", [f"experiment={experiment}", "module.start=elsewhere"]).module.start == "elsewhere"


def run_of(module: torch.nn.Module, folder):
    (folder / "checkpoints").mkdir(parents=True)
    torch.save({"state_dict": module.state_dict()}, folder / "checkpoints/last.ckpt")
    return str(folder)


def test_a_module_begins_with_the_weights_of_a_run(tmp_path):
    first = TrackerModule(Tracker(channels=4, width=8))
    second = TrackerModule(Tracker(channels=4, width=8), start=run_of(first, tmp_path / "run"))
    assert second.tracker.training
    for (name, one), two in zip(first.named_parameters(), second.parameters(), strict=True):
        assert torch.equal(one, two), name
    with pytest.raises(UserError, match="another size") as error:
        TrackerModule(Tracker(channels=5, width=8), start=str(tmp_path / "run"))
    assert "\n" not in str(error.value)


def test_the_learning_rate_rises_over_the_warm_up_and_falls_to_a_fiftieth():
    optimiser = adamw([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = warmup_cosine(optimiser, 10, 100)["lr_scheduler"]["scheduler"]
    rates = []
    for _ in range(101):
        rates.append(schedule.get_last_lr()[0])
        optimiser.step()
        schedule.step()
    assert rates[0] == pytest.approx(0.1, rel=0.01) and max(rates) == max(rates[9:12]) > 0.95
    assert all(later <= earlier for earlier, later in itertools.pairwise(rates[11:]))
    assert rates[100] == pytest.approx(0.02, rel=0.01)
