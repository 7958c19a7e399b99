"""`evaluate.py experiment=living`: the scenes are what they say, the figures find what was played, a table comes of it."""

import csv
from dataclasses import replace

import numpy as np
import pytest

from accomp.audio import rms_db
from accomp.compose import compose
from accomp.data.beats import grid_of
from accomp.data.living import in_metre, repeated
from accomp.data.song import Metre, Note, Part, Song, Tempo
from accomp.errors import UserError
from accomp.evaluation.living import run as measure
from accomp.evaluation.living.figures import figures
from accomp.evaluation.living.playing import Played, transport_at
from accomp.evaluation.living.scenes import SCENES, Take, without_player
from accomp.evaluation.settings import read
from accomp.timeline import SAMPLE_RATE, to_samples

LENGTH_S, QUARTER = 40.0, 480
BY_NAME = {scene.name: scene for scene in SCENES}
PLAYED = [scene for scene in SCENES if scene.change is not None]
NOTES = tuple(Note(i * QUARTER // 2, i * QUARTER // 2 + 200, 40 + i % 5, 90) for i in range(8 * 16))
SONG = Song(QUARTER, (Tempo(0, 600_000),), (Metre(0, 4, 4),), (Part(0, False, "piano", NOTES),))


def taken(name: str) -> Take:
    """A scene with a silent player."""
    scene = BY_NAME[name]
    if scene.change is None:
        return without_player(scene, LENGTH_S)
    song, span = scene.change(repeated(SONG, 2 * LENGTH_S), 0.4 * LENGTH_S)
    return Take(scene, "song", np.zeros(to_samples(LENGTH_S), np.float32), grid_of(song), span)


def strokes(times_s: np.ndarray, level: float = 0.5) -> np.ndarray:
    audio = np.zeros(to_samples(LENGTH_S), np.float32)
    burst = np.random.default_rng(0).standard_normal(2000) * np.exp(-np.arange(2000) / 300)
    for at in map(to_samples, times_s[(times_s > 0) & (times_s < LENGTH_S - 0.05)]):
        audio[at : at + 2000] += level * burst
    return audio.clip(-1, 1)


def found(take: Take, played: Played) -> dict[tuple[str, str], float]:
    return {(figure, part): value for figure, part, value in figures(take, played)}


def perfect(take: Take, delay_s: float = 0.0, until_s: float = LENGTH_S) -> Played:
    """An answer that strikes every beat, and a clock that predicts it; later by `delay_s` up to `until_s`."""
    beats = take.grid.beats_s
    beats = np.where((beats > take.span_s[0]) & (beats < until_s), beats + delay_s, beats)
    return Played(strokes(beats), [(at, 4) for at in beats])


@pytest.mark.parametrize("scene", PLAYED, ids=lambda scene: scene.name)
def test_who_plays_on_every_beat_of_a_scene_has_all_of_it(scene):
    take = taken(scene.name)
    scores = found(take, perfect(take))
    start, stop = take.span_s
    assert 8 < start <= stop < LENGTH_S - 4
    for part in ("before", "after"):
        assert scores["drums", part] > 0.9 and scores["clock", part] == 1.0
    if stop > start:
        assert scores["drums", "recovery"] == scores["clock", "recovery"] == 0.0


def test_how_long_it_takes_to_find_the_beat_again_is_measured():
    take = taken("90 to 130 bpm")
    start = take.span_s[0]
    scores = found(take, perfect(take, delay_s=0.2, until_s=start + 6))
    assert scores["drums", "during"] < 0.2 and scores["clock", "during"] < 0.2
    assert scores["drums", "recovery"] == pytest.approx(5.5, abs=0.8) == scores["clock", "recovery"]
    assert found(take, perfect(take, delay_s=0.2))["drums", "recovery"] == np.inf


def test_how_far_beside_the_beat_a_clock_is_counts_in_beats():
    take = taken("bass is added")  # 100 bpm
    assert found(take, perfect(take))["offset", "after"] == pytest.approx(0, abs=1e-6)
    assert found(take, perfect(take, delay_s=0.03))["offset", "after"] == pytest.approx(0.05, abs=0.005)


def test_chance_is_the_share_of_time_near_a_stroke():
    take = taken("steady")  # 100 bpm
    assert found(take, perfect(take))["drums", "chance"] == pytest.approx(0.14 / 0.6, abs=0.02)


def test_the_scenes_change_tempo_as_their_names_say():
    for name, before, after in (
        ("100 to 108 bpm", 100, 108),
        ("100 to 130 bpm in 20 s", 100, 130),
        ("110 to 85 bpm in 12 s", 110, 85),
    ):
        take = taken(name)
        bpm = 60 / take.grid.phase(np.array([take.span_s[0] - 1, take.span_s[1] + 1]))[2]
        np.testing.assert_allclose(bpm, [before, after], rtol=1e-3)
    ramp = taken("100 to 130 bpm in 20 s")
    assert ramp.span_s[1] - ramp.span_s[0] == 20


def test_the_scenes_stand_in_the_metre_that_their_names_say():
    for name, beats in (("3/4, 100 bpm", 3), ("5/4, 110 bpm", 5), ("7/4, 150 bpm", 7), ("6/8, 70 dotted quarters", 2),
                        ("9/8, 80 dotted quarters", 3), ("12/8, 60 dotted quarters", 4)):  # fmt: skip
        take = taken(name)
        assert transport_at(take.grid, to_samples(20.0)).beats_in_bar == beats
        right = Played(strokes(take.grid.beats_s), [(at, beats) for at in take.grid.beats_s])
        assert found(take, right)["bars", "after"] == 1.0
        assert found(take, replace(right, predicted=[(at, beats + 1) for at, _ in right.predicted]))["bars", "after"] == 0.0


def test_the_tempo_error_is_signed():
    take = taken("100 to 130 bpm in 20 s")
    edges = np.arange(3.0, LENGTH_S, 1.5)
    true = 60 / take.grid.phase(edges)[2]
    trailing = Played(strokes(take.grid.beats_s), tempi=[(at, bpm - 3) for at, bpm in zip(edges, true, strict=True)])
    assert found(take, trailing)["tempo", "during"] == pytest.approx(-3)


def test_the_level_is_that_of_the_loudest_second_and_of_the_end_of_a_rest():
    noise = np.random.default_rng(0).standard_normal(to_samples(LENGTH_S)).astype(np.float32)
    take = taken("stops for 14 s")
    start, stop = take.span_s
    time_s = np.arange(len(noise)) / SAMPLE_RATE
    rests = Played(0.1 * noise * ((time_s < start + 8) | (time_s > stop)))
    scores = found(take, rests)
    assert scores["level", "during"] < -100 and scores["level", "after"] == pytest.approx(-20, abs=0.2)
    assert found(take, Played(0.1 * noise))["level", "during"] == pytest.approx(-20, abs=0.2)
    hum = taken("hum, -60 dBFS")
    assert rms_db(hum.audio) == pytest.approx(-60, abs=0.1)
    assert found(hum, Played(1e-4 * noise))["level", "during"] == pytest.approx(-80, abs=0.2)


def test_the_balance_recovers_when_the_answer_follows_the_player():
    take = taken("-18, -38, -58 dBFS")
    start, stop = take.span_s
    time_s = np.arange(to_samples(LENGTH_S)) / SAMPLE_RATE
    noise = np.random.default_rng(0).standard_normal(len(time_s)).astype(np.float32)
    player_db = np.where(time_s < start, -18, np.where(time_s < stop, -38, -58))
    answer_db = np.where(time_s < start + 3, -18, np.where(time_s < stop + 3, -38, -58))
    take = replace(take, audio=noise * 10 ** (player_db / 20))
    scores = found(take, Played(noise * 10 ** (answer_db / 20)))
    assert [scores["balance", part] for part in ("before", "during", "after")] == pytest.approx([0, 0, 0], abs=0.1)
    assert scores["balance", "recovery"] == pytest.approx(2.75, abs=0.3)


def test_a_host_tells_where_its_bar_stands_and_its_tempo():
    take = taken("90 to 130 bpm")
    at_s = float(take.grid.downbeats_s[2]) + 1.0
    transport = transport_at(take.grid, to_samples(at_s))
    assert transport.beats_in_bar == 4 and transport.bpm == pytest.approx(90, abs=0.1)
    assert transport.beat == pytest.approx(1.5, abs=1e-3)
    assert transport_at(take.grid, to_samples(1e4)) is None


@pytest.fixture(scope="module")
def four_four(tmp_path_factory):
    """A set of one composed song in 4/4."""
    from accomp.data.band.__main__ import main as build_band

    out = tmp_path_factory.mktemp("living") / "band"
    assert build_band(["compose", "--out", str(out), "--tracks", "1", "--seconds", "12", "--jobs", "1"]) == 0
    return out


def settings(*overrides: str):
    return read(compose("evaluate", ["experiment=living", *overrides]))


def test_from_the_configuration_to_the_table(four_four, model_folder, tmp_path):
    scenes = ["rests 8 s", "-18, -38, -58 dBFS", "silence", "bass is added"]
    chosen = settings(
        f"data.root={four_four}", "data.split=train", f"model={model_folder}", f"out_dir={tmp_path}", "seconds=26"
    )
    measure.run(replace(chosen, scenes=scenes))
    with (tmp_path / "scores.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert list(lines[0]) == ["scene", "clock", "song", "figure", "part", "value"]
    assert [scene for scene in BY_NAME if scene in {line["scene"] for line in lines}] == scenes
    table = (tmp_path / "table.md").read_text().splitlines()
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in table if row.startswith("|")]
    assert "would hit" in table[-1]
    assert rows[0][:4] == ["scene", "figure", "clock", "before"] and {len(row) for row in rows} == {8}
    by_name = {tuple(row[:3]): row[3:] for row in rows[2:]}
    assert by_name["silence", "level", "own"][1] == "-120" and ("silence", "level", "host's") not in by_name
    assert float(by_name["rests 8 s", "clock", "host's"][1]) > 0.9, "the host counts on through the rest"
    assert float(by_name["bass is added", "clock", "host's"][2]) > 0.9
    assert (tmp_path / "audio" / "silence_model.wav").is_file()


@pytest.mark.parametrize(
    ("override", "message"),
    [("scenes=[nothing]", "choose among steady"), ("seconds=10", "at least 24"), ("clock=none", "its own tracker")],
)
def test_what_makes_no_sense_is_refused(override, message, model_folder, four_four):
    with pytest.raises(UserError, match=message):
        measure.run(settings(override, f"model={model_folder}", f"data.root={four_four}", "data.split=train"))


def test_a_set_without_a_song_in_four_is_refused(four_four, monkeypatch):
    monkeypatch.setattr(measure, "read_song", lambda path: in_metre(SONG, 3))
    with pytest.raises(UserError, match="4/4"):
        measure.songs_in_four(settings(f"data.root={four_four}", "data.split=train"))
