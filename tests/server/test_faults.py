"""A network that loses, repeats, delays and shuffles: every step is answered in time, and nothing lies in a wrong place."""

import logging

import numpy as np
import pytest
from faulty_wire import Session, Wire

from accomp.server import protocol as osc
from accomp.server.output_buffers import Setup
from accomp.timeline import SAMPLE_RATE, Step

FAST, WHOLE = 12, 100  # steps

NETWORKS = {
    "calm": {},
    "loss 1 %": {"loss": 0.01},
    "loss 5 %": {"loss": 0.05},
    "loss 20 %": {"loss": 0.2},
    "loss 50 %": {"loss": 0.5},
    "loss in bursts": {"loss": 0.05, "burst_s": 0.02},
    "half a second away": {"loss": 0.1, "burst_s": 0.5},
    "repeats": {"repeat": 0.5},
    "shuffled": {"jitter_s": 0.02},
    "jitter 50 ms": {"jitter_s": 0.05},
    "jitter 200 ms": {"jitter_s": 0.2},
    "everything": {"loss": 0.05, "burst_s": 0.005, "repeat": 0.2, "jitter_s": 0.05},
}


def session(kit, network, package=1024, targets=("bass",), ratio=0.25, seed=0, **more):
    """Up and down the same kind of network. In the answer a jitter above its lead would be late by nature."""
    setup = Setup(targets, Step(ratio, 1.0), 0.02, package)
    wires = {"up": Wire(seed, **network), "down": Wire(seed + 1, **network)}
    return Session(setup, lambda stems: kit.FakeStreamer(stems), context=lambda a, b: kit.tune(np.arange(a, b)),
                   **wires, **more)  # fmt: skip


def check(kit, run, steps):
    """Every step that had a datagram was answered in time; nothing is misplaced; what was not touched is undisturbed."""
    output, step, fade = run.play(steps), run.setup.step.samples, run.setup.fade
    heard_of = set(run.leads) | set(run.dropped)
    assert len(heard_of) >= 0.5 * steps and (run.up.lost or heard_of == set(range(1, steps + 1)))
    assert not run.dropped and min(run.leads.values()) > 0
    assert not run.misplaced(kit.tune)
    clean = [i for i in range(1, steps + 1) if i not in run.touched]
    for stem in run.setup.targets:
        voice = run.setup.targets.index(stem)
        for i in clean:
            zone = np.arange((i + 1) * step, (i + 2) * step - fade)
            assert np.array_equal(output.heard[stem][zone], kit.tune(zone) + np.float32(voice / 64)), i
    assert not output.late


@pytest.mark.parametrize("network", NETWORKS, ids=str)
def test_no_network_makes_an_answer_late_or_puts_it_in_a_wrong_place(kit, network):
    check(kit, session(kit, NETWORKS[network]), FAST)


@pytest.mark.slow
@pytest.mark.parametrize("package", [256, 1024, 10_240])
@pytest.mark.parametrize("network", NETWORKS, ids=str)
def test_no_network_does_so_in_a_whole_song(kit, network, package):
    logging.getLogger("accomp").setLevel(logging.ERROR)
    check(kit, session(kit, NETWORKS[network], package, seed=7), WHOLE)


def test_several_targets_over_a_bad_network(kit):
    check(kit, session(kit, NETWORKS["everything"], targets=("bass", "piano")), FAST)


def test_what_is_missing_is_counted_to_the_sample(kit):
    """Per step, against the network's own account."""
    run = session(kit, {})
    run.up = Wire(3, loss=0.05)
    run.play(40)
    lost = run.up.lost * 1024  # the last chunk of a plane is shorter
    assert 0.93 * lost <= run.state.tally.missing <= lost and run.state.tally.missing / (40 * 66_150) < 0.09


def test_after_batches_that_never_came_the_context_lies_where_it_was_played(kit):
    run = session(kit, {})
    hidden = {4, 5, 6}
    hear, streamers = run.hear, []
    run.worker.swap(lambda stems: streamers.append(kit.FakeStreamer(stems)) or streamers[-1])
    run.hear = lambda data: None if getattr(osc.parse_request(data), "batch_id", 0) in hidden else hear(data)
    run.play(12)
    (streamer,) = streamers
    for start, samples in streamer.pushed:
        assert np.array_equal(samples, kit.tune(np.arange(start, start + len(samples))))
    assert [s[0] // 66_150 for s in streamer.steps] == [1, 2, 3, 7, 8, 9, 10, 11, 12]
    assert run.state.tally.missing == 3 * 66_150 and not run.misplaced(kit.tune)


def test_an_answer_that_meets_the_next_batch_is_placed_all_the_same(kit):
    """The client begins its next batch while the answer to the last is on its way, at any moment of it."""
    for cycle_s in np.linspace(1.4790, 1.4999, 6):
        run = session(kit, {}, package=256, cycle_s=float(cycle_s))
        run.play(6)
        assert not run.misplaced(kit.tune)


@pytest.mark.parametrize("ratio", [0.5, 0.25, 0.2, 0.1, 0.125, 0.0625])
@pytest.mark.parametrize("depth", [-1.0, 0.0, 1.0])
def test_every_pair_of_the_menus_plays_to_the_sample(kit, ratio, depth):
    for package in (10_240, 5120, 6615, 4096, 4410):
        setup = Setup(("drums",), Step(ratio, depth), 0.02, package)
        run = Session(setup, lambda stems: kit.FakeStreamer(stems))
        output, step = run.play(4), setup.step
        assert not run.dropped and len(run.leads) == 4
        zone = np.arange(max(step.samples + step.offset, 0), 4 * step.samples + step.offset + step.samples - 882)
        assert np.allclose(output.buffers["drums"][zone], kit.tune(zone), atol=1e-6)


def test_a_slow_model_is_back_in_time_one_step_after_it_is_fast_again(kit):
    slow = {5: 1.4, 6: 3.0, 7: 3.0}
    run = session(kit, {}, cycle_s=lambda request: slow.get(request.batch_id, 0.2))
    run.play(16)
    late = [i for i, lead in run.leads.items() if lead < 0]
    assert set(late) | set(run.dropped) <= set(range(5, 10)) and not run.misplaced(kit.tune)
    assert set(run.leads) | set(run.dropped) == set(range(1, 17))


def test_a_flood_of_controls_does_not_touch_the_answers(kit):
    def talk(run, batch_id):
        for n in range(2000):
            message = (osc.UpdateFade(0.02), osc.LoadModel(), osc.Print(), osc.Verbose(0), osc.AskStatus())[n % 5]
            run.at(run.t + n / 10_000, run.hear, message.pack())

    run = session(kit, {}, talk=talk)
    check(kit, run, FAST)
    assert run.state.tally.steps == FAST


@pytest.mark.slow
@pytest.mark.parametrize("ratio", [0.1, 0.2, 0.25, 0.0625])
def test_after_ten_minutes_the_answer_lies_where_it_belongs(kit, ratio):
    step = Step(ratio, 1.0)
    steps = int(600 * SAMPLE_RATE / step.samples)
    setup = Setup(("bass",), step, 0.02, 10_240)
    streamers = []

    def make(stems):
        streamers.append(Metronome(kit, stems))
        return streamers[-1]

    run = Session(setup, make)
    run.output = None
    output = run.play(steps)
    zone = np.arange(steps * step.samples, (steps + 2) * step.samples - 882)
    assert np.allclose(output.buffers["bass"][zone], kit.tune(zone), atol=1e-6)
    assert len(run.leads) == steps and run.state._session.edge == steps * step.samples


class Metronome:
    """A streamer that remembers nothing."""

    def __init__(self, kit, stems):
        self.inner = kit.FakeStreamer(stems)
        self.clock = self.inner.clock

    def push(self, start, samples):
        pass

    def step(self, *args, **more):
        self.inner.steps.clear()
        self.inner.transports.clear()
        return self.inner.step(*args, **more)
