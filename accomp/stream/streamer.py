"""The live player, pure and synchronous: takes audio, keeps the recent past, and generates what comes next.

A Streamer has no sockets, threads, clocks or files. `evaluate.py` runs it over recordings and `serve.py` gives it what
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

from accomp.beat.assumed_bar import AssumedBar
from accomp.beat.chords import BeatChords
from accomp.beat.clock import Clock, NoClock
from accomp.beat.tracker import TrackerClock
from accomp.model import Model
from accomp.plan.beats import BeatLine, beat_lines
from accomp.plan.chart import ChartPlan
from accomp.plan.contract import NoPlan, Plan
from accomp.plan.own import OwnPlan
from accomp.stream.gain import Gain
from accomp.stream.generator import Generator
from accomp.stream.history import AudioHistory, LatentHistory
from accomp.stream.outlook import outlook
from accomp.stream.own_past import OwnPast
from accomp.stream.presence import Presence
from accomp.stream.rules import bar_seconds
from accomp.timeline import SAMPLE_RATE, frames_covering

MARGIN = 64  # frames of audio kept beyond the window
SOFT_DB, MOST_DB = -26.0, 40.0  # a softer player is raised to this level, by at most so much


@dataclass(frozen=True)
class Answer:
    """A finished step: audio (B, overlap + step) for the samples from `start` on, unfaded, within [-1, 1].

    `missing` counts the samples of the player that had never come when they were encoded for this step.
    """

    start: int
    audio: np.ndarray
    missing: int


class Streamer:
    """Plays one or several stems to a live context.

    Args:
        model: codec, denoisers and samplers, from `load_model`
        stems: one batch item for each name, e.g. ("bass",); names may repeat when each item has a context of its own
        sampler: which of the model's samplers; its default when None
        seed: of all noise, one number or one per item
        clock: beat and bar phase of the frames to come; the model's own tracker when None
        plan: what is expected of the frames to come; what followed the most similar place of the session when None
        together: the context of every item also holds what the other items have played before the live edge

    `lively` may be set before a step: the liveliest of several answers is taken.
    """

    def __init__(
        self,
        model: Model,
        stems: Sequence[str],
        *,
        sampler: str | None = None,
        seed: int | Sequence[int] = 0,
        clock: Clock | None = None,
        plan: Plan | None = None,
        together: bool = False,
    ):
        self.model, self.stems = model, tuple(stems)
        self.hop, self.frames, self.together = model.codec.hop, model.frames, together
        self.clock = own_clock(model) if clock is None else clock
        self.plan = own_plan(model) if plan is None else plan
        seeds = [seed] * len(self.stems) if isinstance(seed, int) else seed
        self.monophonic = model.monophonic(stems)
        self.generator = Generator(model, self.stems, seeds, sampler)
        self.lively = False
        self.reset()

    def reset(self) -> None:
        """Start a new session: the next sample is sample 0 again."""
        batch, channels, device = len(self.stems), self.model.codec.channels, self.model.device
        self.context_audio, self.own_audio = (AudioHistory(batch, (self.frames + MARGIN) * self.hop) for _ in range(2))
        self.context = LatentHistory(batch, channels, self.frames, device)
        self.own = OwnPast(self.model.codec, batch, self.frames, device)
        self.presence, self.input_gain = Presence(batch), Gain(batch)
        self.encoder_state = self.decoder_state = None
        self.first_context = 0  # first frame of the player that this session knows
        self.new_from = 0  # first frame that the last step has generated
        self.assumed_bar = AssumedBar()
        self.clock.reset()
        self.plan.reset()

    def push(self, start: int, samples: np.ndarray) -> None:
        """Store the player's samples, (N,) or (B, N), at absolute index `start`; in any order, but before their step."""
        self.context_audio.write(start, samples)

    @torch.inference_mode()
    def step(
        self,
        edge: int,
        step: int,
        offset: int,
        overlap: int = 0,
        record_time: Callable[[str], None] = lambda name: None,
    ) -> Answer:
        """Play [edge + offset, edge + offset + step) and `overlap` samples before, from all that lies before the live edge.

        `record_time` is called with "encode", "sample" and "decode" as each phase ends. Edges never go back; they may jump
        ahead when steps were dropped.
        """
        start, stop = edge + offset, edge + offset + step
        self.context_audio.advance(edge)
        self._attend(edge)
        missing = self._encode(edge, stop)
        record_time("encode")
        new = self._generate(max(start - overlap, 0), stop)
        record_time("sample")
        audio = self._decode(new, start - overlap, stop)
        record_time("decode")
        return Answer(start - overlap, audio, missing)

    def beat_lines(self, start: int, stop: int) -> list[BeatLine]:
        """The beats that the clock expects in samples [start, stop)."""
        first, last = frames_covering(start, stop, self.hop)
        return beat_lines(self.clock.features(first, last)[0].cpu().numpy(), first, self.hop)

    @property
    def takes_chords(self) -> bool:
        """Whether it can be told the harmony to come."""
        return isinstance(self.plan, ChartPlan)

    def follow(self, chords: BeatChords | None) -> None:
        """Play in this harmony from the next step on, or in that of its own plan, if it takes chords."""
        if self.takes_chords:
            self.plan.chords = [] if chords is None else [chords]

    def outlook(self, edge: int, stop: int) -> dict:
        """What is intended after the live edge, of which all before `stop` is settled (see `accomp.stream.outlook`)."""
        return outlook(self, edge, stop)

    def bar_s(self) -> np.ndarray:
        """How long the bar of each item's player is at the live edge, in seconds, (B,)."""
        frame = self.context.stop
        return np.broadcast_to(bar_seconds(self.clock.features(frame, frame + 2).numpy(), self.hop), len(self.stems))

    def warm_up(self, step: int, offset: int, steps: int = 3) -> None:
        """Run a few steps on silence, then reset: the first steps of a process are slow."""
        for i in range(1, steps + 1):
            self.push((i - 1) * step, np.zeros(step, np.float32))
            self.step(i * step, step, offset, overlap=SAMPLE_RATE // 50)
        self.reset()

    def _attend(self, edge: int) -> None:
        """Note who is heard up to the live edge and how loud, and raise what is soft to a level that the codec knows."""
        start = max(self.presence.stop, edge - self.context_audio.capacity)
        if start < edge:
            self.presence.listen(start, self.context_audio.read(start, edge)[0])
            self.input_gain.turn(edge, input_gain_db(self.presence.so_far.level_db))
            self.context_audio.scale(start, self.input_gain(start, edge))

    def _encode(self, edge: int, until: int) -> int:
        """Encode the frames that the live edge has completed, to answer up to `until`; how many samples are missing."""
        stop = edge // self.hop
        if stop - self.context.stop > self.frames:  # so much was skipped that all memory is out of date
            self.context.stop = self.first_context = stop - self.frames
            self.encoder_state = None
        start = self.context.stop
        audio, missing = self._audible(start * self.hop, stop * self.hop)
        if self.model.codec.causal:
            latents, self.encoder_state = self.model.codec.encode_stream(self._on_device(audio), self.encoder_state)
            self.context.append(latents)
        else:
            latents = self._encode_window(edge, until)
        frames = range(start, start + latents.shape[2])
        heard = [self.presence.heard(frame * self.hop, (frame + 1) * self.hop) for frame in frames]
        if heard:
            self.clock.listen(latents, start, np.stack(heard, 1))
            self.plan.listen(latents, start, self.clock.features(start, start + latents.shape[2]))
        return missing

    def _encode_window(self, edge: int, until: int) -> Tensor:
        """Encode the whole window of the answer anew, for a codec that is not causal; the frames that are new.

        What it makes of a frame depends on what follows, up to the window's end: audio, or the silence after the live edge
        and before the session, which counts as visible. The paper's server does the same.
        """
        stop, end = edge // self.hop, frames_covering(0, until + self.model.codec.delay, self.hop)[1]
        self.first_context = end - self.frames
        first, visible = self.first_context * self.hop, stop - self.first_context
        self.context.latents = torch.zeros_like(self.context.latents)
        if visible > 0:
            audio, _ = self._audible(first, min(end * self.hop, edge))
            audio = np.pad(audio, ((0, 0), (0, self.frames * self.hop - audio.shape[1])))
            latents = self.model.codec.encode(self._on_device(audio))[:, :, :visible]
            self.context.latents[:, :, self.frames - latents.shape[2] :] = latents
        new, self.context.stop = stop - self.context.stop, stop
        return self.context.latents[:, :, self.frames - new :]

    def _audible(self, start: int, stop: int) -> tuple[np.ndarray, int]:
        """The context of each item in [start, stop), (B, N), and how many samples of the player are missing there."""
        audio, missing = self.context_audio.read(start, stop)
        if self.together:
            own, _ = self.own_audio.read(start, stop)
            audio = audio + own.sum(0) - own
        return audio, missing

    def _on_device(self, audio: np.ndarray) -> Tensor:
        return torch.from_numpy(audio.clip(-4, 4)).to(self.model.device)

    def _generate(self, start: int, stop: int) -> list[Tensor]:
        """Generate the frames that the answer [start, stop) still lacks, the decoder's delay included."""
        first, last = frames_covering(start, stop + self.model.codec.delay, self.hop)
        if self.own.first is None or first - self.own.stop > self.frames // 2:
            self.own.begin(first)
            self.decoder_state = None
        new, edge = [], self.context.stop
        plan = self.plan.ahead(edge, self.clock.features(edge, last)) if edge < last else None
        self.new_from = self.own.stop
        while self.own.stop < last:
            if self.model.uses("renewal"):
                self.own.forget(self.clock.features(self.own.compared(), self.own.stop))
            count = min(last - self.own.stop, self.model.longest_step)
            end = self.own.stop + count
            clock = self.assumed_bar(self.clock.features(end - self.frames, end), end - self.frames)
            latents = self.generator(
                self.context.until(end),
                self.own.until(end),
                clock.to(self.model.device),
                stop=end,
                count=count,
                start=self.first_context,
                edge=self.context.stop,
                known=self.own.known,
                plan=None if plan is None else self._in_window(plan, end),
                lively=self.lively,
            )
            latents = torch.nan_to_num(latents, nan=0.0, posinf=0.0, neginf=0.0)
            before = self.own.latents[:, :, -1:] if self.own.stop > self.own.first else None
            new.append(self.model.codec.settled(latents, before, self.monophonic))
            self.plan.play(new[-1], self.own.stop)
            self.own.play(new[-1], clock[:, :, -count:])
        return new

    def _in_window(self, plan: Tensor, end: int) -> Tensor:
        """The plan (1 or B, K, T) of the frames after the live edge, in the window that ends at frame `end`: (B, K, frames)."""
        first = end - self.frames
        rows = torch.zeros(len(self.stems), plan.shape[1], self.frames)
        start = max(self.context.stop, first)
        if start < end:
            rows[:, :, start - first :] = plan[:, :, start - self.context.stop : end - self.context.stop]
        return rows.to(self.model.device)

    def _decode(self, new: list[Tensor], start: int, stop: int) -> np.ndarray:
        """Decode the new frames and cut out [start, stop); the decoder runs `delay` samples behind its latents."""
        if new:
            latents = torch.cat(new, 2)
            latents = self.model.codec.smoothed(latents) if self.model.uses("smoothing") else latents
            fresh = self.decoder_state is None
            audio, self.decoder_state = self.model.codec.decode_stream(latents, self.decoder_state)
            first = (self.own.stop - latents.shape[2]) * self.hop - self.model.codec.delay
            early = max(start - first, 0) if fresh else 0  # samples before the answer: its frames were covered outward
            self.own_audio.write(first + early, audio[:, early:].cpu().numpy())
        return self.own_audio.read(start, stop)[0].clip(-1, 1)


def input_gain_db(level_db: np.ndarray) -> np.ndarray:
    """By how much players of these levels (B,), NaN where unknown, are raised before they are encoded."""
    return np.clip(np.nan_to_num(SOFT_DB - level_db), 0, MOST_DB)


def own_clock(model: Model) -> Clock:
    """A clock on the model's beat tracker, or none when it has none."""
    return NoClock() if model.tracker is None else TrackerClock(model.tracker, model.codec.hop)


def own_plan(model: Model) -> Plan:
    """A plan from the session's past, for a network that takes one and a codec that tells the notes; otherwise none."""
    recalls = model.config["net"].get("plan") and model.codec.lowest_pitch is not None
    return OwnPlan(model.codec) if recalls else NoPlan(model.codec.channels)
