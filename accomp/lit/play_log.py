"""Validation that plays: a few validation songs are played along with by the `Streamer` that plays live, and scored.

At every validation that is due, with the averaged weights, on the device of training, at w = -1, 0 and 1: how well onsets meet
the beats, moving chroma, chord tones of the bass, harmonics-to-noise ratio and level go to every logger, sound and pictures to
files and to Weights & Biases.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import WandbLogger

from accomp import audio
from accomp.beat.chords import BeatChords
from accomp.beat.clock import GridClock
from accomp.beat.grid import BeatGrid
from accomp.codec.contract import Codec
from accomp.codec.fingerprint import fingerprint
from accomp.data.beats import track_grid
from accomp.data.chords import track_chords
from accomp.data.slakh import find_tracks
from accomp.data.track import Track
from accomp.diffusion.precond import ConsistencyDenoiser
from accomp.diffusion.presets import PAPER_STUDENT, samplers_of
from accomp.errors import UserError
from accomp.lit.logging_audio import play_picture
from accomp.metrics import bass_notes, moving_chroma, tone
from accomp.metrics.beats import f_measure
from accomp.metrics.contract import Excerpt
from accomp.metrics.onsets import onsets_s
from accomp.model import Model
from accomp.stream.rollout import rollout
from accomp.stream.streamer import Streamer
from accomp.timeline import SAMPLE_RATE, STEMS, Step, to_samples, to_seconds
from accomp.training_run import load_codec
from accomp.window import PlayingDraw

log = logging.getLogger(__name__)

DEPTHS = (-1, 0, 1)
RATIO = 0.25
TOLERANCE_S = 0.05


@dataclass(frozen=True)
class Passage:
    """A stretch of a validation song: its target stem, the sum of the others, and its beats and chords from its start."""

    stem: str
    truth: np.ndarray
    context: np.ndarray
    grid: BeatGrid
    chords: BeatChords | None


class PlayLog(Callback):
    """Plays, scores and logs; see above. `play/...` of the last time is logged at every validation, to choose checkpoints by.

    Args:
        dirpath: where the sounds lie, a folder per time
        every_steps: optimiser steps between two times, rounded up to the next validation
        excerpts, seconds: how many passages, and how long
        codec: a run or model folder whose latents the training uses; None: the one that the latents name, or the module has
    """

    def __init__(self, dirpath: str, every_steps: int = 1000, excerpts: int = 3, seconds: float = 12.0,
                 codec: str | None = None):  # fmt: skip
        self.dirpath, self.every_steps, self.excerpts, self.seconds = Path(dirpath), every_steps, excerpts, seconds
        self.source, self.codec = codec, None
        self.passages: list[Passage] = []
        self.off, self.played_at, self.values = False, -1, {}

    def state_dict(self) -> dict:
        return {"played_at": self.played_at, "values": self.values}

    def load_state_dict(self, state: dict) -> None:
        self.played_at, self.values = state["played_at"], state["values"]

    @torch.no_grad()
    def on_validation_batch_end(
        self, trainer: L.Trainer, module: L.LightningModule, outputs, batch: dict, index: int, loader: int = 0
    ) -> None:
        if index or trainer.sanity_checking or not hasattr(module, "denoiser") or self.off:
            return
        step = trainer.global_step
        if trainer.is_global_zero and (self.played_at < 0 or step - self.played_at >= self.every_steps):
            if self.codec is None:
                self.prepare(trainer, module)
            if not self.off:
                self.played_at = step
                try:
                    self.values = self.play(trainer, module, step)
                except Exception:  # whatever it is, it must not end a training of days
                    log.exception("validation could not play at step %d; training goes on", step)
        if trainer.world_size > 1:
            self.off, self.played_at, self.values = trainer.strategy.broadcast((self.off, self.played_at, self.values))
        if self.values:
            module.log_dict(self.values, batch_size=1)

    def prepare(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Load codec and passages, or play nothing. Raises UserError when the codec it names is not that of the latents."""
        data, h = trainer.datamodule, trainer.datamodule.hparams
        try:
            self.codec = module.codec.on(module.device) if module.codec is not None else self.codec_of(data, module.device)
            tracks = find_tracks(Path(h.root), "validation", h.splits, on_bad=h.on_bad, stems=h.stems)[: self.excerpts]
        except UserError as error:
            if self.source is not None:
                raise
            self.off = True
            log.warning("validation does not play: %s", error)
            return
        samples = min(to_samples(self.seconds), *(track.samples for track in tracks))
        self.passages = [passage_of(track, i, samples) for i, track in enumerate(tracks)]

    def codec_of(self, data: L.LightningDataModule, device: torch.device) -> Codec:
        """The codec of the latents. Raises UserError when it is not where it should be."""
        store = data.store("validation")
        source = self.source or store.encoded_by
        if source is None:
            raise UserError("name the codec of the latents by callbacks.play.codec=FOLDER")
        codec = load_codec(source).to(device)
        if fingerprint(codec) != store.codec:
            raise UserError(f"callbacks.play.codec={source}: data.latents are of another codec, {store.codec}")
        return codec

    @property
    def names(self) -> list[str]:
        """Of the passages: number and target."""
        return [f"{i}_{passage.stem}" for i, passage in enumerate(self.passages)]

    def play(self, trainer: L.Trainer, module: L.LightningModule, step: int) -> dict[str, float]:
        """Play all passages at every depth; the means of their scores, by name."""
        model = model_of(module, self.codec, trainer.datamodule.hparams)
        folder, values, sounds, pictures = self.dirpath / f"step{step:07d}", {}, {}, {}
        contexts = np.stack([passage.context for passage in self.passages])
        for depth in DEPTHS:
            clock = GridClock([passage.grid for passage in self.passages], model.codec.hop)
            streamer = Streamer(model, [passage.stem for passage in self.passages], seed=0, clock=clock)
            played = rollout(streamer, contexts, Step(RATIO, depth)).audio
            for i, (passage, answer) in enumerate(zip(self.passages, played, strict=True)):
                name = f"{self.names[i]}_w{depth}"
                sounds |= {f"{i}_context": passage.context, name: answer, f"{name}_mix": passage.context + answer}
                pictures[name] = play_picture(passage.context, answer, passage.grid, Step(RATIO, depth), plan_of(streamer))
                for metric, value in scores(passage, answer).items():
                    values.setdefault(f"play/{metric}_w{depth}", []).append(value)
        for name, sound in sounds.items():
            audio.write(folder / f"{name}.wav", sound)
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger):
                rates = [SAMPLE_RATE] * len(sounds)
                logger.log_audio("play/audio", list(sounds.values()), sample_rate=rates, caption=list(sounds))
                logger.log_image("play/spectrograms", list(pictures.values()), caption=list(pictures))
                logger.log_table("play/scores", columns=["figure", *self.names], data=[[k, *v] for k, v in values.items()])
        known = {name: [value for value in found if np.isfinite(value)] for name, found in values.items()}
        return {name: float(np.mean(found)) for name, found in known.items() if found}


def passage_of(track: Track, number: int, samples: int) -> Passage:
    """The middle of a track; the target is another stem in every passage."""
    start = (track.samples - samples) // 2
    stem = track.stems[number % len(track.stems)]
    context = sum((track.read(other, start, start + samples) for other in track.stems if other != stem),
                  np.zeros(samples, np.float32))  # fmt: skip
    shift_s, grid = to_seconds(start), track_grid(track) or BeatGrid(np.zeros(0), np.zeros(0))
    chords = None if track.midi is None else track_chords(track, grid.beats_s).shifted(shift_s)
    moved = BeatGrid(grid.beats_s - shift_s, grid.downbeats_s - shift_s)
    return Passage(stem, track.read(stem, start, start + samples), context, moved, chords)


def model_of(module: L.LightningModule, codec: Codec, data: dict) -> Model:
    """The module's denoiser as a model that plays: with the sampler of its kind, and without a tracker."""
    conditioner = module.conditioner
    kind = isinstance(module.denoiser, ConsistencyDenoiser), isinstance(conditioner.draw, PlayingDraw)
    name = {(False, True): "teacher_4", (True, True): "student_3", (False, False): "adpm2_5", (True, False): "cm_2"}[kind]
    plan = getattr(getattr(module.denoiser.net, "config", None), "plan", 0)
    sampler = dict((samplers_of(kind[1]) | PAPER_STUDENT)[name])
    if not getattr(conditioner, "cond_dropout", 0):
        sampler.pop("guidance", None)
    config = {"net": {"plan": plan}, "samplers": {name: sampler}, "sampler": name, "stems": list(data.stems or STEMS)}
    config |= {"frames": data.frames or 64, "longest_step": getattr(conditioner.draw, "longest_step", 64)}
    return Model("training", config, codec, {sampler["denoiser"]: module.denoiser}, None, module.device)


def plan_of(streamer: Streamer) -> np.ndarray | None:
    """The chroma that the plan expects of the second after the last live edge, (12, T), of the first item; None without one."""
    if not streamer.model.config["net"]["plan"]:
        return None
    edge = streamer.context.stop
    clock = streamer.clock.features(edge, edge + SAMPLE_RATE // streamer.hop)
    return streamer.plan.ahead(edge, clock)[0, :12].cpu().numpy()


def scores(passage: Passage, answer: np.ndarray) -> dict[str, float]:
    """What is said about one answer; NaN where there is nothing to say."""
    end_s = to_seconds(len(answer))
    beats = passage.grid.beats_s[(passage.grid.beats_s >= 0) & (passage.grid.beats_s < end_s)]
    excerpt = Excerpt(passage.stem, answer, passage.context, passage.truth, beats, None, passage.chords)
    found = moving_chroma.moving_chroma(excerpt) | tone.tone(excerpt) | bass_notes.bass_notes(excerpt)
    kept = ("moving_chroma_agreement", "bass_chord_tones", "hnr_db", "level_difference_db")
    return {"beat_f1": beat_f1(onsets_s(answer), beats)} | {name: found[name] for name in kept}


def beat_f1(onsets: Sequence[float], beats_s: np.ndarray) -> float:
    """How well onsets meet the beats, within 50 ms, as an F-measure; onsets on the eighths between do not count."""
    if len(beats_s) < 2:
        return float("nan")
    onsets = np.asarray(onsets)
    places = np.arange(2 * len(beats_s) - 1) / 2
    eighths = np.interp(places, np.arange(len(beats_s)), beats_s)
    inside = onsets[(onsets >= beats_s[0] - TOLERANCE_S) & (onsets <= beats_s[-1] + TOLERANCE_S)]
    if not len(inside):
        return 0.0
    off = np.abs(inside[:, None] - eighths).min(1) > TOLERANCE_S
    on_beat = np.abs(inside[:, None] - beats_s).min(1) <= TOLERANCE_S
    return f_measure(beats_s, np.sort(inside[off | on_beat]), TOLERANCE_S)
