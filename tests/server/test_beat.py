"""The beat keeps its place on the session's timeline, whatever makes the server begin on a new streamer after 20 s."""

import dataclasses

import numpy as np
import pytest
from tiny_model import clicks

from accomp.beat.external import ExternalClock
from accomp.server import protocol as osc
from accomp.stream.streamer import Streamer
from accomp.timeline import SAMPLE_RATE, Step

BPM = 117  # a multiple of no step: a clock that counts from the restart would be off the beat
STEP = Step(0.25, 1.0)
BEFORE, AFTER = 14, 7  # batches, of 1.5 s


class Player:
    """A session with the tests' model, which follows `clicks`; `streamers` in the order of their making."""

    def __init__(self, kit, model):
        self.kit, self.server, self.streamers, self.next_id = kit, kit.SimulatedServer(), [], 1
        # 13 s, as much as the tracker remembers
        self.model = dataclasses.replace(model, config=model.config | {"frames": 280})
        self.audio, self.beat = clicks((BEFORE + AFTER + 1) * STEP.seconds, BPM)
        self.server.worker.swap(self.make)
        self.server.hear(osc.UpdatePackageSize(4410), osc.UpdateR(0.25), osc.W(1.0), osc.PredictInstruments(1))

    def make(self, stems):
        streamer = Streamer(self.model, stems)
        streamer.clock = ExternalClock(streamer.clock, streamer.hop)
        self.streamers.append(streamer)
        return streamer

    def play(self, count):
        for _ in range(count):
            start = (self.next_id - 1) * STEP.samples
            self.server.hear(*self.kit.blocks(self.next_id, self.audio[start : start + STEP.samples]))
            self.server.wait(STEP.seconds)
            self.next_id += 1

    def add_an_instrument(self):
        self.server.hear(osc.PredictInstruments(1, 1, 0, 0))

    def change_the_model(self):
        self.server.worker.swap(self.make)
        self.server.act(self.server.state.on_loaded("other", self.server.t)[1:])

    def fail_once(self):
        def fail(*args, **more):
            raise RuntimeError("out of memory")

        self.streamers[-1].step = fail

    def compute_slowly_for_a_while(self):
        self.server.cycle_s = 4.0
        self.play(4)
        self.server.cycle_s = 0.01
        assert self.server.dropped

    def lose_two_batches(self):
        self.next_id += 2

    def measure_the_latency_in_vain(self):
        self.server.hear(osc.Calibrate())
        self.play(3)
        assert self.server.state._calibrator._start is None

    def be_heard_late(self):
        settings = self.server.state.settings
        self.server.state.settings = dataclasses.replace(settings, latency=4410)

    def nothing(self):
        pass


@pytest.mark.parametrize(
    "event, restarts",
    [
        (Player.nothing, 0),
        (Player.add_an_instrument, 1),
        (Player.change_the_model, 1),
        (Player.fail_once, 1),
        (Player.compute_slowly_for_a_while, 0),
        (Player.lose_two_batches, 0),
        (Player.measure_the_latency_in_vain, 0),
        (Player.be_heard_late, 1),
    ],
)
def test_the_beat_keeps_its_place(kit, model, event, restarts):
    player = Player(kit, model)
    player.play(BEFORE)
    event(player)
    player.play(3)
    assert len(player.streamers) == 1 + restarts
    request, _ = player.server.answers[-1]
    assert request.batch_id == player.next_id - 1
    latency = request.settings.latency
    first = (request.edge - latency) // model.codec.hop
    frames = np.arange(first, first + STEP.samples // model.codec.hop)  # what is generated lies here and later
    features = player.streamers[-1].clock.features(frames[0], frames[-1] + 1)[0].numpy()
    told = np.arctan2(features[0], features[1]) / (2 * np.pi)
    error = (told - (frames * model.codec.hop + latency) / SAMPLE_RATE * BPM / 60 + 0.5) % 1 - 0.5
    assert np.abs(error).max() < 0.1
    assert player.streamers[-1].clock.estimate()[0] == pytest.approx(BPM, rel=0.01)
