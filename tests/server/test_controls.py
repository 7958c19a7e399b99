"""What a client may say beyond the external's words: a beat, a panic, a model, a density, a calibration, a question."""

import json

import numpy as np
import pytest

from accomp.server import protocol as osc
from accomp.server.calibrate import sweep
from accomp.server.taps import Taps
from accomp.server.worker import Gate, InferenceWorker
from accomp.timeline import SAMPLE_RATE, Step

STEP, FADE = Step(0.1).samples, 882


def start(kit, **server):
    server = kit.SimulatedServer(**server)
    server.hear(osc.UpdatePackageSize(4410), osc.UpdateR(0.1), osc.W(1.0), osc.PredictInstruments(1, 0, 0, 0))
    return server


def play(kit, server, ids, sound=lambda i: np.zeros(STEP, np.float32)):
    for i in ids:
        server.hear(*kit.blocks(i, sound(i)))
        server.wait(STEP / SAMPLE_RATE)


def said(server):
    return [json.loads(m.text) for m in server.sent if isinstance(m, osc.Status)]


def beat_at(transport, sample):
    return (transport.beat + (sample - transport.sample) / SAMPLE_RATE * transport.bpm / 60) % transport.beats_in_bar


def test_a_transport_of_a_batch_holds_at_that_batch_edge_and_goes_on(kit):
    server = start(kit)
    server.hear(osc.Clock(1.5, 120.0, 4, batch_id=2))  # told before the batch
    play(kit, server, [1, 2])
    server.hear(osc.Clock(2.0, 90.0, 3, batch_id=2))  # told after it
    play(kit, server, [3, 4])
    one, two, three, four = server.streamers[0].transports
    assert beat_at(one, 2 * STEP) == pytest.approx(1.5) and one == two
    assert beat_at(three, 2 * STEP) == pytest.approx(2.0) and (three.bpm, three.beats_in_bar) == (90.0, 3)
    assert three == four


def test_a_transport_told_now_is_placed_by_the_clock_on_the_wall(kit):
    server = start(kit)
    play(kit, server, [1])
    server.t += 0.1 - STEP / SAMPLE_RATE  # a tenth of a second after batch 1
    server.hear(osc.Clock(0.0, 120.0))
    server.t += STEP / SAMPLE_RATE - 0.1
    play(kit, server, [2])
    assert beat_at(server.streamers[0].transports[1], STEP + round(0.1 * SAMPLE_RATE)) % 4 == pytest.approx(0, abs=0.02)


def test_a_new_tempo_goes_on_from_the_beat_and_tempo_0_lets_go(kit):
    server = start(kit)
    server.hear(osc.Clock(0.0, 120.0, 4, batch_id=1))
    play(kit, server, [1])
    server.hear(osc.Tempo(60.0))
    play(kit, server, [2])
    server.hear(osc.Tempo(0.0))
    play(kit, server, [3])
    one, two, three = server.streamers[0].transports
    assert two.bpm == 60 and beat_at(two, two.sample) == pytest.approx(beat_at(one, two.sample)) and three is None
    server.hear(osc.Tempo(100.0))  # alone it begins a bar of four when it arrives
    play(kit, server, [4])
    alone = server.streamers[0].transports[3]
    assert (alone.bpm, alone.beats_in_bar) == (100, 4)
    assert beat_at(alone, 4 * STEP) == pytest.approx(0, abs=0.05)


def test_four_taps_count_in_and_more_of_them_correct_the_tempo(kit):
    server = start(kit)
    for _ in range(4):
        server.hear(osc.Tap())
        server.t += 0.5
    play(kit, server, [1])
    tapped = server.streamers[0].transports[0]
    assert tapped.bpm == pytest.approx(120, abs=0.5) and tapped.beat == pytest.approx(3.0, abs=0.02)
    said = [json.loads(m.text).get("said") for m in server.sent if isinstance(m, osc.Status)]
    assert [text for text in said if text][:4] == [
        "tap: 1 of 4",
        "tap: 2 of 4",
        "tap: 3 of 4",
        "tap: 120 beats a minute",
    ]
    assert Taps().add(0.0) is None
    taps = Taps()
    counts = [taps.add(t) for t in (0, 0.5, 1.0, 1.5, 2.0, 2.5, 6.0, 6.4, 6.8, 7.2)]
    assert [count and round(count.bpm) for count in counts] == [None] * 3 + [120] * 3 + [None] * 3 + [150]
    assert [round(count.beat, 3) % 4 for count in counts if count] == [3, 0, 1, 3]


def test_a_new_client_begins_with_the_settings_of_the_start(kit):
    for message in (osc.Hello(44_100, 264_600, "another"), osc.LoadModel()):
        server = start(kit)
        server.hear(osc.Density(0.2), osc.Rest(0.0), osc.Balance(-6.0), osc.Clock(0.0, 100.0), message)
        settings = server.state.settings
        assert (settings.density, settings.rest_after, settings.balance_db) == (1.0, 2.0, 0.0)
        assert settings.stems and settings.step.samples == STEP  # what the Max external sets before it stays
        play(kit, server, [1])
        assert server.streamers[0].transports == [None]


def test_panic_silences_what_is_not_yet_heard_and_forgets(kit):
    server = start(kit)
    play(kit, server, [1, 2, 3])
    steps = server.state.tally.steps
    server.hear(osc.Panic())
    assert [request.batch_id for request, _ in server.silences] == [2, 3] and server.state.tally.steps == steps
    for _, (chunks,) in server.silences:
        samples = np.concatenate([c.samples for c in chunks])
        assert len(samples) == FADE + STEP and not samples.any()
    play(kit, server, [4])
    assert server.streamers[1].steps[0][0] == STEP  # a new session


def test_status_says_how_things_stand(kit):
    server = start(kit)
    play(kit, server, range(1, 9))
    server.hear(*[osc.AskStatus()] * 100)
    (status,) = [s for s in said(server) if "faults" in s]
    assert (status["model"], status["r"], status["w"], status["stems"]) == ("fake", 0.1, 1.0, ["bass"])
    assert (status["state"], status["steps"], status["late"], status["dropped"]) == ("ready", 8, 0, 0)
    assert 5 < status["cycle_ms"]["p50"] <= status["cycle_ms"]["p99"] < 20 < status["lead_ms"]["min"]
    assert (status["missing"], status["faults"], status["clock"]) == (0, {}, "own")


def test_hello_is_answered_and_a_wrong_sample_rate_is_said_aloud(kit):
    server = start(kit)
    server.hear(osc.Hello(44_100, 132_300, "Pd"))
    assert said(server)[-1]["T"] == 132_300 and "error" not in said(server)[-1]
    half = int(132_300 * 0.1)
    server.hear(*kit.blocks(1, np.zeros(half, np.float32)))
    server.wait(0.3)
    assert server.streamers[0].steps == [(half, half, half, FADE)] and not server.state.tally.counts
    server.hear(osc.Hello(48_000, 264_600, "Max"))
    assert "48000 Hz" in said(server)[-1]["error"]


def test_a_bundle_sets_everything_it_holds_but_what_is_wrong(kit):
    server = start(kit)
    held = [osc.UpdateR(0.25).pack(), b"/Density\0\0\0\0,f\0\0\0\0\0\0", osc.W(0.0).pack()]
    server.hear(b"#bundle\0" + bytes(8) + b"".join(len(m).to_bytes(4, "big") + m for m in held))
    assert server.state.settings.step == Step(0.25, 0.0)
    assert "did you mean /density" in next(s["error"] for s in said(server) if "error" in s)


def test_what_is_refused_is_said_to_the_client_but_not_often(kit):
    server = start(kit)
    for _ in range(1000):
        server.hear(osc.UpdateR(0.5).pack()[:-8] + np.float64(7).astype(">f8").tobytes())
    errors = [s["error"] for s in said(server) if "error" in s]
    assert len(errors) == 1 and "r must lie in" in errors[0] and server.state.settings.step == Step(0.1)


def test_another_model_plays_from_the_next_step_on_and_a_failed_one_changes_nothing(kit):
    server = start(kit)
    play(kit, server, [1, 2])
    server.hear(osc.UseModel("other"), osc.UseModel("third"))
    assert server.loads == ["other"]  # one at a time
    play(kit, server, [3])
    server.act(server.state.on_load_failed("other", "it is damaged", server.t))
    assert "damaged" in said(server)[-1]["error"] and said(server)[-1]["model"] == "fake"
    play(kit, server, [4])
    server.wait(2)
    server.hear(osc.UseModel("other"))
    new = []
    actions = server.state.on_loaded("other", server.t)
    server.worker.swap(lambda stems: new.append(kit.FakeStreamer(stems)) or new[-1])
    server.act(actions[1:])
    play(kit, server, [5, 6])
    assert said(server)[-2]["batch_id"] == 5 and not server.dropped and server.state.about["model"] == "other"
    assert [s[0] for s in new[0].steps] == [5 * STEP, 6 * STEP]
    assert sum(len(x) for _, x in new[0].pushed) == 6 * STEP  # it has heard what the old one heard
    assert [s[0] for s in server.streamers[0].steps] == [i * STEP for i in (1, 2, 3, 4)]


def test_twenty_models_in_a_row_cost_no_step(kit):
    server = start(kit)
    for i in range(1, 21):
        server.hear(osc.UseModel(f"model{i}"))
        play(kit, server, [2 * i - 1])
        streamers = []
        server.worker.swap(lambda stems, made=streamers: made.append(kit.FakeStreamer(stems)) or made[-1])
        server.act(server.state.on_loaded(f"model{i}", server.t)[1:])
        play(kit, server, [2 * i])
        assert [s[0] for s in streamers[0].steps] == [2 * i * STEP]
    assert [request.batch_id for request, _ in server.answers] == list(range(1, 41)) and not server.dropped


@pytest.mark.parametrize("latency, step", [(441, 0.1), (9_000, 0.1), (3_000, 0.03125)])
def test_a_click_tells_how_late_the_player_is_heard_and_that_is_made_up_for(kit, latency, step):
    """A cable from output to input: what the server answers comes back, late, in quiet noise."""
    server, n = start(kit), Step(step).samples
    server.hear(osc.UpdateR(step), osc.UpdatePackageSize(4410))
    rng = np.random.default_rng(0)
    sound = rng.normal(0, 1e-3, 200 * n).astype(np.float32)
    server.hear(osc.Calibrate())
    for i in range(1, 60):
        server.hear(*kit.blocks(i, sound[(i - 1) * n : i * n]))
        server.wait(n / SAMPLE_RATE)
        request, (chunks,) = server.answers[-1]
        samples = np.concatenate([c.samples for c in chunks])[FADE:]
        at = request.edge + n + latency
        sound[at : at + n] += samples[: len(sound) - at] * 0.5 if request.instead is not None else 0
        if server.state.settings.latency:
            break
    assert server.state.settings.latency == latency
    server.hear(*kit.blocks(i + 1, sound[:n]))
    server.wait(n / SAMPLE_RATE)
    edge, _, offset, _ = server.streamers[-1].steps[-1]
    assert (edge, offset) == ((i + 1) * n - latency, n + latency)
    assert server.streamers[-1].pushed[-1][0] == i * n - latency


def test_without_a_way_back_a_calibration_ends_and_changes_nothing(kit):
    server = start(kit)
    server.hear(osc.Calibrate())
    play(kit, server, range(1, 7), lambda i: np.random.default_rng(i).normal(0, 0.1, STEP).astype(np.float32))
    assert "no click" in next(s for s in said(server) if "error" in s)["error"] and server.state.settings.latency == 0
    assert any(np.array_equal(np.concatenate([c.samples for c in a[0]])[FADE : FADE + 2048], sweep())
               for _, a in server.answers) and server.answers[-1][0].instead is None  # fmt: skip


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 1.0])
def test_density_lets_the_louder_share_through(share):
    gate = Gate()
    level = np.linspace(0.01, 0.5, 60).repeat(1024).astype(np.float32)
    audio = np.stack([level, level[::-1]])
    heard = gate(audio, share)
    assert heard.shape == audio.shape and np.abs(heard).max() <= 0.5
    kept = np.mean(np.abs(heard) > 0.99 * np.abs(audio), axis=1)
    assert np.allclose(kept, share, atol=0.03)
    assert np.mean(heard**2) >= share * np.mean(audio**2) * 0.9


def test_a_client_that_starts_anew_at_once_is_a_new_session_and_no_straggler(kit):
    server = start(kit)
    play(kit, server, [1, 2])
    server.hear(osc.LoadModel())
    play(kit, server, [1, 2])
    assert [s[0] for s in server.streamers[1].steps] == [STEP, 2 * STEP] and not server.dropped


def test_a_device_that_is_lost_ends_the_server(kit):
    server = start(kit, fails=range(1, 99))
    play(kit, server, range(1, 9))
    assert server.dropped == list(range(1, 9)) and "8 times" in server.stopped


def test_a_swap_makes_the_worker_push_the_past_again(kit):
    first, second = [], []
    worker = InferenceWorker(lambda stems: first.append(kit.FakeStreamer(stems)) or first[-1])
    worker.swap(lambda stems: second.append(kit.FakeStreamer(stems)) or second[-1])
    server = start(kit)
    play(kit, server, [1])
    worker.play(server.requests[0])
    assert not first and second[0].steps == [(STEP, STEP, STEP, FADE)]


def test_an_instrument_that_the_model_lacks_is_told_once_and_silence_is_answered(kit, caplog):
    def make(stems):
        return kit.FakeStreamer(stems)

    make.stems = ("bass",)
    server = start(kit)
    server.worker = InferenceWorker(make)
    for ids, instruments, told in (([1, 2, 3], (0, 1, 0, 0), 1), ([4], (1, 0, 0, 0), 1), ([5, 6], (0, 1, 0, 0), 2)):
        server.hear(osc.PredictInstruments(*instruments))
        play(kit, server, ids)
        assert sum("the model plays ('bass',)" in record.getMessage() for record in caplog.records) == told
    drums = [chunks for request, chunks in server.answers if request.settings.stems == ("drums",)]
    assert len(drums) == 5 and not any(chunk.samples.any() for (answer,) in drums for chunk in answer[1:])
