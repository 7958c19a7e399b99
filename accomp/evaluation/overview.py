"""The picture that explains it: what the others play and what the model answers, as spectrograms around one live edge."""

import io
import logging
from pathlib import Path

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from torchaudio.transforms import AmplitudeToDB, MelSpectrogram

from accomp.evaluation.figures import INK, STYLE
from accomp.evaluation.rollouts import BatchItem, play
from accomp.evaluation.rows import load_models, samplers
from accomp.evaluation.settings import Settings
from accomp.evaluation.songs import Choice, Song, load_songs
from accomp.timeline import SAMPLE_RATE, Step, to_samples, to_seconds

log = logging.getLogger(__name__)

BEFORE_S, AFTER_S = 6.0, 4.5  # of the live edge
BANDS, RANGE_DB = 96, 70.0
COLOURS = 96  # of the file: a third of the size, and no difference to be seen
HIDDEN, EDGE, NEW = "white", "#1d2126", "#c2562d"


def run(settings: Settings) -> Path:
    """Play the first stem of the first song in the first regime and draw `overview.png`; its path."""
    ((name, model),) = list(load_models(settings).items())[:1]
    song = load_songs(settings.data, settings.stems[:1], Choice(1), settings.seconds)[0]
    item, step = BatchItem(song, song.stems[0], settings.seeds[0]), settings.regimes[0].step
    sampler, protocol = samplers(model, settings)[0], settings.protocols[0]
    answer = play(model, [item], step, settings.overlap, sampler, settings.clock, protocol).audio[0]
    with mpl.rc_context(STYLE | {"axes.grid": False}):
        figure = draw(song, item.stem, answer[: song.samples], step, f"{name}, {sampler}")
        path = (Path(settings.page.folder) if settings.page.folder else settings.out_dir) / "overview.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        drawn = io.BytesIO()
        figure.savefig(drawn, dpi=100)
        Image.open(drawn).convert("RGB").quantize(COLOURS).save(path, optimize=True)
    log.info("%s", path)
    return path


def draw(song: Song, stem: str, answer: np.ndarray, step: Step, player: str) -> Figure:
    """Two spectrograms of the same seconds; in each, the live edge, the beats, and what is not known at that moment."""
    edge = step.samples * round(0.6 * song.samples / step.samples)
    first, last = max(edge - to_samples(BEFORE_S), 0), min(edge + to_samples(AFTER_S), song.samples)
    start, stop = edge + step.offset, edge + step.offset + step.samples
    figure = Figure(figsize=(11, 5.4), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    _spectrogram(above, song.context[stem][first:last], first, "YlGnBu")
    _spectrogram(below, answer[first:last], first, "YlOrBr")
    _hide(above, edge, last, "not played yet")
    _hide(below, stop, last, "not generated yet")
    below.axvspan(to_seconds(start), to_seconds(stop), facecolor="none", edgecolor=NEW, linewidth=2)
    _write(below, start, stop, "generated now", NEW)
    if start > edge:
        _write(below, edge, start, "generated before", INK)
    for axis, title in ((above, "what the others play"), (below, f"what the model answers on the {stem} ({player})")):
        axis.axvline(to_seconds(edge), color=EDGE, linewidth=2)
        axis.set_title(title, loc="left", fontsize=10)
        axis.set_yticks([])
        _mark_beats(axis, song, first, last)
    above.annotate("live edge", (to_seconds(edge), BANDS), (4, 4), textcoords="offset points", fontsize=9)
    below.set_xlabel("seconds; the ticks on the upper edges are beats, the long ones bars")
    return figure


def _spectrogram(axis: Axes, audio: np.ndarray, first: int, colours: str) -> None:
    """Mel spectrogram in dB of audio (N,) whose first sample has the index `first`."""
    mel = MelSpectrogram(SAMPLE_RATE, n_fft=2048, hop_length=512, n_mels=BANDS, f_max=10_000, power=2.0)
    levels = AmplitudeToDB("power", RANGE_DB)(mel(torch.from_numpy(np.ascontiguousarray(audio)).float())).numpy()
    extent = (to_seconds(first), to_seconds(first + len(audio)), 0, BANDS)
    axis.imshow(levels, origin="lower", aspect="auto", extent=extent, cmap=colours, vmin=levels.max() - RANGE_DB)


def _hide(axis: Axes, start: int, stop: int, text: str) -> None:
    axis.axvspan(to_seconds(start), to_seconds(stop), color=HIDDEN, alpha=0.75, linewidth=0)
    _write(axis, start, stop, text, INK)


def _write(axis: Axes, start: int, stop: int, text: str, colour: str) -> None:
    axis.text(to_seconds((start + stop) // 2), 0.8 * BANDS, text, color=colour, ha="center", fontsize=9)


def _mark_beats(axis: Axes, song: Song, first: int, last: int) -> None:
    for times_s, length, width in ((song.grid.beats_s, 0.04, 1.0), (song.grid.downbeats_s, 0.1, 2.0)):
        inside = times_s[(times_s >= to_seconds(first)) & (times_s < to_seconds(last))]
        axis.vlines(inside, BANDS * (1 - length), BANDS, color=INK, linewidth=width)
