"""How fast the server is beside its model, on a machine that is otherwise quiet.

    python -m accomp.benchmarks.server parse                        # datagrams a second, beside python-osc
    python -m accomp.benchmarks.server overhead                     # datagrams in to datagrams out, while two cores are busy
    python -m accomp.benchmarks.server realtime --r 0.03125 --minutes 10 [--model models/live] [--stem drums]

`realtime` starts serve.py as a process of its own and plays band-like noise to it over UDP. Every figure is printed beside
its target; the exit status is 1 if one is missed.
"""

import argparse
import logging
import socket
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from accomp.command_line import command, parser_of
from accomp.errors import UserError
from accomp.server import protocol as osc
from accomp.server.answers import PacedSender, packetize
from accomp.server.client import Client
from accomp.server.demo import running_server
from accomp.server.endpoint import Endpoint, bind, sources_of
from accomp.server.output_buffers import Setup
from accomp.server.state import ServerState
from accomp.server.worker import InferenceWorker
from accomp.stream.presence import Heard
from accomp.timeline import SAMPLE_RATE, Step

log = logging.getLogger(__name__)

MODEL_S = 0.1  # how long the stand-in for a model computes
PACKAGES = (osc.MIN_PACKAGE, 256, 1470, 4410)  # samples: the smallest there is, Wi-Fi, Pd's and Max's, the external's
TIMES, OVERHEAD_MS, LATE_SHARE = 20, 10, 0.001  # targets


def percentiles(values: list[float], *which: float) -> str:
    return ", ".join(f"p{q:g} {np.percentile(values, q):.2f}" for q in which)


def reached(what: str, figure: float, target: str, good: bool) -> bool:
    """Say a figure beside its target; whether it is reached."""
    log.info("%s: %.4g (target: %s)%s", what, figure, target, "" if good else " MISSED")
    return good


def parse(args: argparse.Namespace) -> bool:
    """Datagrams of every usual size, read by our parser and by python-osc."""
    from pythonosc.osc_message import OscMessage

    good = True
    for samples in PACKAGES:
        data = osc.Block("context", 1, 0, 30, np.linspace(-1, 1, samples, dtype=np.float32)).pack()
        rates = []
        for read, times in ((osc.parse_request, 5000), (lambda d: OscMessage(d).params, 100)):
            best = float("inf")
            for _ in range(9):
                began = time.thread_time()  # whatever else the machine does
                for _ in range(times):
                    read(data)
                best = min(best, (time.thread_time() - began) / times)
            rates.append(1 / best)
        ours, theirs = rates
        log.info("%d samples: %.0f datagrams/s, python-osc %.0f", samples, ours, theirs)
        good &= reached("times as fast", ours / theirs, f"at least {TIMES}", ours > TIMES * theirs)
    return good


class BusyStreamer:
    """A stand-in for a model, that keeps every core busy for MODEL_S."""

    def __init__(self, stems: tuple[str, ...]):
        import torch

        self.stems = stems
        self.clock = SimpleNamespace(transport=None, estimate=lambda: (0.0, 0.0), carry=lambda old: None)
        self.presence = SimpleNamespace(so_far=Heard(np.zeros(1), np.array([np.inf])))
        self.bar_s = lambda: np.full(1, 2.0)
        self.follow = lambda chords: None
        self.weights = torch.randn(1024, 1024)
        self.busy_s: list[float] = []

    def push(self, start: int, samples: np.ndarray) -> None:
        pass

    def warm_up(self, step: int, offset: int) -> None:
        self.step(step, step, offset)

    def step(self, edge: int, step: int, offset: int, overlap: int = 0, record_time=lambda name: None) -> SimpleNamespace:
        began = time.perf_counter()
        while time.perf_counter() - began < MODEL_S:
            self.weights @ self.weights
        self.busy_s.append(time.perf_counter() - began)
        return SimpleNamespace(audio=np.zeros((len(self.stems), overlap + step), np.float32))


def free_ports() -> list[int]:
    probes = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def paced_ms(samples: int, package: int) -> float:
    """How long an answer takes to go out because clients cannot take it in faster."""
    sender, t = PacedSender([packetize("bass", 1, np.zeros(samples, np.float32), package)]), 0.0
    while sender:
        t += sender.take(t, moved_on=False)[0]
    return 1e3 * t


def overhead(args: argparse.Namespace, steps: int = 60) -> bool:
    """From the last datagram of a block of 66,150 samples to the first and last of its answer.

    Less the model's time and, of the last, the pace at which answers are sent on purpose.
    """
    import torch

    torch.set_num_threads(2)
    (port, clientport), made = free_ports(), []
    state = ServerState(sources_of("127.0.0.1"), {"model": "busy"})
    make = lambda stems: made.append(BusyStreamer(stems)) or made[-1]  # noqa: E731
    endpoint = Endpoint(state, InferenceWorker(make), [bind("127.0.0.1", port)], ("127.0.0.1", clientport))
    server = threading.Thread(target=endpoint.run)
    server.start()
    first_ms, last_ms = [], []
    setup = Setup(("bass",), Step(0.25, 1.0), 0.02, 4410)
    with Client({"context": np.zeros((steps + 2) * 66_150, np.float32)}, setup, ("127.0.0.1", port), clientport) as client:
        client.connect(10)
        for i in range(1, steps + 1):
            client.predict(i * 66_150)
            began = time.perf_counter()
            for ms, here in (
                (first_ms, lambda i=i: i in client.output.answered),
                (last_ms, lambda i=i: len(client.steps) >= i),
            ):
                while not here() and time.perf_counter() - began < 5:
                    time.sleep(0.0005)
                ms.append(1e3 * (time.perf_counter() - began - made[-1].busy_s[-1]))
    endpoint.stop()
    server.join()
    good, pace_ms = True, paced_ms(66_150 + setup.fade, setup.package)
    for name, ms, meant_ms in (("first", first_ms, 0.0), ("last", last_ms, pace_ms)):
        ms = [each - meant_ms for each in ms[5:]]
        what = f"until the {name} datagram of the answer, less the model and {meant_ms:.0f} ms of pacing, ms"
        log.info("%s: %s", what, percentiles(ms, 50, 95, 99))
        p95 = float(np.percentile(ms, 95))
        good &= reached("p95", p95, f"below {OVERHEAD_MS}", p95 < OVERHEAD_MS)
    return good


def realtime(args: argparse.Namespace) -> bool:
    """Play for so many minutes in real time."""
    (port, clientport), step = free_ports(), Step(args.r, args.w)
    asked = argparse.Namespace(model=args.model, device="auto", sampler=args.sampler, serverport=port, clientport=clientport)
    context = np.random.default_rng(0).normal(0, 0.05, int(args.minutes * 60 * SAMPLE_RATE)).astype(np.float32)
    context *= np.exp(-(np.arange(len(context)) % (SAMPLE_RATE // 2)) / 4000)  # something like a beat, 120 a minute
    setup = Setup((args.stem,), step, 0.02, min(4410, step.samples))
    with Client({"context": context}, setup, ("127.0.0.1", port), clientport) as client, running_server(asked) as server:
        if not client.connect(120, alive=lambda: server.poll() is None):
            raise UserError("the server did not start; run serve.py by hand and read what it says")
        client.play()
        client.settle()
    if not client.steps:
        raise UserError("the server answered none of the steps; run serve.py by hand and read what it says")
    leads, cycles = ([s[key] for s in client.steps] for key in ("lead_ms", "cycle_ms"))
    steps = client.output.batch_id
    late = steps - len(set(client.output.answered) - client.output.late)
    log.info("%d steps of %.0f ms, %d late or lost; lead in ms: %s; cycle in ms: %s", steps, 1e3 * step.seconds, late,
             percentiles(leads, 1, 50), percentiles(cycles, 50, 95, 99))  # fmt: skip
    good = reached("late or lost, %", 100 * late / steps, f"below {100 * LATE_SHARE:g}", late < LATE_SHARE * steps)
    least = float(np.percentile(leads, 1))
    return reached("lead of all but 1 % of the steps, ms", least, "above 0", least > 0) and good


def main(argv: list[str] | None = None) -> int:
    parser = parser_of(__doc__)
    parser.add_argument("what", choices=("parse", "overhead", "realtime"))
    parser.add_argument("--r", type=float, default=1 / 32, help="step ratio (%(default)s)")
    parser.add_argument("--w", type=float, default=1.0, help="depth (%(default)s)")
    parser.add_argument("--minutes", type=float, default=1.0, help="how long to play (%(default)s)")
    parser.add_argument("--stem", default="drums", help="what the model plays (%(default)s)")
    parser.add_argument("--model", type=Path, default=Path("models") / "live", help="model folder (models/live)")
    parser.add_argument("--sampler", help="one of the model's samplers (its default)")
    return command(parser, argv, measure)


def measure(args: argparse.Namespace) -> int:
    logging.getLogger("accomp.server").setLevel(logging.ERROR)  # the server's own lines are not wanted here
    good = {"parse": parse, "overhead": overhead, "realtime": realtime}[args.what](args)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
