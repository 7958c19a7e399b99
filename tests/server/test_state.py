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


def start(kit, r=0.1, w=1.0, stems=("bass",), package=4410, **bench):
    bench = kit.Bench(**bench)
    flags = [int(s in stems) for s in STEMS]
    bench.hear(osc.UpdatePackageSize(package), osc.UpdateR(r), osc.W(w), osc.UpdateFade(0.02))
    bench.hear(osc.PredictInstruments(*flags))
    return bench


def play(kit, bench, ids, r=0.1, copies=1, package=4410):
    """One batch after another, a step apart."""
    step = Step(r)
    for i in ids:
        bench.hear(*kit.blocks(i, noise(step.samples, i), package, copies=copies))
        bench.wait(step.seconds)


def placed(chunks):
    return np.concatenate([c.samples for c in chunks])


@pytest.mark.parametrize("r, w", [(0.0625, 1.0), (0.1, 1.0), (0.2, 1.0), (0.25, 1.0), (0.0625, 0.0), (0.1, -1.0)])
def test_nothing_drifts_in_400_steps(kit, r, w):
    bench, step = start(kit, r, w, package=10_240), Step(r, w)
    for i in range(1, 401):
        bench.hear(*kit.blocks(i, np.zeros(step.samples, np.float32), 10_240))
        bench.t += step.seconds - 0.02
        bench.wait(0.02)
    (streamer,) = bench.streamers
    assert [s[0] for s in streamer.steps] == [i * step.samples for i in range(1, 401)]
    for request, (chunks,) in bench.answers[::50]:
        first = request.batch_id * step.samples + int(w * r * WINDOW) - FADE
        assert np.array_equal(placed(chunks), kit.tune(np.arange(first, first + FADE + step.samples)))
    assert len(bench.answers) == 400 and not bench.dropped


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
    bench, step = start(kit), Step(0.1).samples
    bench.hear(*kit.blocks(1, noise(step, 1)[:10_000]))  # the song's first plane is shorter than a step
    bench.wait(0.6)
    play(kit, bench, [2, 3])
    pushed = [(a, len(x)) for a, x in bench.streamers[0].pushed]
    assert pushed == [(step - 10_000, 10_000), (step, step), (2 * step, step)]
    assert np.array_equal(bench.streamers[0].pushed[2][1], noise(step, 3))


def test_lost_datagrams_cost_silence_but_no_step(kit):
    bench, step = start(kit), Step(0.1).samples
    batch = kit.blocks(1, noise(step, 1))
    bench.hear(*batch[:2], *batch[3:])
    bench.wait(0.04)
    assert not bench.requests  # it may still come
    bench.wait(0.5)
    (_, (chunks,)), *_ = bench.answers
    assert np.array_equal(placed(chunks), kit.tune(np.arange(2 * step - FADE, 3 * step)))
    status = json.loads(bench.sent[-1].text)
    assert status["missing"] == 4410 and status["lead_ms"] > 0
    bench.hear(batch[2])  # a straggler: too late, and harmless
    assert bench.state.tally.counts["straggler"] == 1 and not bench.state.tally.counts["incomplete"] > 1


@pytest.mark.parametrize("mode", [0, 1])
def test_two_targets_count_everything_twice_and_get_an_answer_each(kit, mode):
    bench, step = start(kit, stems=("bass", "piano")), Step(0.1).samples
    for i in (1, 2):
        if mode == 0:
            bench.hear(*kit.blocks(i, noise(step, i), copies=2))
        else:
            for plane in ("guitar", "drums"):
                bench.hear(*kit.blocks(i, noise(step, i) / 2, plane=plane, total=2 * 3 * 6))
        assert len(bench.requests) == i  # at once, not after a time-out
        bench.wait(0.6)
    first = 3 * step - FADE
    for _, packets in bench.answers[1:]:
        assert [p[0].stem for p in packets] == ["bass", "piano"]
        for voice, chunks in enumerate(packets):
            assert np.array_equal(placed(chunks), kit.tune(np.arange(first, first + FADE + step)) + voice / 64)
    assert not bench.state.tally.counts and np.allclose(bench.streamers[0].pushed[1][1], noise(step, 2))


def test_batch_numbers_move_the_edge(kit):
    bench, step = start(kit), Step(0.1).samples
    play(kit, bench, [1, 2, 5, 6])
    assert [s[0] for s in bench.streamers[0].steps] == [step, 2 * step, 5 * step, 6 * step]
    bench.hear(*kit.blocks(4, noise(step)))  # behind the newest: ignored
    assert len(bench.requests) == 4 and len(bench.streamers) == 1


@pytest.mark.parametrize("again", [[1, 2], [900], [3]])
def test_a_number_that_falls_back_or_leaps_is_a_new_session(kit, again):
    bench, step = start(kit), Step(0.1).samples
    play(kit, bench, range(1, 9))
    bench.wait(3)
    play(kit, bench, again)
    fresh = bench.streamers[1]
    assert [s[0] for s in fresh.steps] == [(k + 1) * step for k in range(len(again))]
    assert min(a for a, _ in fresh.pushed) == 0


def test_a_straggler_of_the_first_batch_is_no_new_session(kit):
    bench, step = start(kit), Step(0.1).samples
    play(kit, bench, [1, 2])
    bench.hear(kit.blocks(1, noise(step, 1))[0])
    play(kit, bench, [3])
    assert len(bench.streamers) == 1 and bench.streamers[0].steps[-1][0] == 3 * step


def test_settings_change_at_the_border_of_a_batch(kit):
    bench, step = start(kit), Step(0.1).samples
    batch = kit.blocks(1, noise(step))
    bench.hear(batch[0], osc.UpdateR(0.2), osc.W(2.0), osc.PredictInstruments(0, 1, 0, 0), *batch[1:])
    bench.wait(0.6)
    play(kit, bench, [2], r=0.2)
    (first, _), (second, _) = bench.answers
    assert (first.settings.step, first.settings.stems) == (Step(0.1, 1.0), ("bass",))
    assert (second.settings.step, second.settings.stems) == (Step(0.2, 2.0), ("drums",))
    assert bench.streamers[1].steps == [(3 * step, 2 * step, int(2 * 0.2 * WINDOW), FADE)]


def test_impossible_settings_are_refused_and_the_old_ones_stay(kit):
    bench = start(kit)
    before = bench.state.settings
    good = osc.UpdateR(0.5).pack()
    for value in (0.0, 1.5, -1.0, 1e-9, float("nan")):
        bench.hear(good[:-8] + np.float64(value).astype(">f8").tobytes())
    assert bench.state.settings == before
    bench.hear(osc.UpdateR(1.0))
    play(kit, bench, [1], r=1.0)
    assert bench.streamers[0].steps == [(WINDOW, WINDOW, WINDOW, FADE)]


def test_a_new_instrument_has_heard_the_last_15_seconds(kit):
    bench, step = start(kit, 0.25), Step(0.25).samples
    play(kit, bench, range(1, 15), r=0.25)
    bench.hear(osc.PredictInstruments(0, 0, 0, 1))
    play(kit, bench, [15], r=0.25)
    _, piano = bench.streamers
    heard = sum(len(x) for _, x in piano.pushed)
    assert 15 * SAMPLE_RATE <= heard <= 15 * SAMPLE_RATE + step and piano.pushed[-1][0] == 14 * step
    assert np.array_equal(piano.pushed[-1][1], noise(step, 15)) and len(piano.steps) == 1


def test_reset_forgets_everything_and_says_so(kit):
    bench, step = start(kit, cycle_s=0.3), Step(0.1).samples
    play(kit, bench, [1, 2])
    bench.hear(*kit.blocks(3, noise(step, 3)))  # in the worker's hands
    bench.hear(kit.blocks(4, noise(step, 4))[0], osc.Reset())  # half heard
    bench.wait(1)
    assert sorted(bench.dropped) == [3, 4] and len(bench.answers) == 2
    play(kit, bench, [5])
    assert bench.streamers[1].steps[0][0] == step and [a for a, _ in bench.streamers[1].pushed] == [0]


def test_a_slow_model_loses_steps_but_never_falls_behind(kit):
    bench, step = start(kit, cycle_s=0.9), Step(0.1)
    play(kit, bench, range(1, 11))
    bench.cycle_s = 0.05
    play(kit, bench, range(11, 15))
    bench.wait(1)
    answered = [request.batch_id for request, _ in bench.answers]
    assert sorted(answered + bench.dropped) == list(range(1, 15))  # every batch is accounted for
    assert answered[-3:] == [12, 13, 14] and len(answered) >= 8  # back in time within one step
    assert all(edge == i * step.samples for (edge, *_), i in zip(bench.streamers[0].steps, answered, strict=True))
    pushed = sum(len(x) for _, x in bench.streamers[0].pushed)
    assert pushed == 14 * step.samples  # what was not answered was heard all the same


def test_an_error_of_the_model_costs_one_step(kit):
    bench, step = start(kit, fails=[3]), Step(0.1).samples
    play(kit, bench, range(1, 6))
    assert bench.dropped == [3] and [j.batch_id for j, _ in bench.answers] == [1, 2, 4, 5]
    _, fresh = bench.streamers
    assert [a for a, _ in fresh.pushed][:4] == [0, step, 2 * step, 3 * step]


def test_lead_is_the_time_left_when_the_answer_is_out(kit):
    bench = start(kit, 0.25, cycle_s=0.2)
    play(kit, bench, [1], r=0.25)
    late = start(kit, 0.25, w=0.0, cycle_s=0.2)
    play(kit, late, [1], r=0.25)
    for b, offset in ((bench, WINDOW // 4), (late, 0)):
        text = next(m.text for m in b.sent if isinstance(m, osc.Status) and "batch_id" in m.text)
        record = json.loads(text)
        assert record["lead_ms"] == pytest.approx(1e3 * ((offset - FADE) / SAMPLE_RATE - 0.2), abs=6)
        assert record["cycle_ms"] == pytest.approx(200, abs=6)
        assert (record["r"], record["w"], record["stems"]) == (0.25, float(offset > 0), ["bass"])
    assert (bench.state.tally.late, late.state.tally.late) == (0, 1)


def test_a_lost_update_of_r_or_package_size_is_seen_in_the_data(kit):
    longer, shorter = start(kit, 0.1, package=5120), start(kit, 0.25, package=5120)
    play(kit, longer, [1, 2], r=0.2)
    play(kit, shorter, [1, 2, 3], r=0.2)  # a short plane may be a song's beginning: believed when it comes twice
    assert [s[1] for s in longer.streamers[0].steps] == [Step(0.2).samples] * 2
    assert [s[1] for s in shorter.streamers[0].steps] == [Step(0.25).samples, Step(0.2).samples, Step(0.2).samples]
    assert len(longer.answers[0][1][0][1].samples) == 4410


def test_without_an_instrument_or_a_model_every_batch_is_dropped_aloud(kit):
    bench = start(kit, stems=())
    play(kit, bench, [1])
    assert bench.dropped == [1] and not bench.requests
    loading = ServerState({"127.0.0.1"})
    actions = [loading.on_datagram(b.pack(), kit.CLIENT[0], 0.0) for b in kit.blocks(5, noise(26_460))]
    assert [len(a) for a in actions] == [1, 0, 0, 0, 0, 0]
    assert osc.parse_reply(actions[0][0].datagrams[0]) == osc.BatchDropped(5)


def test_ready_is_repeated_until_the_client_speaks_and_again_when_asked(kit):
    bench = kit.Bench()
    bench.wait(5)
    assert sum(isinstance(m, osc.Ready) for m in bench.sent) == 3
    bench.hear(osc.Verbose(0))
    bench.wait(5)
    assert sum(isinstance(m, osc.Ready) for m in bench.sent) == 3
    bench.hear(*[osc.LoadModel()] * 100)
    assert sum(isinstance(m, osc.Ready) for m in bench.sent) == 4


def test_packet_tests_come_back_with_their_true_count_and_not_too_often(kit):
    bench = kit.Bench()
    bench.hear(*[osc.PacketTest(7, np.array([0.5, np.nan, 1.0], np.float32))] * 50)
    (response,) = [m for m in bench.sent if isinstance(m, osc.PacketTestResponse)]
    assert response.samples.tolist() == [0.5, 0.0, 1.0]
    bench.wait(1)
    bench.hear(osc.PacketTest(1, np.zeros(osc.MAX_FLOATS, np.float32)))  # its answer would not fit: none is given
    assert bench.state.tally.counts["size"] == 1


def test_predict_does_not_wait_for_the_rest(kit):
    bench = start(kit)
    bench.hear(osc.Predict(), *kit.blocks(1, noise(26_460))[:3], osc.Predict())
    assert [j.batch_id for j in bench.requests] == [1]


def test_strangers_are_neither_heard_nor_answered(kit):
    bench = start(kit)
    for message in (osc.Reset(), osc.UpdateR(0.5), osc.LoadModel(), *kit.blocks(1, noise(26_460))):
        assert bench.state.on_datagram(message.pack(), "192.0.2.7", bench.t) == []
    assert bench.state.settings.step == Step(0.1) and bench.state.tally.counts["unknown sender"] == 9


def test_unclean_context_is_cleaned_before_it_is_heard(kit):
    bench = start(kit)
    batch = kit.blocks(1, np.full(26_460, np.nan, np.float32))
    bench.hear(*batch)
    bench.wait(0.5)
    assert not bench.streamers[0].pushed[0][1].any() and len(bench.answers) == 1
