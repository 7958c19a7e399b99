"""The codec whose latents are notes: its parts on signals whose answer is known, and the whole without any training."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from accomp.codec.note_codec import DRUM_ROWS, MOST, NOTE_ROWS, NOTE_SCALE, NoteCodec
from accomp.codec.partials import parts_of
from accomp.codec.sinusoids import COUNT, LOWEST_HZ, PER_OCTAVE, Sinusoids
from accomp.codec.spectrum import HISTORY, PitchSpectrum, bin_hz
from accomp.codec.transcriber import LOOKAHEAD, LOWEST_PITCH
from accomp.metrics.pitch import hnr_db, yin
from accomp.timeline import SAMPLE_RATE

HOP = 2048
SMALL = {"width": 32, "latent_width": 32, "latent_blocks": 1, "decoder_blocks": 1}
SMALL |= {"transcriber_width": 4, "transcriber_memory": 16}


def tone(hz: float, frames: int, partials: int = 8, level: float = 0.1) -> torch.Tensor:
    t = torch.arange(frames * HOP, dtype=torch.float64) / SAMPLE_RATE
    return level * sum(torch.cos(2 * torch.pi * hz * k * t) / k for k in range(1, partials + 1)).float()[None]


def note_hz(pitch: float) -> float:
    return 440 * 2 ** ((pitch - 69) / 12)


@pytest.mark.parametrize("pitch", [28, 40, 61, 88, 107])
def test_the_spectrum_is_loudest_at_the_note(pitch):
    levels = PitchSpectrum(HOP)(F.pad(tone(note_hz(pitch), 12, partials=1), (HISTORY, 0)))[0, :, -1]
    assert levels.argmax(1).tolist() == [3 * (pitch - LOWEST_PITCH) + 1] * 2
    assert levels.max(1).values.sub(2.0).abs().max() < 0.02  # -20 dB, and 20 dB are 1
    assert bin_hz()[3 * (pitch - LOWEST_PITCH) + 1] == pytest.approx(note_hz(pitch))


def test_a_detuned_sinusoid_is_the_one_that_was_asked_for():
    bank = Sinusoids(4, 1536, 512)
    with torch.no_grad():
        bank.free.bias.fill_(-40.0)
        bank.detune.bias.fill_(0.4)
        guess = torch.zeros(1, 200, COUNT)
        guess[:, :, 48] = 0.3
        spectrum, _ = bank(torch.zeros(1, 200, 4), guess)
    window = torch.hann_window(1536) / (0.375 * 3)
    pieces = (torch.fft.irfft(spectrum, n=1536) * window).transpose(1, 2)
    audio = F.fold(pieces, (1, 199 * 512 + 1536), (1, 1536), stride=(1, 512)).flatten().numpy()[20_000:60_000]
    hz = LOWEST_HZ * 2 ** (48 / PER_OCTAVE) * 2 ** (30 * np.tanh(0.4) / 1200)
    angle = 2 * np.pi * hz * np.arange(len(audio)) / SAMPLE_RATE
    basis = np.stack([np.cos(angle), np.sin(angle)], 1)
    weights, rest, *_ = np.linalg.lstsq(basis, audio, rcond=None)
    assert np.hypot(*weights) == pytest.approx(0.3, rel=0.01)
    assert 10 * np.log10((audio**2).sum() / rest[0]) > 60, "nothing but the sinusoid"


def test_partials_and_noise_of_a_recording_are_told_apart():
    codec = NoteCodec(**SMALL)
    clean = tone(110.0 * 2 ** (10 / 1200), 60)  # ten cents sharp
    dirty = clean + 0.01 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    quiet, loud = (parts_of(audio, 512, codec.noise.bands) for audio in (clean, dirty))
    middle = quiet.amplitude.shape[1] // 2
    assert quiet.amplitude[0, middle].topk(8).indices.min() == 48  # A2 is two octaves above A0
    assert quiet.amplitude[0, middle, 48] == pytest.approx(0.1, rel=0.05)
    assert quiet.cents[0, middle, 48] == pytest.approx(10, abs=1)
    gain = loud.noise_db[0, middle:-40].mean() - quiet.noise_db[0, middle:-40].mean()
    assert gain > 15


def latents_of_a_note(codec: NoteCodec, pitch: int, frames: int = 40) -> tuple[torch.Tensor, torch.Tensor]:
    """The latents of a held note, as the score and the recording say; and the recording."""
    audio = tone(note_hz(pitch), frames, 16)
    roll = torch.zeros(1, DRUM_ROWS.stop, frames)
    roll[:, pitch - LOWEST_PITCH] = 1
    with torch.no_grad():
        energies = codec.energies(F.pad(audio, (512, 0)))[0, 4:]
        codec.fit(energies + 0.5 * torch.randn(energies.shape, generator=torch.Generator().manual_seed(0)))
        return codec.latents_of(audio, roll), audio


@pytest.mark.parametrize("pitch", [28, 40, 52])
def test_a_held_note_is_a_held_tone_before_any_training(pitch):
    torch.manual_seed(0)
    codec = NoteCodec(**SMALL).eval()
    latents, audio = latents_of_a_note(codec, pitch)
    with torch.no_grad():
        decoded = codec.decode(latents)[0, 16_384:65_536].numpy()
    assert np.nanmedian(yin(decoded)[0]) == pytest.approx(note_hz(pitch), rel=3e-3)
    assert np.nanmedian(hnr_db(decoded)) > 8
    assert 20 * np.log10(decoded.std() / audio[0, 16_384:65_536].numpy().std()) == pytest.approx(0, abs=3)


def test_notes_and_strokes_lie_where_they_are_read():
    codec = NoteCodec(**SMALL).eval()
    latents = torch.randn(1, codec.channels, 5)
    notes, drums = torch.zeros(1, 88, 5), torch.zeros(1, 8, 5)
    notes[0, 19, 2], drums[0, 1, 3] = 2, 1.5
    changed = codec.with_notes(latents, notes, drums)
    assert codec.keys(changed).nonzero().tolist() == [[0, 19, 2]] and codec.keys(changed).max() == 2
    assert changed[0, DRUM_ROWS].nonzero().tolist() == [[1, 3]]
    assert torch.equal(changed[:, DRUM_ROWS.stop :], latents[:, DRUM_ROWS.stop :])
    assert codec.channels == 128 and NOTE_ROWS.stop == 88


def test_tuning_is_told_by_two_channels():
    codec = NoteCodec(**SMALL).eval()
    angles = []
    for cents in (-30, 0, 30):
        with torch.no_grad():
            cos, sin = codec.encode(tone(220.0 * 2 ** (cents / 1200), 12, partials=1))[
                0, DRUM_ROWS.stop : DRUM_ROWS.stop + 2, -1
            ]
        angles.append(float(torch.atan2(sin, cos)) / (2 * torch.pi) * 100)
    assert angles == pytest.approx([-30, 0, 30], abs=8)


def test_a_recording_is_encoded_with_the_answer_that_comes_later():
    """Frame t of a recording's notes is what the transcriber says of it LOOKAHEAD frames later."""
    torch.manual_seed(0)
    codec = NoteCodec(**SMALL).eval()
    audio = 0.1 * torch.randn(1, 12 * HOP)
    with torch.no_grad():
        recorded = codec.keys(codec.encode_recording(audio))
        spectrum, energies = codec.analyse(F.pad(audio, (HISTORY, LOOKAHEAD * HOP)))
        notes, _, _ = codec.transcriber(spectrum, energies)
    assert torch.equal(recorded, (notes[:, 1, :, LOOKAHEAD:] > 0).sum(1).transpose(1, 2).float())
    changed = audio.clone()
    changed[:, 8 * HOP :] = 0
    with torch.no_grad():
        again = codec.keys(codec.encode_recording(changed))
    assert torch.equal(recorded[:, :, : 8 - LOOKAHEAD], again[:, :, : 8 - LOOKAHEAD])


def test_energies_are_smoothed_while_a_key_is_held_and_nowhere_else():
    codec = NoteCodec(**SMALL)
    generator = torch.Generator().manual_seed(0)
    loud = torch.randn(2000, 1, generator=generator)
    codec.fit(loud.expand(-1, 64) + 0.3 * torch.randn(2000, 64, generator=generator))
    latents = torch.zeros(1, codec.channels, 40)
    latents[0, 98:] = codec.timbre(loud[:40].expand(1, 40, 64))[0].T  # rough
    latents[0, 40, 10:20] = latents[0, 50, 20:30] = NOTE_SCALE
    latents[0, 40, 10] = latents[0, 50, 20] = 2 * NOTE_SCALE
    smoothed = codec.smoothed(latents)
    before, after = (codec.band_db(z)[0].unflatten(0, (-1, 4)).mean((1, 2)) for z in (latents, smoothed))
    for key in (slice(11, 20), slice(21, 30)):
        assert after[key].diff().std() < 0.3 * before[key].diff().std()
        power = [10 * torch.log10((10 ** (db[key] / 10)).mean()) for db in (before, after)]
        assert abs(power[0] - power[1]) < 2
    others = [*range(11), 20, *range(30, 40)]  # silent, or a note begins
    assert torch.equal(smoothed[:, :, others], latents[:, :, others])
    other = latents.clone()
    other[0, 98:, 20:30] = 0
    torch.testing.assert_close(codec.smoothed(other)[:, :, :20], smoothed[:, :, :20], msg="the next note is another one")
    latents[0, DRUM_ROWS, 25] = NOTE_SCALE
    assert torch.equal(codec.smoothed(latents)[:, :, 25], latents[:, :, 25])


def test_generated_notes_are_whole_and_begin_where_they_did_not_sound():
    codec = NoteCodec(**SMALL)
    latents = torch.zeros(1, codec.channels, 6)
    latents[0, 40] = NOTE_SCALE * torch.tensor([0.1, 0.4, 0.8, 1.1, 0.9, 1.7])  # begins, and is struck again
    latents[0, 50] = NOTE_SCALE * torch.tensor([1.2, 0.9, 0.2, 0.0, 0.6, 0.0])
    before = torch.zeros(1, codec.channels, 1)
    before[0, 50] = NOTE_SCALE
    settled = codec.settled(latents, before)[0] / NOTE_SCALE
    assert settled[40].tolist() == [0, 0, 2, 1, 1, 2]
    assert settled[50].tolist() == [1, 1, 0, 0, 2, 0]
    assert codec.settled(latents)[0, 50, 0] == 2 * NOTE_SCALE, "nothing sounded before a session"
    latents[0, 60] = NOTE_SCALE * torch.tensor([0.0, 0.0, 0.0, 0.4, 0.3, 0.3])
    latents[0, 61] = NOTE_SCALE * torch.tensor([0.0, 0.0, 0.0, 0.2, 0.2, 0.4])
    settled = codec.settled(latents, before)[0] / NOTE_SCALE
    assert not settled[60:62, :5].any(), "another key sounds"
    assert settled[60:62, 5].tolist() == [0, 0]
    latents[0, 40, 5] = latents[0, 40, 4] = latents[0, 50, 4] = 0
    settled = codec.settled(latents, before)[0] / NOTE_SCALE
    assert settled[60].tolist() == [0, 0, 0, 0, 2, 1], "one key is chosen, and held"
    assert not settled[61].any()
    truth = codec.settled(latents, before)
    assert torch.equal(codec.settled(truth, before), truth), "what is settled stays"


def test_of_a_monophonic_instrument_one_key_sounds():
    codec = NoteCodec(**SMALL)
    latents = torch.zeros(2, codec.channels, 6)
    latents[:, 7] = NOTE_SCALE * torch.tensor([0.0, 1.6, 0.9, 0.9, 1.0, 0.0])
    latents[:, 19] = NOTE_SCALE * torch.tensor([0.0, 0.0, 0.6, 1.8, 0.7, 1.7])  # an octave above
    settled = codec.settled(latents, monophonic=torch.tensor([True, False])) / NOTE_SCALE
    assert settled[0, 7].tolist() == [0, 2, 1, 0, 0, 0] and settled[0, 19].tolist() == [0, 0, 0, 2, 1, 2]
    assert settled[1, 7].tolist() == [0, 2, 1, 1, 1, 0] and settled[1, 19].tolist() == [0, 0, 2, 2, 1, 2]


def test_what_is_hardly_heard_is_a_rest():
    codec = NoteCodec(**SMALL | {"timbre": 64})
    time_s = torch.arange(40 * HOP) / SAMPLE_RATE
    noise = torch.randn(3, len(time_s), generator=torch.Generator().manual_seed(0))
    audio = noise * torch.tensor([0.1, 1e-5, 0.1])[:, None]
    audio[2, 3 * HOP :] = 0  # it fades in the first frames
    with torch.no_grad():
        _, energies = codec.analyse(F.pad(audio, (HISTORY, 0)))
        codec.fit(energies.flatten(0, 1))
        rests = codec.rests(codec.encode(audio))
    assert rests.tolist() == [False, True, True]


def test_latents_that_no_recording_has_make_no_burst():
    codec = NoteCodec(**SMALL)
    latents = 1e3 * torch.randn(1, codec.channels, 8, generator=torch.Generator().manual_seed(0))
    features, _ = codec.hidden(latents, {})
    assert features.abs().max() <= MOST
    loudest = codec.sinusoids.amplitudes(1e3 * features, torch.zeros(1, features.shape[1], COUNT))
    assert 0 < loudest.max() < 0.2


def test_a_key_made_unlikely_is_silent_where_it_begins_too():
    codec = NoteCodec(**SMALL).eval()
    latents = torch.randn(1, codec.channels, 3)
    latents[:, NOTE_ROWS] = 0
    latents[0, 40] = NOTE_SCALE * torch.tensor([2.0, 1.0, 0.8])
    weights = torch.ones(1, 88, 3)
    assert torch.equal(codec.weighted(latents, weights), latents)
    assert codec.keys(codec.weighted(latents, 0.6 * weights))[0, 40].tolist() == pytest.approx([2, 1, 0.48])
    unlikely = codec.weighted(latents, 0.3 * weights)
    assert codec.keys(unlikely)[0, 40].tolist() == pytest.approx([0.3, 0.3, 0.24])
    assert torch.equal(unlikely[:, NOTE_ROWS.stop :], latents[:, NOTE_ROWS.stop :])
