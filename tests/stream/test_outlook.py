"""What a streamer says that it intends is what it will play, on the beats of its clock."""

import json

import numpy as np
import pytest
import torch
from test_streamer_plan import STEP, planner  # noqa: F401

from accomp.beat.clock import GridClock
from accomp.beat.grid import BeatGrid
from accomp.codec.note_codec import NOTE_SCALE
from accomp.plan.chart import ChartPlan
from accomp.plan.lead_sheet import parse_sheet
from accomp.server.leading import _beat_chords
from accomp.stream.outlook import _held
from accomp.stream.streamer import Streamer
from accomp.timeline import SAMPLE_RATE

CHORDS = {"C": (48, 52, 55), "Am": (45, 48, 52), "F": (41, 45, 48), "G": (43, 47, 50)}  # a bar each, round and round


@pytest.fixture
def streamer(planner, monkeypatch) -> Streamer:  # noqa: F811
    """Two minutes into a song of four bars that repeat, at 120 beats a minute."""
    beats = np.arange(0, 240, 0.5)
    one = Streamer(planner, ("bass", "drums"), clock=GridClock([BeatGrid(beats, beats[::4])], planner.codec.hop))
    one.plan = ChartPlan([], one.plan, planner.codec.hop)
    frames, calls = [0, 0], [0]  # heard so far by each of the two items, which are asked for in turn

    def keys(latents: torch.Tensor) -> torch.Tensor:
        item, found = calls[0] % 2, torch.zeros(len(latents), 88, latents.shape[2])
        for i in range(latents.shape[2]):
            bar = int((frames[item] + i + 0.5) * planner.codec.hop / SAMPLE_RATE / 2)
            found[:, [pitch - 21 for pitch in list(CHORDS.values())[bar % 4]], i] = 1
        frames[item] += latents.shape[2]
        calls[0] += 1
        return found

    with monkeypatch.context() as patch:
        patch.setattr(planner.codec, "keys", keys)
        patch.setattr("accomp.plan.own.OwnPlan.play", lambda self, own, start: None)
        for edge in range(STEP.samples, 27 * STEP.samples + 1, STEP.samples):
            one.push(edge - STEP.samples, np.full(STEP.samples, 0.01, np.float32))
            one.step(edge, STEP.samples, STEP.offset, 882)
    return one


EDGE = 27 * STEP.samples
STOP = EDGE + STEP.offset + STEP.samples


def test_beats_and_bar_lines_lie_where_the_clock_has_them(streamer):
    found = streamer.outlook(EDGE, STOP)
    places = (EDGE + np.array([at for at, _ in found["beats"]])) / (SAMPLE_RATE / 2)
    assert np.abs(places - places.round()).max() < 0.01
    assert [number for _, number in found["beats"]] == [round(place) % 4 for place in places]
    assert found["beats"][-1][0] > found["until"] + 3 * SAMPLE_RATE, "nearly two bars beyond what is settled"
    assert (found["until"], found["bpm"], found["beats_in_bar"]) == (STOP - EDGE, 120.0, 4)
    json.dumps(found)


def test_the_chord_heard_and_the_chords_expected_are_those_of_the_song(streamer):
    found, names = streamer.outlook(EDGE, STOP), list(CHORDS)
    assert found["plan"] == "own" and found["heard"] == names[int(EDGE / SAMPLE_RATE / 2 - 0.25) % 4]
    assert len(found["chords"]) >= 3
    for at, name, sure in found["chords"][1:]:
        bar = (EDGE + at) / SAMPLE_RATE / 2
        assert abs(bar - round(bar)) < 0.05 and name == names[round(bar) % 4] and sure > 0.5


def test_a_lead_sheet_is_shown_by_its_own_names_and_is_what_the_network_is_told(streamer):
    borders = np.arange(EDGE // 22_050, EDGE // 22_050 + 30) * 0.5
    streamer.follow(_beat_chords([parse_sheet("| Ebmaj9 |").bars[0][0]] * 29, borders))
    found = streamer.outlook(EDGE, STOP)
    assert found["plan"] == "chart" and {name for _, name, _ in found["chords"]} == {"Ebmaj9"}
    rows = streamer.plan.ahead(streamer.context.stop, streamer.clock.features(streamer.context.stop, STOP // streamer.hop))
    assert rows[0, :12, 30].nonzero().flatten().tolist() == [2, 3, 5, 7, 10]
    streamer.follow(None)
    assert streamer.outlook(EDGE, STOP)["plan"] == "own"


def test_notes_and_strokes_are_those_that_were_settled_in_this_step(streamer):
    own = streamer.own.latents = torch.zeros(streamer.own.latents.shape)
    own[0, 40 - 21, -3:] = torch.tensor([2.0, 1, 1]) * NOTE_SCALE
    own[1, 88 + 1, -2] = 1.5 * NOTE_SCALE
    found = streamer.outlook(EDGE, STOP)["notes"]
    start = (streamer.own.stop - 3) * streamer.hop - EDGE
    assert found["bass"] == [[start, 3 * streamer.hop, 40, 1]]
    assert found["drums"] == [[start + streamer.hop, streamer.hop, "snare", 1]]


@pytest.mark.parametrize(
    ("row", "notes"),
    [
        ([0, 2, 1, 0], [[1, 2, 60, 1]]),
        ([1, 1, 2, 1], [[0, 2, 60, 0], [2, 2, 60, 1]]),
        ([0, 1, 0, 2], [[1, 1, 60, 1], [3, 1, 60, 1]]),
        ([0, 0], []),
    ],
)
def test_a_key_is_read_as_notes(row, notes):
    assert _held(torch.tensor(row, dtype=torch.float32), 60) == notes


def test_a_model_without_a_plan_and_without_a_beat_says_so(model):
    streamer = Streamer(model, ("bass",))
    streamer.step(66_150, 66_150, 66_150)
    found = streamer.outlook(66_150, 3 * 66_150)
    assert not streamer.takes_chords and (found["plan"], found["chords"], found["notes"]) == ("none", [], {})
    streamer.follow(None)


def test_the_liveliest_of_four_answers_changes_most(model):
    step = 33_075
    noise = np.random.default_rng(0).normal(0, 0.1, 20 * step).astype(np.float32)

    def change(lively: bool) -> float:
        streamer = Streamer(model, ("bass",))
        streamer.lively = lively
        found = []
        for edge in range(step, 20 * step, step):
            streamer.push(edge - step, noise[edge - step : edge])
            streamer.step(edge, step, step)
            count = streamer.own.stop - streamer.new_from
            found.append(float(streamer.own.latents[:, :, -count:].diff(dim=2).abs().mean()))
        return float(np.mean(found))

    assert change(True) > 1.02 * change(False)
