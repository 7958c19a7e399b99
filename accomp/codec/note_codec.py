"""A codec whose latents are notes: what is played, and how it sounds.

A frame says which of 88 keys sound (0, 1, or 2 in the frame where a note begins), which drums are struck, how the
energy is spread over 16 bands in each quarter of the frame, and how far from concert pitch the music is tuned. The
encoder transcribes; the decoder is a network that drives sinusoids and filtered noise (after Engel et al. 2020, DDSP),
so that a held note is a held tone.

A stream is encoded without looking ahead, a recording with `LOOKAHEAD` frames more, by which notes are recognised more
reliably and in the frame where they begin.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from accomp.codec.autoencoder import Stack
from accomp.codec.contract import Codec
from accomp.codec.sinusoids import COUNT, LOWEST_HZ, PER_OCTAVE, Sinusoids
from accomp.codec.sources import bands
from accomp.codec.spectrum import HISTORY, PER_SEMITONE, PITCHES, PitchSpectrum
from accomp.codec.transcriber import DRUMS, LOOKAHEAD, Transcriber

NOTE_SCALE = 3.0  # of notes and strokes in the latents: a denoiser's squared error must not overlook them
NOTE_ROWS, DRUM_ROWS = slice(0, PITCHES), slice(PITCHES, PITCHES + len(DRUMS))
TUNING = 2  # channels
BANDS, BANDS_LOW_HZ = 16, 35.0
PARTIALS = 32
MOST_DB = 30.0  # by which the network corrects the first guess
NOISE_DB = 49.0  # set so that white noise comes back at its level
NOISE_BANDS, NOISE_FFT, NOISE_FRAMES = 28, 512, 509  # the noise repeats after so many Fourier frames
FLOOR_DB = -80.0


@dataclass(frozen=True)
class NoteCodecConfig:
    timbre: int = 30  # channels for the energies
    fft: int = 1536  # samples per Fourier frame of the decoder
    fft_hop: int = 512  # samples between Fourier frames
    stride: int = 4  # Fourier frames per latent frame
    width: int = 192  # features at the Fourier rate
    latent_width: int = 256  # features at the latent rate
    latent_blocks: int = 2
    decoder_blocks: int = 4
    transcriber_width: int = 16
    transcriber_memory: int = 320


class Envelope(nn.Module):
    """What the latents say about loudness and pitch, as a first guess for sinusoids and noise that the network
    corrects.

    The energy of each band is given to the harmonics of the sounding notes in it, each as strong as the inverse of its
    number.
    """

    def __init__(self, hop: int):
        super().__init__()
        low, high = BANDS_LOW_HZ, 16_000.0
        centres = np.geomspace(low, high, BANDS + 2)[1:-1]
        comb = np.zeros((PITCHES, COUNT))
        for pitch in range(PITCHES):
            number = np.arange(1, PARTIALS + 1)
            place = np.round(PER_OCTAVE * np.log2(number) + pitch * PER_OCTAVE / 12).astype(int)
            inside = place < COUNT
            comb[pitch, place[inside]] = 1 / number[inside]
        self.register_buffer("comb", torch.from_numpy(comb**2).float(), persistent=False)
        hz = LOWEST_HZ * 2 ** (np.arange(COUNT) / PER_OCTAVE)
        self.register_buffer("tone_bands", _interpolation(hz, centres), persistent=False)  # (BANDS, COUNT)
        noise_hz = np.geomspace(60.0, 20_000.0, NOISE_BANDS + 2)[1:-1]
        self.register_buffer("noise_bands", _interpolation(noise_hz, centres), persistent=False)
        bins = 1 / bands(BANDS, 2 * hop, BANDS_LOW_HZ).max(1).values  # the width of a band in Fourier bins
        self.register_buffer(
            "tone_db", 10 * torch.log10(bins / 1.5), persistent=False
        )  # the whole band in one sinusoid

    def forward(self, notes: Tensor, db: Tensor) -> tuple[Tensor, Tensor]:
        """Notes (B, T, PITCHES) in [0, 1] and levels in dB (B, T, BANDS) -> amplitudes of the sinusoids (B, T, COUNT)
        and levels of the noise in dB (B, T, NOISE_BANDS).
        """
        power = notes.square() @ self.comb
        inside = power @ self.tone_bands.T  # of the comb in each band
        shared = power / (inside @ self.tone_bands + 1e-3)
        level = (db + self.tone_db) @ self.tone_bands
        return (10 ** (level / 10) * shared + 1e-14).sqrt(), db @ self.noise_bands


def _interpolation(hz: np.ndarray, centres: np.ndarray) -> Tensor:
    """Weights (len(centres), len(hz)) with which values at `centres` are interpolated at `hz`, evenly in the logarithm."""
    rows = [np.interp(np.log(hz), np.log(centres), row) for row in np.eye(len(centres))]
    return torch.from_numpy(np.stack(rows)).float()


class FilteredNoise(nn.Module):
    """Noise with a level per band, two spectra per Fourier frame.  Features (B, T, D) and levels in dB (B, T,
    NOISE_BANDS) -> samples (B, T, fft), zero before the middle.
    """

    def __init__(self, width: int, fft: int):
        super().__init__()
        self.fft = fft
        weight = bands(NOISE_BANDS, NOISE_FFT, 60.0, 20_000.0)
        self.register_buffer("bands", weight, persistent=False)
        self.register_buffer("spread", weight / weight.sum(0).clamp(min=1e-9), persistent=False)
        noise = torch.randn(NOISE_FRAMES, 2, NOISE_FFT // 2 + 1, 2, generator=torch.Generator().manual_seed(0))
        self.register_buffer("noise", noise, persistent=False)
        self.register_buffer("window", torch.hann_window(NOISE_FFT), persistent=False)
        self.correction = nn.Linear(width, 2 * NOISE_BANDS)
        nn.init.zeros_(self.correction.weight)
        nn.init.constant_(self.correction.bias, -0.6)

    def levels(self, x: Tensor, db: Tensor) -> Tensor:
        """The first guess corrected, in dB: (B, T, D), (B, T, NOISE_BANDS) -> (B, 2 T, NOISE_BANDS)."""
        correction = MOST_DB * torch.tanh(self.correction(x).float())
        return (db.unsqueeze(2) + correction.unflatten(2, (2, -1))).flatten(1, 2)

    def forward(self, x: Tensor, db: Tensor, frame: int) -> Tensor:
        gain = 10 ** ((self.levels(x, db).unflatten(1, (-1, 2)) + NOISE_DB) / 20) @ self.spread
        place = torch.arange(frame, frame + x.shape[1], device=x.device) % NOISE_FRAMES
        pieces = torch.fft.irfft(gain * torch.view_as_complex(self.noise)[place], n=NOISE_FFT) * self.window
        half = NOISE_FFT // 2
        joined = F.pad(pieces[:, :, 0], (0, half)) + F.pad(pieces[:, :, 1], (half, 0))
        return F.pad(joined, (self.fft - joined.shape[2], 0))


class NoteCodec(Codec):
    """Latents (B, 88 + 8 + 2 + timbre, T); see the module docstring.

    `basis` (timbre, K) and `centre` (K,) project the K energies of a frame onto principal components; `fit` finds them.
    """

    causal = True

    def __init__(self, **values):
        super().__init__()
        self.config = c = NoteCodecConfig(**values)
        self.hop, self.delay = c.fft_hop * c.stride, c.fft - c.fft_hop
        self.channels = PITCHES + len(DRUMS) + TUNING + c.timbre
        energies = BANDS * c.stride
        self.spectrum = PitchSpectrum(self.hop)
        self.transcriber = Transcriber(energies, c.transcriber_width, c.transcriber_memory)
        self.register_buffer("basis", torch.zeros(c.timbre, energies))
        self.register_buffer("centre", torch.zeros(energies))
        self.register_buffer("inverse", torch.zeros(energies, c.timbre))
        self.register_buffer("bands", bands(BANDS, 2 * c.fft_hop, BANDS_LOW_HZ), persistent=False)
        self.register_buffer("short_window", torch.hann_window(2 * c.fft_hop) * (2 / c.fft_hop), persistent=False)
        self.into = nn.Linear(self.channels, c.latent_width)
        self.slow = Stack(c.latent_width, c.latent_blocks, 3)
        self.unfold = nn.Linear(c.latent_width, c.stride * c.width)
        self.fast = Stack(c.width, c.decoder_blocks, 7)
        self.release = nn.Parameter(torch.tensor([0.1, 0.3, 0.6, 1.0]))  # of a note, frame by frame; the last is now
        self.envelope = Envelope(c.fft_hop)
        self.sinusoids, self.noise = Sinusoids(c.width, c.fft, c.fft_hop), FilteredNoise(c.width, c.fft)
        self.register_buffer("window", torch.hann_window(c.fft), persistent=False)

    def latent_weights(self) -> dict[str, Tensor]:
        weights = {f"transcriber.{name}": value for name, value in self.transcriber.state_dict().items()}
        return weights | {"basis": self.basis, "centre": self.centre}  # a better decoder leaves the latents as they are

    def energies(self, audio: Tensor) -> Tensor:
        """Decibels of BANDS bands in each quarter of a frame, scaled to about +-1: (B, fft_hop + T hop) -> (B, T,
        stride BANDS).
        """
        c = self.config
        power = torch.fft.rfft(audio.unfold(1, 2 * c.fft_hop, c.fft_hop) * self.short_window).abs().square()
        db = 10 * torch.log10(power @ self.bands.T + 1e-12)
        return ((db.clamp(min=FLOOR_DB) + 45) / 20).unflatten(1, (-1, c.stride)).flatten(2)

    def tuning(self, spectrum: Tensor) -> Tensor:
        """Cosine and sine of the deviation from concert pitch, a semitone being a turn: (B, R, T, BINS) -> (B, T, 2).

        The mean over the peaks of the spectrum, weighted by their power; its length says how far they agree.
        """
        a, b, c = (spectrum[:, 0, :, i : spectrum.shape[3] - 2 + i] for i in range(3))
        curve = (a - 2 * b + c).clamp(max=-1e-6)
        place = torch.arange(b.shape[2], device=b.device) + (0.5 * (a - c) / curve).clamp(-0.5, 0.5)
        power = 10 ** (2 * (b - 3)) * ((b > a) & (b >= c))
        angle = 2 * torch.pi / PER_SEMITONE * place  # bin 1 is a key, and the first that can be a peak
        turn = torch.stack([(power * angle.cos()).sum(2), (power * angle.sin()).sum(2)], 2)
        return turn / power.sum(2, keepdim=True).clamp(min=1e-8)

    def analyse(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        """Audio (B, HISTORY + T hop) -> the pitch spectrum (B, R, T, BINS) and the energies (B, T, K)."""
        return self.spectrum(audio), self.energies(audio[:, HISTORY - self.config.fft_hop :])

    def encode_stream(self, audio: Tensor, state: dict | None = None) -> tuple[Tensor, dict]:
        if audio.shape[1] % self.hop:
            raise ValueError(f"a stream is encoded in frames of {self.hop} samples, got {audio.shape[1]}")
        state = state or {"audio": audio.new_zeros(audio.shape[0], HISTORY)}
        if audio.shape[1] == 0:
            return audio.new_zeros(audio.shape[0], self.channels, 0), state
        audio = torch.cat([state["audio"], audio], 1).float()
        spectrum, energies = self.analyse(audio)
        notes, drums, memory = self.transcriber(spectrum, energies, state.get("memory"))
        latents = self.assemble(notes[:, 0].float().sigmoid(), drums[:, 0].float().sigmoid(), spectrum, energies)
        return latents, {"audio": audio[:, audio.shape[1] - HISTORY :], "memory": memory}

    def encode(self, audio: Tensor) -> Tensor:
        return self.encode_stream(audio[:, : audio.shape[1] // self.hop * self.hop])[0]

    def encode_recording(self, audio: Tensor) -> Tensor:
        """Latents (B, C, N // hop) with the notes as they are known LOOKAHEAD frames later, each 0, 1 or 2."""
        frames = audio.shape[1] // self.hop
        audio = F.pad(audio[:, : frames * self.hop].float(), (HISTORY, LOOKAHEAD * self.hop))
        spectrum, energies = self.analyse(audio)
        notes, drums, _ = self.transcriber(spectrum, energies)
        notes, drums = (x.transpose(0, 1)[1].float() > 0 for x in (notes, drums))
        notes, drums = notes[:, :, LOOKAHEAD:].float(), drums[:, LOOKAHEAD:].float()
        return self.assemble(notes, drums, spectrum[:, :, :frames], energies[:, :frames])

    def assemble(self, notes: Tensor, drums: Tensor, spectrum: Tensor, energies: Tensor) -> Tensor:
        """Sounding and beginning notes (B, 2, T, 88), strokes (B, T, 8), spectrum and energies -> latents (B, C, T)."""
        timbre = (energies - self.centre) @ self.basis.T
        keys, strokes = NOTE_SCALE * notes.sum(1), NOTE_SCALE * drums
        return torch.cat([keys, strokes, self.tuning(spectrum), timbre], 2).transpose(1, 2)

    def with_notes(self, latents: Tensor, notes: Tensor, drums: Tensor) -> Tensor:
        """The latents (B, C, T) with these notes in place of the transcribed ones: (B, 88, T) of 0, 1 and 2, (B, 8, T)
        in [0, 2].
        """
        rest = latents[:, DRUM_ROWS.stop :]
        return torch.cat([NOTE_SCALE * notes.to(rest), NOTE_SCALE * drums.to(rest), rest], 1)

    def latents_of(self, audio: Tensor, roll: Tensor) -> Tensor:
        """Latents of audio (B, N), in complete frames, whose keys and strokes are known: (B, PITCHES + len(DRUMS), T)."""
        spectrum, energies = self.analyse(F.pad(audio.float(), (HISTORY, 0)))
        notes = spectrum.new_zeros(len(audio), 2, spectrum.shape[2], PITCHES)
        latents = self.assemble(notes, notes[:, 0, :, : len(DRUMS)], spectrum, energies)
        return self.with_notes(latents, roll[:, NOTE_ROWS], roll[:, DRUM_ROWS])

    def keys(self, latents: Tensor) -> Tensor:
        """The keys in latents (B, C, T), (B, PITCHES, T): about 0 where silent, 1 where sounding, 2 where beginning."""
        return latents[:, NOTE_ROWS] / NOTE_SCALE

    def hidden(self, latents: Tensor, state: dict) -> tuple[Tensor, dict]:
        """Latents (B, C, T) -> features (B, T * stride, D) of Fourier frames."""
        x, slow = self.slow(self.into(latents.transpose(1, 2)), state.get("slow"))
        x = self.unfold(x).reshape(len(x), x.shape[1] * self.config.stride, -1)
        x, fast = self.fast(x, state.get("fast"))
        return x.float(), {"slow": slow, "fast": fast}

    def guess(self, latents: Tensor, state: dict) -> tuple[Tensor, Tensor, Tensor]:
        """Amplitudes of the sinusoids and levels of the noise that the latents (B, C, T) ask for, at the Fourier rate;
        and the last notes.
        """
        notes = (latents[:, NOTE_ROWS] / NOTE_SCALE).clamp(0, 1).float()
        before = state.get("notes", notes.new_zeros(len(notes), PITCHES, len(self.release) - 1))
        notes = torch.cat([before, notes], 2)
        held = (
            F.conv1d(notes.flatten(0, 1)[:, None], self.release[None, None]).clamp(0, 1).view(len(notes), PITCHES, -1)
        )
        timbre = latents[:, DRUM_ROWS.stop + TUNING :].transpose(1, 2).float()
        energies = timbre @ self.inverse.T + self.centre
        db = (20 * energies - 45).unflatten(2, (self.config.stride, -1)).flatten(1, 2)
        held = held.transpose(1, 2).repeat_interleave(self.config.stride, 1)
        return *self.envelope(held, db), notes[:, :, -before.shape[2] :]

    def synthesise(self, x: Tensor, amplitude: Tensor, noise_db: Tensor, state: dict) -> tuple[Tensor, dict]:
        """Features (B, T, D) of Fourier frames and first guesses -> audio (B, T * fft_hop), `delay` samples late."""
        c, frame = self.config, state.get("frame", 0)
        spectrum, phases = self.sinusoids(x, amplitude, state.get("phases"))
        pieces = torch.fft.irfft(spectrum, n=c.fft) * (self.window / (0.375 * c.fft / c.fft_hop))
        pieces = pieces + self.noise(x, noise_db, frame)
        batch, count, _ = pieces.shape
        length = (count - 1) * c.fft_hop + c.fft
        audio = F.fold(pieces.transpose(1, 2), (1, length), (1, c.fft), stride=(1, c.fft_hop)).view(batch, length)
        if "overlap" in state:
            audio = torch.cat([audio[:, : self.delay] + state["overlap"], audio[:, self.delay :]], 1)
        done = count * c.fft_hop
        return audio[:, :done], {"overlap": audio[:, done:], "frame": frame + count, "phases": phases}

    def decode_stream(self, latents: Tensor, state: dict | None = None) -> tuple[Tensor, dict]:
        state = state or {}
        if not latents.shape[2]:
            return latents.new_zeros(len(latents), 0), state
        x, memory = self.hidden(latents, state)
        amplitude, noise_db, notes = self.guess(latents, state)
        audio, rest = self.synthesise(x, amplitude, noise_db, state)
        return audio, memory | rest | {"notes": notes}

    def decode(self, latents: Tensor) -> Tensor:
        audio, state = self.decode_stream(latents)
        return torch.cat([audio[:, self.delay :], state["overlap"]], 1) if latents.shape[2] else audio

    @torch.no_grad()
    def fit(self, energies: Tensor) -> None:
        """Set the projection from examples (M, K): principal components, each scaled by the fourth root of its
        variance.

        Half whitened: what varies most still weighs most, and the channels have unit variance on the whole.
        """
        self.centre.copy_(energies.mean(0))
        variance, vectors = torch.linalg.eigh(torch.cov((energies - self.centre).T.double()))
        variance, vectors = variance.flip(0)[: self.config.timbre], vectors.flip(1)[:, : self.config.timbre]
        scale = variance.clamp(min=1e-9) ** -0.25
        scale = scale / (scale**2 * variance).mean().sqrt()
        self.basis.copy_((vectors * scale).T)
        self.inverse.copy_(vectors / scale)
