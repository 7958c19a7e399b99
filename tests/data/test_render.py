"""Songs become tracks in Slakh's layout: exact starts, loudness, sums, and nothing left over from the part before."""

import numpy as np
import pytest
import soundfile
import yaml
from clicks import click_track
from scipy.signal import lfilter

from accomp.data.band.compose import compose
from accomp.data.band.render import SongSource, Synthesiser, inst_class, loudness_lufs, render_track
from accomp.data.band.tracks import shipped_font
from accomp.data.midi import read_song
from accomp.data.song import Control, Metre, Note, Part, Song, Tempo
from accomp.errors import UserError
from accomp.timeline import SAMPLE_RATE

EIGHT = {"audio_rendered", "inst_class", "integrated_loudness", "is_drum", "midi_program_name", "midi_saved"}
EIGHT |= {"plugin_name", "program_num"}


@pytest.fixture(scope="module")
def font():
    return Synthesiser(shipped_font())


@pytest.fixture(scope="module")
def track(font, tmp_path_factory):
    folder = tmp_path_factory.mktemp("render") / "Track00001"
    song = compose(1, seconds=8, big_band=True)
    count = render_track(folder, song, font, SongSource("song", "id"), 8.0)
    return folder, song, count


def one(part):
    return Song(480, (Tempo(0, 500_000),), (Metre(0, 4, 4),), (part,))


def note_song(pitch=69, controls=()):
    return one(Part(0, False, "", (Note(0, 1920, pitch, 100),), controls))


def test_layout_and_metadata(track):
    folder, _, count = track
    meta = yaml.safe_load((folder / "metadata.yaml").read_text())
    heard = {stem for stem, entry in meta["stems"].items() if entry["audio_rendered"]}
    assert len(heard) == count == 5
    assert len(meta["stems"]) == 6
    assert {path.stem for path in (folder / "stems").glob("*.flac")} == heard
    assert {path.stem for path in (folder / "MIDI").glob("*.mid")} == heard
    for stem, entry in meta["stems"].items():
        assert set(entry) == (EIGHT if stem in heard else EIGHT - {"integrated_loudness"})
    assert sum(entry["inst_class"] == "Guitar" for entry in meta["stems"].values()) == 2
    assert [e["program_num"] for e in meta["stems"].values() if e["is_drum"]] == [128]
    assert meta["normalization_factor"] == -13.0
    assert len(read_song(folder / "all_src.mid").parts) == 6
    assert {f.name for f in folder.iterdir()} == {"MIDI", "all_src.mid", "metadata.yaml", "mix.flac", "stems"}


def test_mix_is_the_sum_and_everything_is_mono_16_bit_of_one_length(track):
    folder, _, _ = track
    total, infos = 0, {}
    for path in sorted((folder / "stems").glob("*.flac")):
        total = total + soundfile.read(path, dtype="int16")[0].astype(int)
        infos[path.name] = soundfile.info(path)
    infos["mix"] = soundfile.info(folder / "mix.flac")
    mix = soundfile.read(folder / "mix.flac", dtype="int16")[0].astype(int)
    np.testing.assert_array_equal(mix, total)
    assert 20 * np.log10(np.abs(mix).max() / 32767) <= -0.99
    kinds = {(i.samplerate, i.channels, i.subtype, i.frames) for i in infos.values()}
    assert len(kinds) == 1
    assert kinds.pop()[:3] == (SAMPLE_RATE, 1, "PCM_16")


def test_every_stem_is_as_loud_as_slakh_wants(track):
    folder, _, _ = track
    gain = yaml.safe_load((folder / "metadata.yaml").read_text())["overall_gain"]
    for path in (folder / "stems").glob("*.flac"):
        lufs = loudness_lufs(soundfile.read(path)[0] / gain)
        assert lufs == pytest.approx(-13.0, abs=0.1), path.name


def test_stem_midi_is_what_the_stem_plays(track):
    folder, song, _ = track
    meta = yaml.safe_load((folder / "metadata.yaml").read_text())
    for stem, entry in meta["stems"].items():
        if entry["audio_rendered"]:
            written = read_song(folder / "MIDI" / f"{stem}.mid")
            assert written.tempos == song.tempos
            assert inst_class(written.parts[0]) == entry["inst_class"]
            assert written.parts[0].notes in [part.notes for part in song.parts]


def test_several_drum_tracks_become_one_stem(font, tmp_path):
    kick, hat = (Part(0, True, "", tuple(Note(i * 480, i * 480 + 9, key, 99) for i in range(4))) for key in (36, 42))
    song = Song(480, (Tempo(0, 500_000),), (Metre(0, 4, 4),), (kick, hat))
    assert render_track(tmp_path / "t", song, font, SongSource("s", "u"), 5.0) == 1
    assert len(read_song(tmp_path / "t" / "MIDI" / "S00.mid").parts[0].notes) == 8


@pytest.mark.parametrize("tick", [0, 1, 333, 1000])
def test_a_note_starts_on_its_sample(font, tick):
    song = one(Part(0, True, "", (Note(tick, tick + 200, 42, 120),)))
    audio = font.play(song, song.parts[0], SAMPLE_RATE * 2)
    at = round(tick / 960 * SAMPLE_RATE)
    assert not audio[:at].any()
    assert audio[at : at + 44].any()


def test_a_part_sounds_the_same_whatever_was_played_before(font):
    song, other = note_song(), click_track(8, 200)
    first = font.play(song, song.parts[0], SAMPLE_RATE)
    font.play(other, other.parts[0], 3000)
    np.testing.assert_array_equal(font.play(song, song.parts[0], SAMPLE_RATE), first)


def test_tuning_and_bend_are_obeyed(font):
    def pitch_hz(controls):
        song = note_song(controls=controls)
        audio = font.play(song, song.parts[0], SAMPLE_RATE * 2)[4410:70000]
        spectrum = np.abs(np.fft.rfft(audio * np.hanning(len(audio)), 1 << 20))
        low, high = (int(hz / SAMPLE_RATE * (1 << 20)) for hz in (380, 520))
        return (low + spectrum[low:high].argmax()) * SAMPLE_RATE / (1 << 20)

    plain = pitch_hz(())
    fine = tuple(Control(0, n, v) for n, v in ((101, 0), (100, 1), (6, 96), (38, 0)))
    assert 1200 * np.log2(pitch_hz(fine) / plain) == pytest.approx(50, abs=2)
    assert 1200 * np.log2(pitch_hz((Control(0, -1, 4096),)) / plain) == pytest.approx(100, abs=2)


def test_loudness_of_the_standards_sine_and_of_silence():
    time_s = np.arange(SAMPLE_RATE * 4) / SAMPLE_RATE
    sine = np.sin(2 * np.pi * 997 * time_s)
    assert loudness_lufs(sine) == pytest.approx(-3.01, abs=0.02)
    assert loudness_lufs(sine * 0.1) == pytest.approx(-23.01, abs=0.02)
    assert loudness_lufs(np.concatenate([sine, np.zeros(len(sine) * 3)])) == pytest.approx(-3.01, abs=0.2)
    assert loudness_lufs(np.zeros(SAMPLE_RATE)) == -np.inf
    assert loudness_lufs(np.zeros(0)) == -np.inf


def test_low_notes_count_less_than_high_ones():
    noise = np.random.default_rng(0).standard_normal(SAMPLE_RATE * 2) * 0.1
    low = lfilter([0.001], [1, -0.999], noise)
    low *= np.sqrt((noise**2).mean() / (low**2).mean())
    assert loudness_lufs(low) < loudness_lufs(noise) - 3


def test_errors_say_what_to_do(tmp_path, font):
    (tmp_path / "x.sf2").write_bytes(b"nothing")
    with pytest.raises(UserError, match=r"x\.sf2.*\.sf2 or \.sf3"):
        Synthesiser(tmp_path / "x.sf2")
    strings = one(Part(48, False, "", (Note(0, 480, 60, 90),)))
    with pytest.raises(UserError, match="nothing audible"):
        render_track(tmp_path / "t", strings, font, SongSource("only strings", "u"), 5.0)
    assert not (tmp_path / "t").exists()
