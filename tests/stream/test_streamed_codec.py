"""The codec inside the Streamer: no delay left, no click where blocks meet, and bad input does not stay in its state."""

import copy
import dataclasses

import numpy as np
import pytest
import torch

from accomp.metrics.clicks import border_excess, click_db
from accomp.stream.rollout import rollout
from accomp.stream.streamer import Streamer
from accomp.timeline import Step


def music(samples: int, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(samples)).astype(np.float32)


def repeater(model) -> Streamer:
    """A streamer whose answers are its context, frame by frame, through the codec."""
    streamer = Streamer(model, ("bass",))
    streamer.generator = lambda context, *_, count, **__: context[:, :, -count:]
    return streamer


def repeated(streamer: Streamer, audio: np.ndarray, step: int, overlap: int = 882) -> np.ndarray:
    """What a repeater says, two steps late, laid where it says that it belongs; (N,), its first step from sample 0 on."""
    played = np.zeros(len(audio), np.float32)
    for edge in range(step, len(audio) + 1, step):
        streamer.push(edge - step, audio[edge - step : edge])
        answer = streamer.step(edge, step, -2 * step, overlap)
        skipped = max(-answer.start, 0)
        played[answer.start + skipped : answer.start + answer.audio.shape[1]] = answer.audio[0, skipped:]
    return played[: len(audio) - 2 * step]


@pytest.mark.parametrize("step", [66_150, 26_460, 8192, 5001])
@torch.inference_mode()
def test_the_streamer_takes_the_delay_out_again(model, step):
    """Sample for sample the offline round trip, for steps that are whole frames and for those that are not."""
    audio = music(8 * step)
    played = repeated(repeater(model), audio, step)
    offline = model.codec.decode(model.codec.encode(torch.from_numpy(audio)[None]))[0].numpy().clip(-1, 1)
    first = step  # the session begins with the first answer that is asked for
    np.testing.assert_allclose(played[first:], offline[first : len(played)], atol=1e-5)


@pytest.fixture(scope="module")
def smooth(model):
    """The model with a decoder that is silent above 800 Hz: an untrained one is so noisy that no click stands out."""
    codec = copy.deepcopy(model.codec)
    for parameter in (codec.out.weight, codec.out.bias):
        parameter[2 * 28 :] = 0
    return dataclasses.replace(model, codec=codec)


@pytest.mark.parametrize("ratio", [0.1, 0.0625])
def test_no_click_where_answers_meet(smooth, ratio):
    """Energy of the second difference at step borders, against 10 ms on either side, over some 60 borders."""
    step = Step(ratio, 1)
    audio = rollout(Streamer(smooth, ("bass",)), music(64 * step.samples), step).audio[0]
    borders = range(3 * step.samples, len(audio), step.samples)
    assert abs(click_db(border_excess(audio, borders))) < 2


def test_a_decoder_that_is_reset_between_steps_is_found(smooth):
    """The figure above can fail: with the overlap of every step lost, it does."""
    step = 8192
    audio = music(60 * step)
    # The decoder's pieces meet one frame past the steps: its delay makes it decode one more than the answer covers.
    borders = np.arange(2 * step, len(audio) - 3 * step, step) + smooth.codec.hop - smooth.codec.delay
    interrupted = repeater(smooth)
    interrupted._decode, decode = (
        lambda *span: (setattr(interrupted, "decoder_state", None), decode(*span))[1],
        interrupted._decode,
    )
    whole, parts = (repeated(streamer, audio, step) for streamer in (repeater(smooth), interrupted))
    assert click_db(border_excess(whole, borders)) < 2
    assert click_db(border_excess(parts, borders)) > 10


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1000.0, -1000.0, 1e30, 0.0, 1.0], ids=str)
def test_bad_samples_are_forgotten_within_the_receptive_field(model, bad):
    """A second of them leaves finite answers, and latents of the context as if it had never been, soon after."""
    step = Step(0.1, 1)
    clean = music(20 * step.samples)
    poisoned = clean.copy()
    poisoned[44_100:88_200] = bad
    streamers = {}
    for name, audio in (("clean", clean), ("poisoned", poisoned)):
        streamers[name] = Streamer(model, ("bass",))
        for edge in range(step.samples, len(audio) + 1, step.samples):
            streamers[name].push(edge - step.samples, audio[edge - step.samples : edge])
            answer = streamers[name].step(edge, step.samples, step.offset, 882)
            assert np.isfinite(answer.audio).all() and np.abs(answer.audio).max() <= 1
    c = model.codec.config
    reach = -(-(model.codec.delay + c.encoder_blocks * 6 * c.fft_hop) // model.codec.hop) + 2 * c.latent_blocks
    well = streamers["clean"].context.stop - (-(-88_200 // model.codec.hop) + reach)
    assert well > 20
    a, b = (streamer.context.latents[:, :, -well:] for streamer in streamers.values())
    torch.testing.assert_close(a, b, atol=1e-4, rtol=0)


def test_blocks_of_one_sample_and_of_none(model):
    """Pushed one by one, with nothing in between, samples are encoded as in one piece; steps may be one sample, too."""
    audio = music(3000)
    whole, single = Streamer(model, ("bass",)), Streamer(model, ("bass",))
    whole.push(0, audio)
    for i, sample in enumerate(audio):
        single.push(i, audio[i:i])
        single.push(i, np.array([sample]))
    one, other = (streamer.step(3000, 2000, 0, 0).audio for streamer in (whole, single))
    np.testing.assert_array_equal(one, other)
    for edge in (3001, 3002):
        single.push(edge - 1, np.ones(1, np.float32))
        assert single.step(edge, 1, 1999, 0).audio.shape == (1, 1)
