"""A model that plans, played as a stream: what its network is told of the frames to come."""

import numpy as np
import pytest
import torch
from tiny_model import shaken

from accomp.beat.clock import GridClock
from accomp.beat.grid import BeatGrid
from accomp.codec.note_codec import NOTE_SCALE, NoteCodec
from accomp.diffusion.precond import Denoiser
from accomp.diffusion.transformer import Transformer
from accomp.model import Model
from accomp.plan.contract import BASS, CHROMA, CONFIDENCE, plan_rows
from accomp.plan.weights import UNEXPECTED
from accomp.stream.generator import Generator
from accomp.stream.streamer import Streamer
from accomp.timeline import SAMPLE_RATE, Step

CODEC = {"width": 16, "latent_width": 16, "decoder_blocks": 1, "transcriber_width": 2, "transcriber_memory": 8}
STEP = Step(0.25, 1)


@pytest.fixture(scope="module")
def planner() -> Model:
    torch.manual_seed(0)
    codec = NoteCodec(**CODEC).eval()
    codec.fit(torch.randn(400, codec.basis.shape[1]))
    net = {"channels": codec.channels, "width": 32, "layers": 2, "heads": 2, "plan": plan_rows(codec.channels)}
    samplers = {"one": {"denoiser": "teacher", "function": "euler", "steps": 1, "sigma_min": 2, "sigma_max": 20, "rho": 5}}
    config = {"net": net, "frames": 96, "longest_step": 66, "sampler": "one", "samplers": samplers}
    denoiser = shaken(Denoiser(Transformer(**net)))
    return Model("planner", config, codec, {"teacher": denoiser}, None, torch.device("cpu"))


@pytest.fixture
def told(planner, monkeypatch) -> list[dict]:
    """What the generator was told at every call."""
    seen = []
    forward = Transformer.forward

    def spied(self, x, c_noise, condition):
        seen.append({"plan": condition.plan, "masks": condition.masks, "past": condition.past})
        return forward(self, x, c_noise, condition)

    monkeypatch.setattr(Transformer, "forward", spied)
    return seen


def played(model: Model, step: Step, steps: int = 30) -> Streamer:
    beats = np.arange(0, 120, 0.5)
    clock = GridClock([BeatGrid(beats, beats[::4])], model.codec.hop)
    streamer = Streamer(model, ("bass",), clock=clock)
    audio = (0.1 * np.sin(2 * np.pi * 220 * np.arange(steps * step.samples) / SAMPLE_RATE)).astype(np.float32)
    for edge in range(step.samples, len(audio) + 1, step.samples):
        streamer.push(edge - step.samples, audio[edge - step.samples : edge])
        streamer.step(edge, step.samples, step.offset, 882)
    return streamer


def test_a_session_in_its_first_seconds_has_no_plan(planner, told):
    played(planner, STEP, steps=3)
    assert not any(call["plan"].any() for call in told)


def test_music_that_repeats_is_expected_to_where_the_player_has_not_been(planner, told, monkeypatch):
    heard = {"frames": 0}

    def cycle(latents: torch.Tensor) -> torch.Tensor:
        """Four beats of different keys, over and over, by the number of the frame."""
        frames = heard["frames"] + torch.arange(latents.shape[2])
        heard["frames"] += latents.shape[2]
        beat = (frames * planner.codec.hop / SAMPLE_RATE / 0.5).long() % 4
        found = torch.zeros(len(latents), 88, latents.shape[2])
        found[:, 30 + 3 * beat, torch.arange(latents.shape[2])] = 1
        return found

    monkeypatch.setattr(planner.codec, "keys", cycle)
    monkeypatch.setattr("accomp.plan.own.OwnPlan.play", lambda self, own, start: None)
    played(planner, STEP)
    assert told[-1]["plan"].shape == (1, plan_rows(planner.codec.channels), 96)
    assert told[-1]["plan"][0, CONFIDENCE, -64:].min() > 0.95
    for call in told:
        assert not call["plan"][0][:, call["masks"].visible[0]].any()


def test_with_everything_visible_only_what_completes_the_last_frames_has_a_plan(planner, told):
    played(planner, Step(0.25, -1), steps=24)
    assert all(call["plan"] is None or not call["plan"][:, :, :-2].any() for call in told)


@pytest.mark.parametrize("left_out", [[], ["renewal"]])
def test_of_a_stem_that_has_rested_for_two_seconds_the_past_is_unknown(planner, told, monkeypatch, left_out):
    monkeypatch.setitem(planner.config, "without", left_out)
    settled, stop = planner.codec.settled, [0]

    def rests(latents, before, monophonic):
        """Sounds but from 4.5 to 12 s after its beginning."""
        latents = settled(latents, before, monophonic)
        latents[:, : planner.codec.channels - planner.codec.config.timbre] = 0
        played_s = (stop[0] + np.arange(latents.shape[2])) * planner.codec.hop / SAMPLE_RATE
        latents[:, 30, torch.from_numpy((played_s < 4.5) | (played_s > 12))] = NOTE_SCALE
        stop[0] += latents.shape[2]
        return latents

    monkeypatch.setattr(planner.codec, "settled", rests)
    monkeypatch.setattr(planner.codec, "rests", lambda latents: ~(latents[:, 30] > 0).any(1))
    played(planner, STEP, steps=14)
    known = np.array([int(call["masks"].known.sum()) for call in told])
    frames = np.array([int(call["masks"].target.sum()) for call in told])
    begins_s = (np.cumsum(frames) - frames) * planner.codec.hop / SAMPLE_RATE
    forgets = (begins_s > 4.5 + 2.1) & (begins_s < 12)
    if left_out:
        assert known[begins_s > 1].all()
        return
    assert forgets.sum() >= 2 and not known[forgets].any()
    assert known[(begins_s > 1) & (begins_s < 4.5 + 1.9)].all()
    again = known[begins_s > 12]
    assert len(again) >= 2 and again.all() and again[0] < 96 - frames[-1], "what lay before the rest stays unknown"


def test_what_is_played_and_remembered_is_whole_notes(planner):
    streamer = played(planner, STEP, steps=4)
    keys = streamer.own.latents[:, :88] / NOTE_SCALE
    assert torch.equal(keys, keys.round()) and keys.min() >= 0 and keys.max() <= 2


def test_keys_that_the_plan_does_not_expect_are_unlikely(planner, monkeypatch):
    frames, count = 96, 40
    nothing = torch.zeros(1, planner.codec.channels, frames)
    plan = torch.zeros(1, plan_rows(planner.codec.channels), frames)
    plan[:, CHROMA][:, 0, -20:] = plan[:, BASS][:, 0, -20:] = 1  # C, in the last frames only
    generator, hidden = Generator(planner, ("bass",), seeds=[0]), frames - count
    answer = generator(nothing, nothing, torch.zeros(1, 10, frames), frames, count, 0, hidden, hidden, plan)
    keys = planner.codec.keys(answer)[0]
    others = (torch.arange(88) + planner.codec.lowest_pitch) % 12 != 0
    assert keys[others, :20].max() > 0.5 and keys[~others].max() > 0.5
    assert keys[others, 20:].max() <= UNEXPECTED + 1e-6
    monkeypatch.setitem(planner.config, "without", ["weights"])
    unweighted = generator(nothing, nothing, torch.zeros(1, 10, frames), frames, count, 0, hidden, hidden, plan)
    assert planner.codec.keys(unweighted)[0][others, 20:].max() > 0.5


@pytest.mark.parametrize("left_out", [[], ["smoothing"]])
def test_held_notes_are_smoothed_before_they_are_heard_unless_that_is_left_out(planner, monkeypatch, left_out):
    monkeypatch.setitem(planner.config, "without", left_out)
    smoothed, seen = planner.codec.smoothed, []
    monkeypatch.setattr(planner.codec, "smoothed", lambda latents: seen.append(latents.shape[2]) or smoothed(latents))
    played(planner, STEP, steps=4)
    assert bool(seen) != bool(left_out)
