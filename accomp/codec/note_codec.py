"""A codec whose latents are notes: what is played, and how it sounds.

A frame says which of 88 keys sound (0, 1, or 2 in the frame where a note begins), which drums are struck, how the
energy is spread over 16 bands in each quarter of the frame, and how far from concert pitch the music is tuned. The
encoder transcribes; the decoder is a network that drives sinusoids and filtered noise (after Engel et al. 2020, DDSP),
so that a held note is a held tone.

A stream is encoded without looking ahead, a recording with `LOOKAHEAD` frames more, by which notes are recognised more
reliably and in the frame where they begin.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from accomp.codec.autoencoder import Stack
from accomp.codec.contract import Codec
from accomp.codec.envelope import BANDS, BANDS_LOW_HZ, Envelope, FilteredNoise, local_mean
from accomp.codec.sinusoids import Sinusoids
from accomp.codec.spectrum import HISTORY, PER_SEMITONE, PITCHES, PitchSpectrum, bands
from accomp.codec.transcriber import DRUMS, LOOKAHEAD, LOWEST_PITCH, Transcriber

NOTE_SCALE = 3.0  # of notes and strokes in the latents: a denoiser's squared error must not overlook them
NOTE_ROWS, DRUM_ROWS = slice(0, PITCHES), slice(PITCHES, PITCHES + len(DRUMS))
TUNING = 2  # channels
SOFTEST = 0.35  # stroke that counts as one, in velocities of 64
POSSIBLE = 0.15  # of a key, between silent and sounding: it may be meant where no other key is likelier to sound than not
FLOOR_DB = -80.0
REST_DB = -56.0  # mean of the loudest band in which nothing to speak of is heard
MOST = 16.0  # of a feature of the decoder; of recordings, at most 9
HELD = 3  # frames before and after over which the energy of a held note is averaged
BLOCK = 256  # frames that are encoded at once: more of them do not fit into a processor's cache


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


def scaled(db: Tensor) -> Tensor:
    """Decibels, to about +-1."""
    return (db.clamp(min=FLOOR_DB) + 45) / 20


class NoteCodec(Codec):
    """Latents (B, 88 + 8 + 2 + timbre, T); see the module docstring.

    `basis` (timbre, K) and `centre` (K,) project the K energies of a frame onto principal components; `fit` finds them.
    """

    causal, looks_ahead, lowest_pitch, drums = True, True, LOWEST_PITCH, DRUMS

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
        return scaled(db).unflatten(1, (-1, c.stride)).flatten(2)

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
        state, latents = None, [audio.new_zeros(len(audio), self.channels, 0)]
        for block in audio[:, : audio.shape[1] // self.hop * self.hop].split(BLOCK * self.hop, 1):
            new, state = self.encode_stream(block, state)
            latents.append(new)
        return torch.cat(latents, 2)

    def encode_recording(self, audio: Tensor, notes: Tensor | None = None) -> Tensor:
        """Latents (B, C, N // hop) with the notes of the score, or as they are known LOOKAHEAD frames later: 0, 1 or 2."""
        frames = audio.shape[1] // self.hop
        if notes is not None:
            return self.latents_of(audio[:, : frames * self.hop], notes)
        audio = F.pad(audio[:, : frames * self.hop].float(), (HISTORY, LOOKAHEAD * self.hop))
        spectrum, energies = self.analyse(audio)
        keys, drums, _ = self.transcriber(spectrum, energies)
        keys, drums = ((answers[:, 1] > 0).float() for answers in (keys, drums))  # the later of the two answers
        keys, drums = keys[:, :, LOOKAHEAD:], drums[:, LOOKAHEAD:]
        return self.assemble(keys, drums, spectrum[:, :, :frames], energies[:, :frames])

    def timbre(self, energies: Tensor) -> Tensor:
        """Energies (B, T, K) -> timbre (B, T, timbre)."""
        return (energies - self.centre) @ self.basis.T

    def assemble(self, notes: Tensor, drums: Tensor, spectrum: Tensor, energies: Tensor) -> Tensor:
        """Sounding and beginning notes (B, 2, T, 88), strokes (B, T, 8), spectrum and energies -> latents (B, C, T)."""
        timbre = self.timbre(energies)
        keys, strokes = NOTE_SCALE * notes.sum(1), NOTE_SCALE * drums
        return torch.cat([keys, strokes, self.tuning(spectrum), timbre], 2).transpose(1, 2)

    def with_notes(self, latents: Tensor, notes: Tensor, drums: Tensor) -> Tensor:
        """The latents (B, C, T) with these keys (B, 88, T) and strokes (B, 8, T), each in [0, 2], in place of their own."""
        rest = latents[:, DRUM_ROWS.stop :]
        return torch.cat([NOTE_SCALE * notes.to(rest), NOTE_SCALE * drums.to(rest), rest], 1)

    def latents_of(self, audio: Tensor, roll: Tensor) -> Tensor:
        """Latents of audio (B, N), in complete frames, whose keys and strokes are known: (B, PITCHES + len(DRUMS), T)."""
        padded = F.pad(audio.float(), (HISTORY, 0))
        starts = range(0, audio.shape[1], BLOCK * self.hop)
        blocks = [self.analyse(padded[:, start : start + HISTORY + BLOCK * self.hop]) for start in starts]
        spectrum = torch.cat([block[0] for block in blocks], 2)
        energies = torch.cat([block[1] for block in blocks], 1)
        notes = spectrum.new_zeros(len(audio), 2, spectrum.shape[2], PITCHES)
        latents = self.assemble(notes, notes[:, 0, :, : len(DRUMS)], spectrum, energies)
        return self.with_notes(latents, roll[:, NOTE_ROWS], roll[:, DRUM_ROWS])

    def decided(self, latents: Tensor, monophonic: Tensor | None = None) -> Tensor:
        """Every key 0, 1 or 2; in a frame where several are possible and none is likely, the one that is likeliest about
        there sounds: an average of answers, each with another key, would have none. Where (B,) it is `monophonic`, of
        several that sound only that one does.
        """
        keys = latents[:, NOTE_ROWS] / NOTE_SCALE
        around = F.avg_pool1d(keys, 5, 1, 2, count_include_pad=False)
        highest = keys.amax(1, keepdim=True)
        best = (around * (keys > POSSIBLE)).argmax(1)
        chosen = F.one_hot(best, PITCHES).transpose(1, 2) * ((highest > POSSIBLE) & (highest < 0.5))
        decided = torch.maximum(keys.round().clamp(0, 2), chosen)
        if monophonic is not None:
            best = (around + keys).masked_fill(decided == 0, -1).argmax(1)
            one = F.one_hot(best, PITCHES).transpose(1, 2)
            decided = torch.where(monophonic[:, None, None], decided * one, decided)
        return torch.cat([NOTE_SCALE * decided, latents[:, NOTE_ROWS.stop :]], 1)

    def settled(self, latents: Tensor, before: Tensor | None = None, monophonic: Tensor | None = None) -> Tensor:
        """Latents whose keys are decided, and strokes none or at least a soft one; a key that was silent begins."""
        keys = self.decided(latents, monophonic)[:, NOTE_ROWS] / NOTE_SCALE
        last = torch.zeros_like(keys[:, :, :1]) if before is None else before[:, NOTE_ROWS] / NOTE_SCALE
        silent = torch.cat([last, keys[:, :, :-1]], 2) < 0.5
        keys = torch.where(silent & (keys > 0), 2.0, keys)
        strokes = (latents[:, DRUM_ROWS] / NOTE_SCALE).clamp(0, 2)
        return self.with_notes(latents, keys, strokes * (strokes > SOFTEST))

    def smoothed(self, latents: Tensor) -> Tensor:
        """Latents (B, C, T) whose energies are averaged over up to HELD frames on both sides, weighted by a triangle, while the
        same keys are held: a sampler's energies vary from frame to frame by 10 dB, those of held notes by 3 to 6.

        Frames in which a key begins, none sounds or a drum is struck stay as they are: an average would begin before the note.
        """
        keys = latents[:, NOTE_ROWS] / NOTE_SCALE
        sounds, begins = (keys > 0.5).any(1), (keys > 1.5).any(1)
        borders = begins | F.pad(begins[:, :-1], (1, 0)) | (sounds != F.pad(sounds[:, :-1], (1, 0)))
        power = 10 ** (self.band_db(latents) / 10).unflatten(1, (-1, self.config.stride))
        mean = local_mean(power, borders.cumsum(1), HELD)
        timbre = self.timbre(scaled(10 * torch.log10(mean)).flatten(2)).transpose(1, 2).to(latents)
        held = sounds & ~begins & (self.strokes(latents) <= SOFTEST).all(1)
        start = DRUM_ROWS.stop + TUNING
        return torch.cat([latents[:, :start], torch.where(held[:, None], timbre, latents[:, start:])], 1)

    def weighted(self, latents: Tensor, weights: Tensor) -> Tensor:
        """Latents (B, C, T) whose keys sound so many times (B, 88, T) as likely; those that still do begin where they did."""
        keys = latents[:, NOTE_ROWS]
        likely = weights * keys.clamp(max=NOTE_SCALE)
        keys = torch.where(likely < 0.5 * NOTE_SCALE, likely, keys)
        return torch.cat([keys, latents[:, NOTE_ROWS.stop :]], 1)

    def keys(self, latents: Tensor) -> Tensor:
        """The keys in latents (B, C, T), (B, PITCHES, T): about 0 where silent, 1 where sounding, 2 where beginning."""
        return latents[:, NOTE_ROWS] / NOTE_SCALE

    def strokes(self, latents: Tensor) -> Tensor:
        """The strokes in latents (B, C, T), (B, len(DRUMS), T), in velocities of 64."""
        return latents[:, DRUM_ROWS] / NOTE_SCALE

    def band_db(self, latents: Tensor) -> Tensor:
        """The energies that latents (B, C, T) say, in decibels: (B, T * stride, BANDS)."""
        timbre = latents[:, DRUM_ROWS.stop + TUNING :].transpose(1, 2).float()
        energies = timbre @ self.inverse.T + self.centre
        return (20 * energies - 45).unflatten(2, (self.config.stride, -1)).flatten(1, 2)

    def rests(self, latents: Tensor) -> Tensor:
        """Whether hardly anything is heard in latents (B, C, T), (B,)."""
        return self.band_db(latents).amax(2).mean(1) < REST_DB

    def hidden(self, latents: Tensor, state: dict) -> tuple[Tensor, dict]:
        """Latents (B, C, T) -> features (B, T * stride, D) of Fourier frames, bounded: half of all keys at once, which no
        recording has and a sampler or a cold encoder may give, must not become a burst of noise.
        """
        x, slow = self.slow(self.into(latents.transpose(1, 2)), state.get("slow"))
        x = self.unfold(x).reshape(len(x), x.shape[1] * self.config.stride, -1)
        x, fast = self.fast(x, state.get("fast"))
        return x.float().clamp(-MOST, MOST), {"slow": slow, "fast": fast}

    def guess(self, latents: Tensor, state: dict) -> tuple[Tensor, Tensor, Tensor]:
        """Amplitudes of the sinusoids and levels of the noise of latents (B, C, T), at the Fourier rate; the last notes."""
        notes = (latents[:, NOTE_ROWS] / NOTE_SCALE).clamp(0, 1).float()
        before = state.get("notes", notes.new_zeros(len(notes), PITCHES, len(self.release) - 1))
        notes = torch.cat([before, notes], 2)
        held = F.conv1d(notes.flatten(0, 1)[:, None], self.release[None, None]).clamp(0, 1).view(len(notes), PITCHES, -1)
        held = held.transpose(1, 2).repeat_interleave(self.config.stride, 1)
        return *self.envelope(held, self.band_db(latents)), notes[:, :, -before.shape[2] :]

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
