"""What the server decides, under a clock of our own: where answers lie, what is dropped, and that nothing stops it."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accomp.server import protocol as osc
from accomp.server.state import ServerState
from accomp.timeline import SAMPLE_RATE, STEMS, WINDOW, Step

FADE = 882


def noise(step, batch_id=0):
    return np.random.default_rng(batch_id).uniform(-1, 1, step).astype(np.float32)


def start(kit, r=0.1, w=1.0, stems=("bass",), package=4410, **server):
    server = kit.SimulatedServer(**server)
    flags = [int(s in stems) for s in STEMS]
    server.hear(osc.UpdatePackageSize(package), osc.UpdateR(r), osc.W(w), osc.UpdateFade(0.02))
    server.hear(osc.PredictInstruments(*flags))
    return server


def play(kit, server, ids, r=0.1, copies=1, package=4410):
    """One batch after another, a step apart."""
    step = Step(r)
    for i in ids:
        server.hear(*kit.blocks(i, noise(step.samples, i), package, copies=copies))
        server.wait(step.seconds)


def placed(chunks):
    return np.concatenate([c.samples for c in chunks])


@pytest.mark.parametrize("r, w", [(0.0625, 1.0), (0.1, 1.0), (0.2, 1.0), (0.25, 1.0), (0.0625, 0.0), (0.1, -1.0)])
def test_nothing_drifts_in_400_steps(kit, r, w):
    server, step = start(kit, r, w, package=10_240), Step(r, w)
    for i in range(1, 401):
        server.hear(*kit.blocks(i, np.zeros(step.samples, np.float32), 10_240))
        server.t += step.seconds - 0.02
        server.wait(0.02)
    (streamer,) = server.streamers
    assert [s[0] for s in streamer.steps] == [i * step.samples for i in range(1, 401)]
    for request, (chunks,) in server.answers[::50]:
        first = request.batch_id * step.samples + int(w * r * WINDOW) - FADE
        assert np.array_equal(placed(chunks), kit.tune(np.arange(first, first + FADE + step.samples)))
    assert len(server.answers) == 400 and not server.dropped


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_shuffled_and_repeated_datagrams_change_nothing(kit, data):
    step = Step(0.1).samples
    clean, rough = start(kit), start(kit)
    for i in (1, 2, 3):
        batch = kit.blocks(i, noise(step, i))
        clean.hear(*batch)
        rough.hear(*data.draw(st.permutations(batch + data.draw(st.lists(st.sampled_from(batch), max_size=6)))))
        clean.wait(0.6)
        rough.wait(0.6)
    assert len(rough.answers) == 3 and not rough.dropped
    for (a, x), (b, y) in zip(clean.streamers[0].pushed, rough.streamers[0].pushed, strict=True):
        assert a == b and np.array_equal(x, y)


def test_the_context_lies_where_it_was_played(kit):
    server, step = start(kit), Step(0.1).samples
    server.hear(*kit.blocks(1, noise(step, 1)[:10_000]))  # the song's first plane is shorter than a step
    server.wait(0.6)
    play(kit, server, [2, 3])
    pushed = [(a, len(x)) for a, x in server.streamers[0].pushed]
    assert pushed == [(step - 10_000, 10_000), (step, step), (2 * step, step)]
    assert np.array_equal(server.streamers[0].pushed[2][1], noise(step, 3))


def test_lost_datagrams_cost_silence_but_no_step(kit):
    server, step = start(kit), Step(0.1).samples
    batch = kit.blocks(1, noise(step, 1))
    server.hear(*batch[:2], *batch[3:])
    server.wait(0.04)
    assert not server.requests  # it may still come
    server.wait(0.5)
    (_, (chunks,)), *_ = server.answers
    assert np.array_equal(placed(chunks), kit.tune(np.arange(2 * step - FADE, 3 * step)))
    status = json.loads(server.sent[-1].text)
    assert status["missing"] == 4410 and status["lead_ms"] > 0
    server.hear(batch[2])  # a straggler: too late, and harmless
    assert server.state.tally.counts["straggler"] == 1 and not server.state.tally.counts["incomplete"] > 1


@pytest.mark.parametrize("mode", [0, 1])
def test_two_targets_count_everything_twice_and_get_an_answer_each(kit, mode):
    server, step = start(kit, stems=("bass", "piano")), Step(0.1).samples
    for i in (1, 2):
        if mode == 0:
            server.hear(*kit.blocks(i, noise(step, i), copies=2))
        else:
            for plane in ("guitar", "drums"):
                server.hear(*kit.blocks(i, noise(step, i) / 2, plane=plane, total=2 * 3 * 6))
        assert len(server.requests) == i  # at once, not after a time-out
        server.wait(0.6)
    first = 3 * step - FADE
    for _, packets in server.answers[1:]:
        assert [p[0].stem for p in packets] == ["bass", "piano"]
        for voice, chunks in enumerate(packets):
            assert np.array_equal(placed(chunks), kit.tune(np.arange(first, first + FADE + step)) + voice / 64)
    assert not server.state.tally.counts and np.allclose(server.streamers[0].pushed[1][1], noise(step, 2))


def test_batch_numbers_move_the_edge(kit):
    server, step = start(kit), Step(0.1).samples
    play(kit, server, [1, 2, 5, 6])
    assert [s[0] for s in server.streamers[0].steps] == [step, 2 * step, 5 * step, 6 * step]
    server.hear(*kit.blocks(4, noise(step)))  # behind the newest: ignored
    assert len(server.requests) == 4 and len(server.streamers) == 1


@pytest.mark.parametrize("again", [[1, 2], [900], [3]])
def test_a_number_that_falls_back_or_leaps_is_a_new_session(kit, again):
    server, step = start(kit), Step(0.1).samples
    play(kit, server, range(1, 9))
    server.wait(3)
    play(kit, server, again)
    fresh = server.streamers[1]
    assert [s[0] for s in fresh.steps] == [(k + 1) * step for k in range(len(again))]
    assert min(a for a, _ in fresh.pushed) == 0


def test_a_straggler_of_the_first_batch_is_no_new_session(kit):
    server, step = start(kit), Step(0.1).samples
    play(kit, server, [1, 2])
    server.hear(kit.blocks(1, noise(step, 1))[0])
    play(kit, server, [3])
    assert len(server.streamers) == 1 and server.streamers[0].steps[-1][0] == 3 * step


def test_settings_change_at_the_border_of_a_batch(kit):
    server, step = start(kit), Step(0.1).samples
    batch = kit.blocks(1, noise(step))
    server.hear(batch[0], osc.UpdateR(0.2), osc.W(2.0), osc.PredictInstruments(0, 1, 0, 0), *batch[1:])
    server.wait(0.6)
    play(kit, server, [2], r=0.2)
    (first, _), (second, _) = server.answers
    assert (first.settings.step, first.settings.stems) == (Step(0.1, 1.0), ("bass",))
    assert (second.settings.step, second.settings.stems) == (Step(0.2, 2.0), ("drums",))
    assert server.streamers[1].steps == [(3 * step, 2 * step, int(2 * 0.2 * WINDOW), FADE)]


def test_impossible_settings_are_refused_and_the_old_ones_stay(kit):
    server = start(kit)
    before = server.state.settings
    good = osc.UpdateR(0.5).pack()
    for value in (0.0, 1.5, -1.0, 1e-9, float("nan")):
        server.hear(good[:-8] + np.float64(value).astype(">f8").tobytes())
    assert server.state.settings == before
    server.hear(osc.UpdateR(1.0))
    play(kit, server, [1], r=1.0)
    assert server.streamers[0].steps == [(WINDOW, WINDOW, WINDOW, FADE)]


def test_a_new_instrument_has_heard_the_last_15_seconds(kit):
    server, step = start(kit, 0.25), Step(0.25).samples
    play(kit, server, range(1, 15), r=0.25)
    server.hear(osc.PredictInstruments(0, 0, 0, 1))
    play(kit, server, [15], r=0.25)
    _, piano = server.streamers
    heard = sum(len(x) for _, x in piano.pushed)
    assert 15 * SAMPLE_RATE <= heard <= 15 * SAMPLE_RATE + step and piano.pushed[-1][0] == 14 * step
    assert np.array_equal(piano.pushed[-1][1], noise(step, 15)) and len(piano.steps) == 1


def test_reset_forgets_everything_and_says_so(kit):
    server, step = start(kit, cycle_s=0.3), Step(0.1).samples
    play(kit, server, [1, 2])
    server.hear(*kit.blocks(3, noise(step, 3)))  # in the worker's hands
    server.hear(kit.blocks(4, noise(step, 4))[0], osc.Reset())  # half heard
    server.wait(1)
    assert sorted(server.dropped) == [3, 4] and len(server.answers) == 2
    play(kit, server, [5])
    assert server.streamers[1].steps[0][0] == step and [a for a, _ in server.streamers[1].pushed] == [0]


def test_a_slow_model_loses_steps_but_never_falls_behind(kit):
    server, step = start(kit, cycle_s=0.9), Step(0.1)
    play(kit, server, range(1, 11))
    server.cycle_s = 0.05
    play(kit, server, range(11, 15))
    server.wait(1)
    answered = [request.batch_id for request, _ in server.answers]
    assert sorted(answered + server.dropped) == list(range(1, 15))  # every batch is accounted for
    assert answered[-3:] == [12, 13, 14] and len(answered) >= 8  # back in time within one step
    assert all(edge == i * step.samples for (edge, *_), i in zip(server.streamers[0].steps, answered, strict=True))
    pushed = sum(len(x) for _, x in server.streamers[0].pushed)
    assert pushed == 14 * step.samples  # what was not answered was heard all the same


def test_an_error_of_the_model_costs_one_step(kit):
    server, step = start(kit, fails=[3]), Step(0.1).samples
    play(kit, server, range(1, 6))
    assert server.dropped == [3] and [j.batch_id for j, _ in server.answers] == [1, 2, 4, 5]
    _, fresh = server.streamers
    assert [a for a, _ in fresh.pushed][:4] == [0, step, 2 * step, 3 * step]


def test_lead_is_the_time_left_when_the_answer_is_out(kit):
    server = start(kit, 0.25, cycle_s=0.2)
    play(kit, server, [1], r=0.25)
    late = start(kit, 0.25, w=0.0, cycle_s=0.2)
    play(kit, late, [1], r=0.25)
    for b, offset in ((server, WINDOW // 4), (late, 0)):
        text = next(m.text for m in b.sent if isinstance(m, osc.Status) and "batch_id" in m.text)
        record = json.loads(text)
        assert record["lead_ms"] == pytest.approx(1e3 * ((offset - FADE) / SAMPLE_RATE - 0.2), abs=6)
        assert record["cycle_ms"] == pytest.approx(200, abs=6)
        assert (record["r"], record["w"], record["stems"]) == (0.25, float(offset > 0), ["bass"])
    assert (server.state.tally.late, late.state.tally.late) == (0, 1)


def test_a_lost_update_of_r_or_package_size_is_seen_in_the_data(kit):
    longer, shorter = start(kit, 0.1, package=5120), start(kit, 0.25, package=5120)
    play(kit, longer, [1, 2], r=0.2)
    play(kit, shorter, [1, 2, 3], r=0.2)  # a short plane may be a song's beginning: believed when it comes twice
    assert [s[1] for s in longer.streamers[0].steps] == [Step(0.2).samples] * 2
    assert [s[1] for s in shorter.streamers[0].steps] == [Step(0.25).samples, Step(0.2).samples, Step(0.2).samples]
    assert len(longer.answers[0][1][0][1].samples) == 4410


def test_without_an_instrument_or_a_model_every_batch_is_dropped_aloud(kit):
    server = start(kit, stems=())
    play(kit, server, [1])
    assert server.dropped == [1] and not server.requests
    loading = ServerState({"127.0.0.1"})
    actions = [loading.on_datagram(b.pack(), kit.CLIENT[0], 0.0) for b in kit.blocks(5, noise(26_460))]
    assert [len(a) for a in actions] == [1, 0, 0, 0, 0, 0]
    assert osc.parse_reply(actions[0][0].datagrams[0]) == osc.BatchDropped(5)


def test_ready_is_repeated_until_the_client_speaks_and_again_when_asked(kit):
    server = kit.SimulatedServer()
    server.wait(5)
    assert sum(isinstance(m, osc.Ready) for m in server.sent) == 3
    server.hear(osc.Verbose(0))
    server.wait(5)
    assert sum(isinstance(m, osc.Ready) for m in server.sent) == 3
    server.hear(*[osc.LoadModel()] * 100)
    assert sum(isinstance(m, osc.Ready) for m in server.sent) == 4


def test_packet_tests_come_back_with_their_true_count_and_not_too_often(kit):
    server = kit.SimulatedServer()
    server.hear(*[osc.PacketTest(7, np.array([0.5, np.nan, 1.0], np.float32))] * 50)
    (response,) = [m for m in server.sent if isinstance(m, osc.PacketTestResponse)]
    assert response.samples.tolist() == [0.5, 0.0, 1.0]
    server.wait(1)
    server.hear(osc.PacketTest(1, np.zeros(osc.MAX_FLOATS, np.float32)))  # its answer would not fit: none is given
    assert server.state.tally.counts["size"] == 1


def test_predict_does_not_wait_for_the_rest(kit):
    server = start(kit)
    server.hear(osc.Predict(), *kit.blocks(1, noise(26_460))[:3], osc.Predict())
    assert [j.batch_id for j in server.requests] == [1]


def test_strangers_are_neither_heard_nor_answered(kit):
    server = start(kit)
    for message in (osc.Reset(), osc.UpdateR(0.5), osc.LoadModel(), *kit.blocks(1, noise(26_460))):
        assert server.state.on_datagram(message.pack(), "192.0.2.7", server.t) == []
    assert server.state.settings.step == Step(0.1) and server.state.tally.counts["unknown sender"] == 9


def test_unclean_context_is_cleaned_before_it_is_heard(kit):
    server = start(kit)
    batch = kit.blocks(1, np.full(26_460, np.nan, np.float32))
    server.hear(*batch)
    server.wait(0.5)
    assert not server.streamers[0].pushed[0][1].any() and len(server.answers) == 1
