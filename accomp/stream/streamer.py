"""The player behind everything: hears audio, remembers, and plays what comes next. Pure and synchronous.

A Streamer has no sockets, threads, clocks or files. `evaluate.py` rolls it over recordings and `serve.py` feeds it what
arrives, so what is scored is what is played. Audio and answers are addressed by absolute sample, latents by absolute
frame; each new frame of the player is encoded once (by a codec that is not causal: again at every step), each frame of
the answer is generated and decoded once, and a span that is no whole number of frames is covered outward and cut back.
Nothing drifts, however long the session.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from accomp.beat.clock import Clock, NoClock
from accomp.beat.tracker import TrackerClock
from accomp.model import Model
from accomp.stream.generator import Generator
from accomp.stream.history import AudioHistory
from accomp.timeline import SAMPLE_RATE, frames_covering


@dataclass(frozen=True)
class Answer:
    """A finished step: audio (voices, overlap + step) for the samples from `start` on, unfaded, within [-1, 1].

    `missing` counts the samples of the player that had never come when they were encoded for this step.
    """

    start: int
    audio: np.ndarray
    missing: int


class LatentHistory:
    """The last frames of a latent stream (B, C, T), addressed by absolute frame index."""

    def __init__(self, voices: int, channels: int, frames: int, device: torch.device):
        self.latents = torch.zeros(voices, channels, frames, device=device)
        self.stop = 0  # one past the newest frame

    def append(self, new: Tensor) -> None:
        self.latents = torch.cat([self.latents, new], 2)[:, :, -self.latents.shape[2] :]
        self.stop += new.shape[2]

    def until(self, stop: int) -> Tensor:
        """The window that ends at frame `stop`, zeros where nothing is stored, (B, C, frames)."""
        ahead = stop - self.stop
        frames = self.latents.shape[2]
        if ahead >= frames:
            return torch.zeros_like(self.latents)
        kept = self.latents[:, :, max(ahead, 0) : frames + min(ahead, 0)]
        return torch.nn.functional.pad(kept, (max(-ahead, 0), max(ahead, 0)))


class Streamer:
    """Plays one or several stems to a live context.

    Args:
        model: codec, denoisers and samplers, from `load_model`
        stems: one voice for each name, e.g. ("bass",); names may repeat when each voice hears a context of its own
        sampler: which of the model's samplers; its default when None
        seed: of all noise, one number or one per voice
        clock: beat and bar phase of the frames to come; the model's own tracker when None
        together: every voice also hears what the others have played, as far as the live edge
    """

    def __init__(
        self,
        model: Model,
        stems: Sequence[str],
        *,
        sampler: str | None = None,
        seed: int | Sequence[int] = 0,
        clock: Clock | None = None,
        together: bool = False,
    ):
        self.model, self.stems, self.sampler, self.seed = model, tuple(stems), sampler, seed
        self.hop, self.frames, self.together = model.codec.hop, model.frames, together
        if clock is None:
            clock = NoClock() if model.tracker is None else TrackerClock(model.tracker, model.codec.hop)
        self.clock = clock
        seeds = [seed] * len(self.stems) if isinstance(seed, int) else seed
        self.generator = Generator(model, self.stems, seeds, sampler)
        self.reset()

    def reset(self) -> None:
        """Forget the session: the next sample is sample 0 again."""
        voices, channels, device = len(self.stems), self.model.codec.channels, self.model.device
        keep = (self.frames + 64) * self.hop
        self.heard_audio = AudioHistory(voices, keep)
        self.own_audio = AudioHistory(voices, keep)
        self.context = LatentHistory(voices, channels, self.frames, device)
        self.own = LatentHistory(voices, channels, self.frames, device)
        self.encoder_state = self.decoder_state = None
        self.first_heard = 0  # first frame of the player that this session knows
        self.first_own: int | None = None  # first frame that this session has played
        self.clock.reset()

    def push(self, start: int, samples: np.ndarray) -> None:
        """Hear samples, (N,) or (voices, N), at absolute index `start`; in any order, before the step that needs them."""
        self.heard_audio.write(start, samples)

    @torch.inference_mode()
    def step(
        self,
        edge: int,
        step: int,
        offset: int,
        overlap: int = 0,
        record_time: Callable[[str], None] = lambda name: None,
    ) -> Answer:
        """Play [edge + offset, edge + offset + step), having heard everything before `edge`, and `overlap` samples before.

        `record_time` is called with "encode", "sample" and "decode" as each phase ends. Edges never go back; they may jump
        ahead when steps were dropped.
        """
        start, stop = edge + offset, edge + offset + step
        missing = self._listen(edge, stop)
        record_time("encode")
        new = self._imagine(max(start - overlap, 0), stop)
        record_time("sample")
        audio = self._play(new, start - overlap, stop)
        record_time("decode")
        return Answer(start - overlap, audio, missing)

    def warm_up(self, step: int, offset: int, steps: int = 3) -> None:
        """Run a few steps on silence and forget them."""
        for i in range(1, steps + 1):
            self.push((i - 1) * step, np.zeros(step, np.float32))
            self.step(i * step, step, offset, overlap=SAMPLE_RATE // 50)
        self.reset()

    def _listen(self, edge: int, until: int) -> int:
        """Encode the frames that the live edge has completed, to answer up to `until`; how many samples are missing."""
        stop = edge // self.hop
        self.heard_audio.advance(edge)
        if stop - self.context.stop > self.frames:  # so much was skipped that all memory is out of date
            self.context.stop = self.first_heard = stop - self.frames
            self.encoder_state = None
        start = self.context.stop
        audio, missing = self._heard(start * self.hop, stop * self.hop)
        if self.model.codec.causal:
            latents, self.encoder_state = self.model.codec.encode_stream(self._on_device(audio), self.encoder_state)
            self.context.append(latents)
        else:
            latents = self._hear_again(edge, until)
        self.clock.listen(latents, start)
        return missing

    def _hear_again(self, edge: int, until: int) -> Tensor:
        """Encode the whole window of the answer anew, for a codec that is not causal; the frames that are new.

        What it makes of a frame depends on what follows, up to the window's end: audio, or the silence after the live edge
        and before the session, which counts as heard. So it is on the paper's server.
        """
        stop, end = edge // self.hop, frames_covering(0, until + self.model.codec.delay, self.hop)[1]
        self.first_heard = end - self.frames
        first, visible = self.first_heard * self.hop, stop - self.first_heard
        self.context.latents = torch.zeros_like(self.context.latents)
        if visible > 0:
            audio, _ = self._heard(first, min(end * self.hop, edge))
            audio = np.pad(audio, ((0, 0), (0, self.frames * self.hop - audio.shape[1])))
            heard = self.model.codec.encode(self._on_device(audio))[:, :, :visible]
            self.context.latents[:, :, self.frames - heard.shape[2] :] = heard
        new, self.context.stop = stop - self.context.stop, stop
        return self.context.latents[:, :, self.frames - new :]

    def _heard(self, start: int, stop: int) -> tuple[np.ndarray, int]:
        """What each voice hears in [start, stop), (voices, N), and how many samples of the player are missing there."""
        audio, missing = self.heard_audio.read(start, stop)
        if self.together:
            own, _ = self.own_audio.read(start, stop)
            audio = audio + own.sum(0) - own
        return audio, missing

    def _on_device(self, audio: np.ndarray) -> Tensor:
        return torch.from_numpy(audio.clip(-4, 4)).to(self.model.device)

    def _imagine(self, start: int, stop: int) -> list[Tensor]:
        """Generate the frames that the answer [start, stop) still lacks, the decoder's delay included."""
        first, last = frames_covering(start, stop + self.model.codec.delay, self.hop)
        if self.first_own is None or first - self.own.stop > self.frames // 2:
            self.own.stop = self.first_own = first
            self.decoder_state = None
        new = []
        while self.own.stop < last:
            count = min(last - self.own.stop, self.model.longest_step)
            end = self.own.stop + count
            latents = self.generator(
                self.context.until(end),
                self.own.until(end),
                self.clock.features(end - self.frames, end).to(self.model.device),
                stop=end,
                count=count,
                start=self.first_heard,
                heard=self.context.stop,
                known=self.first_own,
            )
            new.append(torch.nan_to_num(latents, nan=0.0, posinf=0.0, neginf=0.0))
            self.own.append(new[-1])
        return new

    def _play(self, new: list[Tensor], start: int, stop: int) -> np.ndarray:
        """Decode the new frames and cut out [start, stop); the decoder runs `delay` samples behind its latents."""
        if new:
            latents = torch.cat(new, 2)
            fresh = self.decoder_state is None
            audio, self.decoder_state = self.model.codec.decode_stream(latents, self.decoder_state)
            first = (self.own.stop - latents.shape[2]) * self.hop - self.model.codec.delay
            unheard = max(start - first, 0) if fresh else 0  # the frames were covered outward
            self.own_audio.write(first + unheard, audio[:, unheard:].cpu().numpy())
        return self.own_audio.read(start, stop)[0].clip(-1, 1)
