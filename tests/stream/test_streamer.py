import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_model import clicks

from accomp.beat.clock import NoClock
from accomp.stream.history import AudioHistory
from accomp.stream.rollout import rollout
from accomp.stream.streamer import Streamer
from accomp.timeline import SAMPLE_RATE, Step

RATIOS = (0.25, 0.2, 0.1, 0.0625, 0.03125)


def music(samples, batch=1, seed=0):
    return (0.1 * np.random.default_rng(seed).standard_normal((batch, samples))).astype(np.float32)


def answers(model, audio, step, stems=("bass",), overlap=882, seed=0, upto=None):
    streamer = Streamer(model, stems, seed=seed)
    for edge in range(step.samples, (upto or audio.shape[1]) + 1, step.samples):
        streamer.push(edge - step.samples, audio[:, edge - step.samples : edge])
        yield edge, streamer.step(edge, step.samples, step.offset, overlap)


@pytest.mark.parametrize("depth", [-1, 0, 1])
@pytest.mark.parametrize("ratio", RATIOS)
def test_answers_tile_the_timeline_and_never_drift(model, ratio, depth):
    step, overlap = Step(ratio, depth), 882
    audio, previous = music(6 * step.samples), None
    for edge, answer in answers(model, audio, step):
        assert answer.start == edge + step.offset - overlap
        assert answer.audio.shape == (1, overlap + step.samples)
        assert np.isfinite(answer.audio).all() and np.abs(answer.audio).max() <= 1
        assert answer.missing == 0
        if previous is not None:  # the overlap repeats the end of the last answer, sample by sample
            np.testing.assert_array_equal(answer.audio[:, :overlap], previous.audio[:, -overlap:])
        previous = answer
    assert np.abs(previous.audio).max() > 1e-4


@pytest.mark.parametrize("depth", [-1, 0, 1])
def test_nothing_after_the_live_edge_matters(model, depth):
    """Two contexts that are equal up to the live edge give the same answer, whatever follows."""
    step = Step(0.1, depth)
    one, two = music(8 * step.samples, seed=1), music(8 * step.samples, seed=2)
    edge = 5 * step.samples
    two[:, :edge] = one[:, :edge]
    a, b = (list(answers(model, x, step, upto=edge)) for x in (one, two))
    for (_, x), (_, y) in zip(a, b, strict=True):
        np.testing.assert_array_equal(x.audio, y.audio)


def test_audio_beyond_the_edge_is_not_encoded_early(model):
    step = Step(0.1, 0)
    audio = music(6 * step.samples)
    stepwise = [answer.audio for _, answer in answers(model, audio, step)]
    streamer = Streamer(model, ("bass",))
    streamer.push(0, audio)  # everything at once, the future included
    edges = range(step.samples, audio.shape[1] + 1, step.samples)
    early = [streamer.step(edge, step.samples, step.offset, 882).audio for edge in edges]
    np.testing.assert_array_equal(np.stack(stepwise), np.stack(early))


@given(st.lists(st.integers(1, 30_000), min_size=1, max_size=20), st.randoms())
@settings(max_examples=8, deadline=None)
def test_blocks_of_any_size_in_any_order_give_the_same_answers(model, lengths, random):
    step = Step(0.1, 1)
    audio = music(4 * step.samples)
    expected = [answer.audio for _, answer in answers(model, audio, step)]
    streamer, result = Streamer(model, ("bass",)), []
    for edge in range(step.samples, audio.shape[1] + 1, step.samples):
        starts = [edge - step.samples]
        for length in lengths:
            if starts[-1] + length < edge:
                starts.append(starts[-1] + length)
        spans = list(zip(starts, [*starts[1:], edge], strict=True))
        random.shuffle(spans)
        for start, stop in spans:
            streamer.push(start, audio[0, start:stop])
        result.append(streamer.step(edge, step.samples, step.offset, 882).audio)
    np.testing.assert_array_equal(np.stack(expected), np.stack(result))


def test_an_item_does_not_depend_on_the_others_of_its_batch(model):
    step = Step(0.1, 1)
    audio = music(4 * step.samples)
    together = [a.audio for _, a in answers(model, audio, step, ("drums", "bass", "piano"))]
    alone = [a.audio for _, a in answers(model, audio, step, ("bass",))]
    np.testing.assert_allclose(np.stack(together)[:, 1], np.stack(alone)[:, 0], atol=1e-5)


def test_a_seed_repeats_and_another_differs(model):
    step = Step(0.1, 1)
    audio = music(3 * step.samples)
    one, same, other = ([a.audio for _, a in answers(model, audio, step, seed=s)] for s in (5, 5, 6))
    np.testing.assert_array_equal(np.stack(one), np.stack(same))
    assert not np.allclose(np.stack(one), np.stack(other))


def test_gaps_are_counted_and_steps_may_be_dropped(model):
    """Of a session of 8 steps, 1000 samples of the second and all of steps 4 to 6 never came."""
    step, missing = Step(0.1, 1), {}
    audio = music(8 * step.samples)
    streamer = Streamer(model, ("bass",))
    for n in (1, 2, 3, 7, 8):
        edge = n * step.samples
        streamer.push(edge - step.samples, audio[:, edge - step.samples : edge - (1000 if n == 2 else 0)])
        answer = streamer.step(edge, step.samples, step.offset, 882)
        assert answer.start == edge + step.offset - 882
        missing[n] = answer.missing
    # A step encodes whole frames only, so that a hole at its end is met by this step or the next.
    assert missing[1] == missing[8] == 0
    assert missing[2] + missing[3] == 1000
    assert missing[7] == 3 * step.samples


def test_a_long_pause_without_any_audio_is_survived(model):
    step = Step(0.1, 1)
    streamer = Streamer(model, ("bass",))
    streamer.push(0, music(step.samples))
    streamer.step(step.samples, step.samples, step.offset)
    far = 10_000 * step.samples
    streamer.push(far - step.samples, music(step.samples))
    answer = streamer.step(far, step.samples, step.offset)
    assert answer.start == far + step.offset and np.isfinite(answer.audio).all()


class RecordingClock(NoClock):
    """A clock that records what it is given: (first frame, latents)."""

    def __init__(self):
        self.given = []

    def listen(self, latents, start, heard=None):
        self.given.append((start, latents))


def given(model, steps, skipped=(), first=1):
    """The frames that a clock was given in a session, and their latents, (1, C, T)."""
    step, clock = Step(0.1, 1), RecordingClock()
    audio = music(steps * step.samples)
    streamer = Streamer(model, ("bass",), clock=clock)
    streamer.push(0, audio)
    for n in range(first, steps + 1):
        if n not in skipped:
            streamer.step(n * step.samples, step.samples, step.offset)
    frames = [start + i for start, latents in clock.given for i in range(latents.shape[2])]
    return frames, torch.cat([latents for _, latents in clock.given], 2)


@pytest.mark.parametrize(("first", "skipped"), [(1, ()), (4, ()), (14, ()), (1, range(3, 6)), (1, range(3, 14))], ids=str)
def test_the_clock_is_told_which_frames_it_is_given(model, first, skipped):
    """Also by a streamer that starts late or whose steps were dropped, for less and for more than its memory of 64 frames."""
    frames, latents = given(model, 16, skipped, first)
    every, expected = given(model, 16)
    assert every == list(range(len(every)))
    assert frames == sorted(set(frames)) and frames[-1] == every[-1]
    settled = slice(-20, None)  # an encoder that starts late has no history
    torch.testing.assert_close(latents[:, :, settled], expected[:, :, frames[settled]], atol=1e-4, rtol=0)


def test_a_streamer_that_starts_late_knows_the_beat(model):
    """An instrument that is added after 20 s plays on a fresh streamer, which is given the last 15 s of the player."""
    model = dataclasses.replace(model, config=model.config | {"frames": 280})  # 13 s, as much as the tracker remembers
    step = Step(0.25, 1)
    audio, beat = clicks(21, bpm=110)
    streamer = Streamer(model, ("bass",))
    edge = 20 * SAMPLE_RATE
    streamer.push(edge - 15 * SAMPLE_RATE, audio[edge - 15 * SAMPLE_RATE : edge])
    streamer.step(edge, step.samples, step.offset)
    (pulse,) = streamer.clock.pulses()
    assert pulse.frequency * 60 * SAMPLE_RATE / model.codec.hop == pytest.approx(110, rel=0.01)
    assert abs((pulse.beat - beat[pulse.at * model.codec.hop] + 0.5) % 1 - 0.5) < 0.1


def test_non_finite_context_does_not_stay(model):
    step = Step(0.1, 1)
    bad = music(40 * step.samples)
    bad[:, :1000] = np.nan
    bad[:, 1000:2000] = np.inf
    bad[:, 2000:3000] = 1e30
    for _, answer in answers(model, bad, step):
        assert np.isfinite(answer.audio).all()


def test_warm_up_leaves_no_trace(model):
    step = Step(0.1, 1)
    audio = music(2 * step.samples)
    cold = [a.audio for _, a in answers(model, audio, step)]
    streamer = Streamer(model, ("bass",))
    streamer.warm_up(step.samples, step.offset)
    for i, edge in enumerate((step.samples, 2 * step.samples)):
        streamer.push(edge - step.samples, audio[:, edge - step.samples : edge])
        np.testing.assert_array_equal(streamer.step(edge, step.samples, step.offset, 882).audio, cold[i])


@pytest.mark.parametrize("depth", [-1, 0, 1])
def test_rollout_is_what_a_live_client_plays(model, depth):
    """A rollout over a recording is exactly what the same steps give live; before the first answer it is silent."""
    step = Step(0.1, depth)
    audio = music(7 * step.samples + 999)
    result = rollout(Streamer(model, ("bass",)), audio, step)
    assert result.audio.shape == audio.shape
    first = step.samples + step.offset - 882
    assert np.abs(result.audio[:, : max(first, 0)]).max(initial=0) == 0
    assert all({"encode_ms", "sample_ms", "decode_ms", "cycle_ms"} <= set(t) for t in result.timings)
    for _, answer in list(answers(model, audio, step))[:5]:
        inside = result.audio[:, answer.start + 882 : answer.start + 882 + step.samples - 882]
        np.testing.assert_array_equal(inside, answer.audio[:, 882:-882][:, : inside.shape[1]])


def test_history_drops_only_what_is_old():
    history = AudioHistory(1, 100)
    history.write(250, np.ones(30, np.float32))
    history.write(240, 2 * np.ones(5, np.float32))
    audio, missing = history.read(235, 285)
    assert audio[0].tolist() == [0] * 5 + [2] * 5 + [0] * 5 + [1] * 30 + [0] * 5
    assert missing == 50 - 35
    history.write(0, np.ones(10, np.float32))  # far too late
    assert history.read(0, 10)[1] == 10
    history.write(1000, np.arange(300, dtype=np.float32))  # longer than the memory
    assert history.read(1200, 1300)[0][0].tolist() == list(range(200, 300))


@pytest.mark.parametrize("depth", [0, 1])
def test_items_together_are_given_the_player_and_each_other_before_the_live_edge(model, depth):
    """With `together`, the bass is what a bass alone would be to the player and the drums."""
    step, stems = Step(0.1, depth), ("bass", "drums")
    audio = music(8 * step.samples)
    band, alone = Streamer(model, stems, together=True), Streamer(model, ("bass",))
    drums = np.zeros((1, audio.shape[1] + 3 * step.samples), np.float32)
    for edge in range(step.samples, audio.shape[1] + 1, step.samples):
        new = slice(edge - step.samples, edge)
        band.push(new.start, audio[:, new])
        alone.push(new.start, audio[:, new] + drums[:, new])
        answer = band.step(edge, step.samples, step.offset)
        expected = alone.step(edge, step.samples, step.offset)
        np.testing.assert_allclose(answer.audio[:1], expected.audio, atol=1e-4)
        drums[:, answer.start : answer.start + step.samples] = answer.audio[1:]
    apart = [answer.audio[:1] for _, answer in answers(model, audio, step, stems, overlap=0)]
    assert np.abs(apart[-1] - answer.audio[:1]).max() > 1e-3
