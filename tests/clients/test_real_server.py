"""Pd, Node and Python play to `serve.py` itself: what is heard is, sample for sample, what the same model plays offline."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from accomp.model import load_model
from accomp.server import protocol as osc
from accomp.stream.rollout import rollout
from accomp.stream.rules import PlayingRules
from accomp.stream.streamer import Streamer
from accomp.timeline import SAMPLE_RATE, Step

pytestmark = pytest.mark.flaky(reruns=3)  # in real time: a busy machine may be late


@contextmanager
def serving(clients, tools, model):
    """(port, client's port) of a server that is ready."""
    port, clientport = tools.free_port(), tools.free_port()
    command = [sys.executable, "serve.py", "--model", str(model), "--device", "cpu", "--serverport", str(port),
               "--clientport", str(clientport)]  # fmt: skip
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as rx:
        rx.bind(("127.0.0.1", clientport))
        rx.settimeout(120)
        process = subprocess.Popen(command, cwd=clients.parent, env=os.environ | {"OMP_NUM_THREADS": "1"})
        while not isinstance(osc.parse_reply(rx.recv(65_536)), osc.Ready):
            pass
    try:
        yield port, clientport
    finally:
        process.kill()
        process.wait()


def tones(seconds: float) -> np.ndarray:
    """Something for the model to listen to: a chord struck twice a second, (N,)."""
    t = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    chord = sum(np.sin(2 * np.pi * f * t) for f in (220.0, 277.2, 329.6))
    return (0.1 * chord * np.exp(-6 * (t % 0.5))).astype(np.float32)


def check(heard: np.ndarray, context: np.ndarray, model, step: Step) -> None:
    offline = rollout(Streamer(load_model(model), ("bass",)), context, step, rules=PlayingRules()).audio[0]
    assert np.abs(offline).max() > 0.005 and np.allclose(heard, offline, atol=5e-5)  # what Python writes has 16 bits


def through_pd(pd, context, port, clientport, ratio, strict=False):
    heard = pd.play_file(context, port, clientport, f"acc-r {ratio}")[: len(context), 1]
    assert pd.cpu < 0.2
    return heard


def through_node(node, context, port, clientport, ratio, strict=False):
    heard, said = node(context, port, clientport, [["r", ratio]], strict=strict)
    assert "dropped" not in said and not (strict and "late" in said)
    return heard[0]


def through_python(python, context, port, clientport, ratio, strict=False):
    heard, said, cpu = python(context, port, clientport, ratio)
    assert not (strict and ", 0 late" not in said) and (cpu < 0.2 or not strict)  # a short song is mostly starting
    return heard


@pytest.fixture(scope="module")
def ports(clients, tools, model_folder) -> Iterator[tuple[int, int]]:
    """Of one server with the tests' model, which the clients use one after the other."""
    with serving(clients, tools, model_folder) as pair:
        yield pair


def test_pd_plays_what_the_model_plays(ports, pd, model_folder):
    context = tones(6)
    heard = through_pd(pd, context, *ports, 0.25)
    check(heard, context, model_folder, Step(0.25, 1.0))


def test_max_plays_what_the_model_plays(ports, node, model_folder):
    context = tones(6)
    heard = through_node(node, context, *ports, 0.25)
    check(heard, context, model_folder, Step(0.25, 1.0))


def test_python_plays_what_the_model_plays(ports, python, model_folder):
    context = tones(6)
    heard = through_python(python, context, *ports, 0.25)
    check(heard, context, model_folder, Step(0.25, 1.0))


@pytest.mark.slow
@pytest.mark.parametrize("ratio", [0.25, 0.125])
@pytest.mark.parametrize("through", ["pd", "node", "python"])
def test_the_shipped_model_is_never_late_in_a_minute(clients, tools, request, through, ratio):
    """Late or lost answers would leave silence where the offline rollout has sound."""
    client, model, context = request.getfixturevalue(through), clients.parent / "models" / "live", tones(60)
    with serving(clients, tools, model) as ports:
        play = {"pd": through_pd, "node": through_node, "python": through_python}[through]
        heard = play(client, context, *ports, ratio, strict=True)
    check(heard, context, model, Step(ratio, 1.0))
