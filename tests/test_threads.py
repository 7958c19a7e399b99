"""Serving and evaluating compute with as many threads as is asked for, else one."""

import pytest
import torch

from accomp.errors import UserError
from accomp.threads import use_threads


@pytest.fixture(autouse=True)
def one_thread_afterwards():
    yield
    torch.set_num_threads(1)


@pytest.mark.parametrize(("asked", "environment", "expected"), [(None, None, 1), (None, "3", 3), (2, None, 2), (2, "3", 2)])
def test_asked_for_then_the_environment_then_one(monkeypatch, asked, environment, expected):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if environment is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", environment)
    torch.set_num_threads(4)
    assert use_threads(asked) == torch.get_num_threads() == expected


@pytest.mark.parametrize(("asked", "environment"), [(0, "1"), (-2, "1"), (None, "0"), (None, "many")])
def test_less_than_one_is_refused(monkeypatch, asked, environment):
    monkeypatch.setenv("OMP_NUM_THREADS", environment)
    with pytest.raises(UserError, match="at least one thread"):
        use_threads(asked)
