"""The beat grid is where the music is."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from clicks import click_track
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import stft

from accomp.beat.grid import BeatGrid
from accomp.data.band.compose import compose
from accomp.data.band.render import SongSource, Synthesiser, render_track
from accomp.data.band.tracks import shipped_font
from accomp.data.beats import beat_grid, grid_of
from accomp.data.check import check_track
from accomp.data.midi import write_song
from accomp.data.slakh import find_tracks
from accomp.data.song import Metre, Note, Part, Song, Tempo
from accomp.errors import UserError
from accomp.timeline import SAMPLE_RATE

FIXTURE = Path(__file__).parents[3] / "shared" / "slakh" / "fixture" / "slakh2100_flac_redux"
METRES = [(4, 4), (3, 4), (6, 8), (7, 8), (2, 2), (5, 4)]


def song_with(metres, tempos=(Tempo(0, 500_000),), end=9600):
    part = Part(0, True, "", (Note(0, end, 42, 90),))
    return Song(480, tuple(tempos), tuple(metres), (part,))


@pytest.mark.parametrize("bpm", [71, 120, 149.5])
def test_rendered_clicks_lie_on_the_grid(tmp_path, bpm):
    song = click_track(12, bpm)
    tempos = (*song.tempos, Tempo(5 * 480, 650_000), Tempo(8 * 480 + 240, 400_000))
    song = Song(song.ticks_per_quarter, tempos, song.metres, song.parts)
    folder = tmp_path / "Track00001"
    render_track(folder, song, Synthesiser(shipped_font()), SongSource("click", "u"), 20.0)
    assert check_track(folder) == []
    audio, _ = soundfile.read(folder / "mix.flac")
    grid = beat_grid(folder / "all_src.mid")
    for beat in grid.beats_s[:12]:
        at = round(beat * SAMPLE_RATE)
        before = np.abs(audio[max(at - 2000, 0) : max(at - 200, 0)]).max(initial=0)
        window = np.abs(audio[max(at - 441, 0) : at + 2000])
        onset = np.argmax(window > max(2 * before, 0.1 * window.max())) + max(at - 441, 0)
        assert abs(onset - beat * SAMPLE_RATE) < 0.010 * SAMPLE_RATE


def test_composed_songs_keep_to_their_grid():
    for index in (0, 3, 10, 11):
        song = compose(index, seconds=30)
        grid = grid_of(song)
        kicks = song.seconds([n.start for part in song.parts if part.is_drum for n in part.notes if n.pitch == 36])
        beats = np.abs(kicks[:, None] - grid.beats_s[None, :]).min(axis=1)
        assert (beats < 0.01).mean() > 0.2
        assert grid.beats_s[-1] >= song.seconds(song.end)
        assert np.isin(grid.downbeats_s, grid.beats_s).all()


def test_metre_changes_begin_a_bar_and_compound_metres_count_dotted():
    grid = grid_of(song_with([Metre(0, 4, 4), Metre(1920, 3, 4), Metre(3360, 6, 8)], end=3360 + 1440))
    np.testing.assert_allclose(grid.beats_s, [0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4.25, 5.0])
    np.testing.assert_allclose(grid.downbeats_s, [0, 2, 3.5, 5.0])


def test_a_bar_cut_short_by_a_new_metre_is_short():
    grid = grid_of(song_with([Metre(0, 4, 4), Metre(960, 4, 4)], end=2880))
    np.testing.assert_allclose(grid.downbeats_s, [0, 1, 3])
    assert grid.phase(np.array(0.5))[1] == pytest.approx(0.5)


@given(
    st.lists(st.tuples(st.integers(1, 3000), st.integers(150_000, 1_500_000)), max_size=5),
    st.lists(st.tuples(st.integers(1, 3000), st.sampled_from(METRES)), max_size=3),
    st.integers(1, 12_000),
)
@settings(max_examples=60, deadline=None)
def test_phase_is_a_saw_for_every_tempo_and_metre(changes, metre_changes, end):
    tempos, metres = [Tempo(0, 500_000)], [Metre(0, 4, 4)]
    for gap, us in changes:
        tempos.append(Tempo(tempos[-1].tick + gap, us))
    for gap, metre in metre_changes:
        metres.append(Metre(metres[-1].tick + gap, *metre))
    song = song_with(metres, tempos, end)
    grid = grid_of(song)
    assert (np.diff(grid.beats_s) > 0).all()
    assert np.isin(grid.downbeats_s, grid.beats_s).all()
    assert grid.beats_s[0] == 0 == grid.downbeats_s[0]
    assert grid.beats_s[-1] >= song.seconds(song.end) - 1e-9
    times = np.linspace(-0.1, grid.beats_s[-1] + 0.1, 997)
    beat, bar, period = grid.phase(times)
    inside = (times >= 0) & (times < grid.beats_s[-1])
    for values in (beat, bar, period):
        assert (np.isfinite(values) == inside).all()
    assert ((beat[inside] >= 0) & (beat[inside] < 1)).all()
    assert ((bar[inside] >= 0) & (bar[inside] < 1)).all()
    np.testing.assert_allclose(grid.phase(grid.beats_s[:-1])[0], 0, atol=1e-9)
    downbeats = grid.downbeats_s[grid.downbeats_s < grid.beats_s[-1]]
    np.testing.assert_allclose(grid.phase(downbeats)[1], 0, atol=1e-9)


def test_songs_without_notes_have_no_phase(tmp_path):
    empty = Song(480, (Tempo(0, 500_000),), (Metre(0, 4, 4),), ())
    write_song(tmp_path / "empty.mid", empty)
    grid = beat_grid(tmp_path / "empty.mid")
    assert np.isnan(BeatGrid(np.zeros(0), np.zeros(0)).phase(np.array([0.0]))[0]).all()
    assert grid.downbeats_s[0] == 0
    with pytest.raises(UserError, match="no such MIDI file"):
        beat_grid(tmp_path / "none.mid")


@pytest.mark.skipif(not FIXTURE.is_dir(), reason=f"a real Slakh excerpt is not at {FIXTURE}")
def test_real_slakh_sounds_where_its_grid_says():
    (track,) = find_tracks(FIXTURE)
    audio, grid = track.read("guitar"), beat_grid(track.midi)
    spectrum = np.abs(stft(audio, SAMPLE_RATE, nperseg=512, noverlap=448)[2])
    change = np.maximum(np.diff(np.log1p(1000 * spectrum)), 0).sum(0)  # column i: 64 (i + 1) samples
    beat_s = grid.beats_s[2]  # the guitar plays on the third beat
    near = round(beat_s * SAMPLE_RATE / 64) + np.arange(-30, 30)
    onset_s = (near[change[near].argmax()] + 1) * 64 / SAMPLE_RATE
    assert abs(onset_s - beat_s) < 0.010
