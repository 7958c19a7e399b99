"""The paper's way of playing along to a recording, its look into the future included."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from leaky_codec import ExactCodec, LeakyCodec
from tiny_model import shaken

from accomp.diffusion.unet import PaperUNet
from accomp.errors import UserError
from accomp.evaluation.latency import paper_model
from accomp.stream import paper_protocol
from accomp.stream.paper_protocol import paper_rollout
from accomp.timeline import WINDOW, Step

LOOK_AHEAD = Step(0.25, 1)
STEP = LOOK_AHEAD.samples


@pytest.fixture(scope="module")
def paper():
    return paper_model(LeakyCodec(), shaken(PaperUNet(width=16, blocks=1)), "cm_2", torch.device("cpu"))


def music(samples: int, batch: int = 1, seed: int = 0) -> np.ndarray:
    """So slow that the mean of 64 samples keeps its shape."""
    noise = np.random.default_rng(seed).standard_normal((batch, samples // 64 + 1))
    return (0.1 * noise).repeat(64, 1)[:, :samples].astype(np.float32)


def play(model, context, step=LOOK_AHEAD, stems=None, sampler=None, seed=0):
    return paper_rollout(model, stems or ("bass", "drums")[: len(context)], context, step, sampler, seed).audio


def reversed_from(context: np.ndarray, sample: int) -> np.ndarray:
    return np.concatenate([context[:, :sample], context[:, sample:][:, ::-1]], 1)


def test_whole_steps_are_played_and_the_rest_is_silent(paper):
    context = music(WINDOW + 2 * STEP + 1000)
    result = paper_rollout(paper, ("bass",), context, LOOK_AHEAD, None, 0)
    assert result.audio.shape == context.shape and len(result.timings) == 3
    assert set(result.timings[0]) == {"encode_ms", "sample_ms", "decode_ms", "cycle_ms"}
    ends = WINDOW + 2 * STEP
    assert not result.audio[0, ends - 920 :].any(), "decoding ends 920 samples before the window"
    assert (result.audio[0, : ends - 2500] == 0).mean() < 0.1


def test_a_song_shorter_than_the_window_is_played_once(paper):
    assert play(paper, music(100_000)).shape == (1, 100_000)


def test_windows_of_whole_steps_end_in_silence_and_know_nothing_of_each_other(paper):
    context = music(3 * WINDOW)
    audio = play(paper, context, Step(1, -1))[0]
    for k in range(1, 4):
        assert not audio[k * WINDOW - 920 : k * WINDOW].any()
    other = play(paper, np.concatenate([music(WINDOW, seed=5), context[:, WINDOW:]], 1), Step(1, -1))[0]
    assert not np.array_equal(audio[:WINDOW], other[:WINDOW])
    np.testing.assert_array_equal(audio[WINDOW:], other[WINDOW:])


@pytest.mark.parametrize("depth", [0, 1])
def test_the_future_leaks_through_a_codec_that_hears_both_ways(paper, depth):
    """By its neighbours and by its loudness; through a causal one nothing comes."""
    context, step = music(WINDOW + STEP), Step(0.25, depth)
    edge = (64 - 16 * (depth + 1)) * 4096  # of what is visible in the first window
    one, other = (play(paper, c, step)[0, : WINDOW - 2000] for c in (context, reversed_from(context, edge)))
    assert not np.array_equal(one, other)


def test_nothing_leaks_through_a_causal_codec(model):
    context = music(WINDOW + STEP)
    edge = 32 * 4096
    one, other = (play(model, c)[0] for c in (context, reversed_from(context, edge)))
    np.testing.assert_array_equal(one[: WINDOW - 4000], other[: WINDOW - 4000])
    later = play(model, reversed_from(context, edge - 8192))[0]
    assert not np.array_equal(one[: WINDOW - 4000], later[: WINDOW - 4000]), "what is visible is heard"


def test_noise_is_a_matter_of_seed_and_stem_alone(paper):
    context = music(WINDOW + STEP, 2)
    both = play(paper, context, seed=[1, 2])
    np.testing.assert_array_equal(both, play(paper, context, seed=[1, 2]))
    np.testing.assert_allclose(both[1:], play(paper, context[1:], stems=("drums",), seed=2), atol=1e-4)
    assert not np.allclose(both, play(paper, context, seed=1), atol=1e-2)


def exact_codec(monkeypatch, model):
    """The model with an exact codec and a generator that repeats the context; the windows that it was asked for."""
    asked = []

    def repeat(context, past, clock, **span):
        asked.append(SimpleNamespace(context=context.clone(), past=past.clone(), clock=clock, **span))
        return context[:, :, -span["count"] :]

    monkeypatch.setattr(paper_protocol, "Generator", lambda *_: repeat)
    return dataclasses.replace(model, codec=ExactCodec()), asked


@pytest.mark.parametrize("ratio", [0.5, 0.25, 0.125])
def test_answers_lie_where_their_context_lies(paper, monkeypatch, ratio):
    """The answer is the context, but where chunks meet; each chunk replaces the silence that ended the last."""
    exact, _ = exact_codec(monkeypatch, paper)
    step = Step(ratio, -1)
    context = music(WINDOW + 3 * step.samples)
    wrong = np.flatnonzero(play(exact, context, step)[0] != context[0])
    assert (wrong < context.shape[1] - 920).sum() <= 3 * 64, "up to 50 samples of crossfade, and 14 of a shifted column"
    meet = WINDOW + np.arange(3)[:, None] * step.samples - 970
    near = (wrong[wrong < context.shape[1] - 920] - meet >= 0) & (wrong[wrong < context.shape[1] - 920] - meet < 64)
    assert near.any(0).all()


def test_the_window_shifts_by_whole_columns_and_the_audio_does_not(paper, monkeypatch):
    """The paper's drift of 614 samples a step: its own past is late against the context."""
    exact, asked = exact_codec(monkeypatch, paper)
    context = music(WINDOW + 2 * STEP)
    play(exact, context)
    assert [(w.stop, w.count, w.edge - w.start) for w in asked] == [(64, 64, 32), (80, 16, 32), (96, 16, 32)]
    for k, window in enumerate(asked):
        heard = torch.from_numpy(context[:, k * STEP : k * STEP + WINDOW])
        assert torch.equal(window.context, exact.codec.encode(heard)), "encoded with its future"
        assert not window.past[:, :, 64 - 16 * (k > 0) :].any() and window.known == window.start
    assert torch.equal(asked[1].past[:, :, :48], asked[0].context[:, :, 16:])
    assert torch.equal(asked[2].past[:, :, 32:48], asked[1].context[:, :, 48:])


def test_frames_and_steps_that_do_not_fit_the_columns_are_refused(paper):
    codec = LeakyCodec()
    codec.hop = 3000
    with pytest.raises(UserError, match="frames of 3000: use protocol=live"):
        play(dataclasses.replace(paper, codec=codec), music(WINDOW))
    with pytest.raises(UserError, match="at least 1/64"):
        play(paper, music(WINDOW), Step(1 / 100, -1))
