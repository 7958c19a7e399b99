"""A player who leads: everything begins on the beat, is answered, and cannot touch what has been sent."""

import json

import numpy as np
import pytest

from accomp.plan.beats import BeatLine
from accomp.server import protocol as osc
from accomp.server.leading import ATTACK, Leader, Span
from accomp.timeline import SAMPLE_RATE

BEAT = SAMPLE_RATE // 2
STEP = 33_075  # three quarters of a second: one and a half beats
OVERLAP = 882


def span(start: int, beat: int = BEAT, heard=(), known: bool = True) -> Span:
    """A step of music that begins at `start`, and the beats ahead, four to the bar from sample 0 on."""
    first = -(-(start - 3 * STEP) // beat)
    beats = [BeatLine(k * beat, k % 4, 4) for k in range(first, first + 24)] if known else []
    return Span(start, start + STEP, OVERLAP, heard, beats)


def play(leader: Leader, asked: dict[int, osc.Leading], steps: int, heard: dict | None = None) -> tuple[np.ndarray, list]:
    """The gain of every sample of so many steps, and what was said; `asked` and `heard` by step."""
    gain, said = np.ones(steps * STEP), []
    for k in range(steps):
        direction = leader.direct([(asked[k], k * STEP)] if k in asked else [], span(k * STEP, heard=(heard or {}).get(k, ())))
        if direction.gain is not None:
            gain[k * STEP : (k + 1) * STEP] = direction.gain[OVERLAP:]
        said += direction.said
    return gain, said


def test_a_break_begins_on_the_next_beat_and_ends_on_a_beat():
    gain, said = play(Leader(), {1: osc.Break(2)}, 6)
    first = 2 * BEAT  # step 1 begins at one and a half beats
    silent = np.flatnonzero(gain == 0)
    assert first <= silent[0] <= first + ATTACK and first + 2 * BEAT - ATTACK <= silent[-1] < first + 2 * BEAT
    assert (gain[:first] == 1).all() and (gain[first + 2 * BEAT :] == 1).all() and "2 beats" in said[0]


def test_an_end_is_on_a_bar_line_and_lasts():
    leader = Leader()
    gain, said = play(leader, {1: osc.StopPlaying()}, 8)
    assert (gain[: 4 * BEAT] == 1).all() and (gain[5 * BEAT :] == 0).all() and said[0].startswith("stop")
    assert (np.diff(gain[4 * BEAT : 5 * BEAT]) <= 0).all(), "it fades over a beat, the ending"
    assert play(leader, {0: osc.Break(2)}, 1)[1] == ["break: the model is silent already; count in, and it begins"]


def test_a_count_in_ends_in_an_entry_on_the_one():
    leader = Leader()
    play(leader, {0: osc.StopPlaying()}, 1)
    gain, said = play(leader, {0: osc.Start(120, 4)}, 6)
    assert (gain[: 4 * BEAT - ATTACK] == 0).all() and (gain[4 * BEAT :] == 1).all() and said == ["start: on the one"]


def test_a_count_in_that_is_too_short_is_answered_with_when_it_begins():
    gain, said = play(Leader(), {1: osc.Start(120, 0)}, 6)
    began = int(np.flatnonzero(gain[STEP:] == 1)[0]) + STEP
    assert "1 beats after the one" in said[0] and began == STEP + BEAT


@pytest.mark.parametrize("stopped", [True, False])
def test_four_taps_count_in_a_model_that_is_silent_or_plays_alone(stopped):
    leader = Leader()
    if stopped:
        play(leader, {0: osc.StopPlaying()}, 1)
    direction = leader.direct([(osc.Tap(), 3 * STEP - BEAT)], span(4 * STEP))
    gain = direction.gain[OVERLAP:]
    assert leader.started == 3 * STEP - BEAT and direction.said[0].startswith("start: ")
    assert (gain[: BEAT // 2] == 0).all() and gain[-1] == 1, "on the first beat that is not sent yet"


def test_taps_of_a_player_whom_the_model_plays_with_silence_nothing():
    leader = Leader()
    direction = leader.direct([(osc.Tap(), 0)], span(STEP, heard=[np.full(100, 0.1)]))
    assert direction.gain is None and not direction.said and leader.started is None
    assert "no beat is known" in leader.direct([(osc.Tap(), 0)], span(STEP, known=False)).said[0]


def test_it_begins_when_the_player_does_on_a_bar_line():
    heard = {k: [np.full(100, 0.1)] for k in (3, 4)}
    gain, said = play(Leader(), {0: osc.Start()}, 8, heard)
    assert (gain[: 8 * BEAT - ATTACK] == 0).all() and (gain[8 * BEAT :] == 1).all() and "when you do" in said[0]
    assert play(Leader(), {0: osc.Start()}, 8)[0].max() == 0, "nobody plays"


def test_a_fill_lasts_up_to_the_next_bar_line():
    leader, lively = Leader(), []
    for k in range(8):
        direction = leader.direct([(osc.Fill(), 0)] if k == 1 else [], span(k * STEP))
        lively.append(direction.lively)
    assert lively == [False, True, True, False, False, False, False, False] and not leader.leads


@pytest.mark.parametrize("beat", [BEAT, BEAT + 700])
def test_a_lead_sheet_is_followed_from_the_next_bar_line_round_and_round(beat):
    leader, found = Leader(), {}
    for k in range(16):
        direction = leader.direct([(osc.Lead("| Am7 | D7 G7 |"), 0)] if k == 1 else [], span(k * STEP, beat))
        if direction.chords is not None:
            found |= dict(
                zip(np.round(direction.chords.beats_s[:-1] * SAMPLE_RATE / beat), direction.chords.names, strict=True)
            )
    bars = ["Am7"] * 4 + ["D7"] * 2 + ["G7"] * 2
    assert [found[number] for number in range(4, 28)] == [bars[(number - 4) % 8] for number in range(4, 28)]
    assert found[3] == ""


def test_a_held_chord_goes_before_the_sheet_and_ends_after_its_bars():
    leader = Leader()
    leader.direct([(osc.Lead("| Am7 |"), 0)], span(0))
    names = leader.direct([(osc.HoldChord("C", 1), 0)], span(STEP)).chords.names
    where = names.index("C")
    assert names[where : where + 6] == ("C",) * 4 + ("Am7",) * 2
    for k in range(2, 8):
        direction = leader.direct([], span(k * STEP))
    assert leader.chord is None and set(direction.chords.names) == {"Am7"}
    leader.direct([(osc.Lead(""), 0)], span(8 * STEP))
    assert not leader.leads and leader.direct([], span(9 * STEP)).chords is None


@pytest.mark.parametrize("message", [osc.Fill(), osc.Break(2)])
def test_without_a_beat_it_says_so(message):
    direction = Leader().direct([(message, 0)], span(STEP, known=False))
    assert direction.gain is None and "no beat is known" in direction.said[0]


def test_a_model_without_a_plan_says_that_it_takes_no_chords():
    leader = Leader(takes_chords=False)
    direction = leader.direct([(osc.HoldChord("C"), 0), (osc.Lead("| C |"), 0)], span(0))
    assert all("takes no chords" in said for said in direction.said) and direction.chords is None and not leader.leads


# ------------------------------------------------------------------------------------------ through the server


def served(kit, messages: dict[int, list], batches: int = 7):
    """A server that was told these messages before these batches; its texts, and its answers by sample."""
    server = kit.SimulatedServer()
    server.hear(osc.PredictInstruments(1, 0, 0, 0), osc.UpdatePackageSize(4410))
    music = np.full(batches * 66_150 + 132_300, np.nan, np.float32)
    for batch in range(1, batches + 1):
        server.hear(*messages.get(batch, ()), *kit.blocks(batch, np.full(66_150, 0.1, np.float32)))
        server.wait(1.5)
    for request, (chunks,) in server.answers:
        samples = np.concatenate([chunk.samples for chunk in chunks])
        start = request.edge + request.settings.step.offset - request.settings.overlap
        music[start + OVERLAP : start + len(samples)] = samples[OVERLAP:]
    return server, [json.loads(m.text) for m in server.sent if isinstance(m, osc.Status)], music


def test_a_break_is_silent_for_its_beats_and_to_the_sample(kit):
    _, texts, music = served(kit, {3: [osc.Break(3)]})
    silent = np.flatnonzero(music == 0)
    first, last = 264_600, 264_600 + 3 * BEAT  # the first beat that batch 3 has not settled
    inside = silent[(silent > first + ATTACK) & (silent < last - ATTACK)]
    assert len(inside) == 3 * BEAT - 2 * ATTACK - 1
    right = kit.tune(np.arange(len(music)))
    assert np.array_equal(music[132_300:first], right[132_300:first]) and np.array_equal(music[last:-1], right[last:-1])
    assert [t["said"] for t in texts if "said" in t] == ["break: 3 beats, in 1.5 s"]


def test_what_is_no_chord_is_refused_at_once_and_the_music_goes_on(kit):
    server, texts, music = served(kit, {2: [osc.HoldChord("Hm"), osc.Lead("| C | Foo |")]})
    errors = [t["error"] for t in texts if "error" in t]
    assert any("'Hm'" in error for error in errors) and server.state.tally.counts["leading"] == 2
    assert np.array_equal(music[132_300:-1], kit.tune(np.arange(132_300, len(music) - 1)))


def test_the_harmony_reaches_the_streamer_and_is_taken_back(kit):
    server, _, _ = served(kit, {2: [osc.Lead("| Am7 |")], 5: [osc.Lead("")]}, batches=4)
    assert "Am7" in server.streamers[0].chords.names
    server, _, _ = served(kit, {2: [osc.Lead("| Am7 |")], 5: [osc.Lead("")]}, batches=6)
    assert server.streamers[0].chords is None


def test_the_plan_is_sent_with_every_step_when_it_is_asked_for(kit):
    server, _, _ = served(kit, {2: [osc.AskPlan(1)], 4: [osc.AskPlan(2)], 5: [osc.AskPlan(0)]})
    plans = [m.text for m in server.sent if isinstance(m, osc.Plan)]
    assert [json.loads(text)["batch_id"] for text in plans[:2]] == [2, 3] and len(plans) == 3
    assert plans[2].startswith("120 bpm | 4 beats a bar | heard Am7 | ") and "settled for 3.0 s" in plans[2]


def test_notes_that_are_silenced_are_not_among_those_that_the_model_intends(kit):
    server, _, _ = served(kit, {1: [osc.AskPlan(1)], 3: [osc.StopPlaying()]})
    notes = [json.loads(m.text)["notes"]["bass"] for m in server.sent if isinstance(m, osc.Plan)]
    assert len(notes[0]) == 1 and notes[-1] == []


def test_a_count_in_sets_the_beat_of_the_model_too(kit):
    server, _, _ = served(kit, {2: [osc.Start(90.0, 4, 3)]}, batches=3)
    transport = server.streamers[0].transports[-1]
    assert (transport.bpm, transport.beats_in_bar, transport.beat) == (90.0, 3, 2.0), "four beats before the one"


def test_the_page_and_a_program_do_not_play_at_once(kit):
    server, _, _ = served(kit, {}, batches=1)
    server.state.sources |= {"web"}
    block = kit.blocks(2, np.zeros(66_150, np.float32))[0].pack()
    said = [osc.parse_reply(d) for action in server.state.on_datagram(block, "web", server.t) for d in action.datagrams]
    assert "a program that sends OSC is playing" in said[0].text
    assert server.state.tally.counts["player"] == 1
    server.wait(4)
    server.act(server.state.on_datagram(block, "web", server.t))
    assert server.state.tally.counts["player"] == 1, "it has stopped for a while"
