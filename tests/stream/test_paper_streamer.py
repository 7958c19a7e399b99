"""The paper's network and samplers behind the Streamer, with a codec small enough for tests."""

import dataclasses

import numpy as np
import pytest
import torch
from leaky_codec import LeakyCodec
from tiny_model import CODEC, shaken, write_model

from accomp.codec.autoencoder import Autoencoder
from accomp.diffusion.unet import PaperUNet
from accomp.model import load_model
from accomp.paper_checkpoint import SAMPLERS
from accomp.stream.streamer import Streamer

STEP = 16_384  # 8 frames of 2048
ADPM2, CM = SAMPLERS["edm"]["adpm2_5"], SAMPLERS["consistency"]["cm_2"]


@pytest.fixture(scope="module")
def paper(tmp_path_factory):
    codec = shaken(Autoencoder(**CODEC | {"channels": 64}))
    samplers = {"adpm2_5": ADPM2 | {"denoiser": "teacher"}, "cm_2": CM | {"denoiser": "student"}}
    sampling = {"samplers": samplers, "sampler": "cm_2", "frames": 16, "longest_step": 16}
    net = {"width": 16, "blocks": 1}
    return load_model(write_model(tmp_path_factory.mktemp("paper"), codec, PaperUNet, net, **sampling))


def play(model, stems=("bass",), sampler=None, steps=4, change=None, **options):
    """Answers of a session at w = 0 on noise; `change` is a sample from which on the noise is another."""
    streamer = Streamer(model, stems, sampler=sampler, **options)
    sound = 0.1 * np.random.default_rng(0).standard_normal(steps * STEP).astype(np.float32)
    if change is not None:
        sound[change:] = sound[change:][::-1]
    audio = []
    for k in range(steps):
        streamer.push(k * STEP, sound[k * STEP : (k + 1) * STEP])
        audio.append(streamer.step((k + 1) * STEP, STEP, 0).audio)
    return np.concatenate(audio, 1)


@pytest.mark.parametrize("sampler", ["adpm2_5", "cm_2"])
def test_depends_only_on_what_was_played_before(paper, sampler):
    one, two = play(paper, sampler=sampler), play(paper, sampler=sampler, change=3 * STEP)
    assert np.isfinite(one).all() and np.abs(one).max() > 0
    np.testing.assert_array_equal(one[:, : 3 * STEP], two[:, : 3 * STEP])
    assert not np.array_equal(one[:, 3 * STEP :], two[:, 3 * STEP :])


def test_an_item_does_not_depend_on_the_others_of_its_batch(paper):
    together = play(paper, ("bass", "drums"), seed=[1, 2])
    np.testing.assert_allclose(together[1:], play(paper, ("drums",), seed=[2]), atol=1e-3)


def test_the_own_past_matters(paper):
    """Only the sampler uses it: without it the same window is filled differently."""
    streamer = Streamer(paper, ("bass",))
    past, context = torch.randn(2, 1, 64, 16)
    where = {"stop": 16, "count": 8, "start": 0, "edge": 8}
    clock = torch.zeros(1, 10, 16)
    with torch.inference_mode():
        one, again = (streamer.generator(context, past, clock, known=0, **where) for _ in range(2))
        cold = streamer.generator(context, past, clock, known=8, **where)
    assert one.shape == (1, 64, 8) and torch.equal(one, again) and not torch.allclose(one, cold)


@pytest.mark.parametrize(("step", "depth"), [(66_150, 1), (66_150, 0), (33_075, -1), (264_600, 0), (26_460, 8), (132_300, 1)])
def test_a_codec_that_is_not_causal_encodes_the_window_again_at_every_step(paper, step, depth):
    """As on the paper's server: the whole window of the answer, silent after the live edge and before the session."""
    codec, frames = LeakyCodec(), 64
    model = dataclasses.replace(paper, codec=codec, config=paper.config | {"frames": frames, "longest_step": frames})
    streamer = Streamer(model, ("bass",), sampler="cm_2")
    sound = 0.1 * np.random.default_rng(0).standard_normal(8 * step).astype(np.float32)
    asked = []

    def generator(context, past, clock, **span):
        asked.append((context, span))
        return torch.zeros_like(past[:, :, : span["count"]])

    streamer.generator = generator
    for edge in range(step, len(sound) + 1, step):
        asked.clear()
        streamer.push(edge - step, sound[edge - step : edge])
        streamer.step(edge, step, depth * step)
        context, span = asked[-1]
        first = span["stop"] - frames
        audio = np.zeros(frames * codec.hop, np.float32)
        known = sound[max(first * codec.hop, 0) : edge][: len(audio)]
        audio[max(-first * codec.hop, 0) :][: len(known)] = known
        expected = codec.encode(torch.from_numpy(audio)[None])[:, :, : max(span["edge"] - first, 0)]
        assert span["edge"] == edge // codec.hop and span["start"] == first
        torch.testing.assert_close(context[:, :, : expected.shape[2]], expected)
        assert not context[:, :, expected.shape[2] :].any()
