"""What the codec alone costs: how far recordings that went through it are from themselves, and how long it takes.

Every part of every song goes through the codec as a live stream, in steps, and what comes out is what is scored. The
paper's codec stands beside it: its sound when its weights are there, its time in any case, in the shapes that the
paper's system uses (encode 6 s, decode the newest frames).
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from accomp.audio import is_silent
from accomp.codec.contract import Codec
from accomp.codec.losses import si_sdr
from accomp.codec.music2latent import Music2Latent, package_weights
from accomp.data.slakh import find_tracks
from accomp.data.track import Track
from accomp.disk import write_text
from accomp.errors import UserError
from accomp.evaluation.baselines import round_trip
from accomp.evaluation.codec_table import OURS, REFERENCE, card
from accomp.evaluation.latency import Timing, time_paper
from accomp.evaluation.report import write_lines
from accomp.evaluation.settings import Settings
from accomp.evaluation.songs import middle
from accomp.metrics.clicks import border_excess, click_db
from accomp.metrics.harmony import chroma_agreement
from accomp.metrics.latency import percentiles
from accomp.metrics.onsets import onset_error
from accomp.metrics.separation import reproduction
from accomp.metrics.spectral import spectral
from accomp.model import usable
from accomp.stream.stopwatch import Stopwatch
from accomp.timeline import Step, to_samples
from accomp.training_run import load_codec

log = logging.getLogger(__name__)

STREAM_S = 60.0  # how long a stream is timed
COLD_S = 1.0  # of a stream that begins within a song, not compared: a transcriber takes that beginning for many notes
LEAST_S = 2.0 + COLD_S  # separation scores are made of whole seconds
RoundTrip = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Streamed:
    """Audio (N,), aligned with what went in; the samples at which two steps meet; what every step took."""

    audio: np.ndarray
    borders: list[int]
    timings: list[Timing]


def run(settings: Settings) -> Path:
    """Score and time, write `scores.csv` and `table.md`, and log the table; the folder they are in."""
    if settings.seconds is not None and settings.seconds < LEAST_S:
        raise UserError(f"seconds={settings.seconds:g}: a codec is scored on at least {LEAST_S:g} s of each song")
    codec = load_codec(settings.model).requires_grad_(False).to(usable(settings.device))
    weights = Path(settings.music2latent) if settings.music2latent else package_weights()
    reference = Music2Latent(weights).to(settings.device) if weights or settings.latency.paper_cycles else None
    # Whole excerpts, which are the best case of a codec that is not causal.
    lines = list(score(settings, codec, partial(round_trip, reference) if weights else None))
    lines += cost(settings, codec, reference)
    write_lines(settings.out_dir / "scores.csv", lines)
    text = card(settings, codec, lines, weights)
    write_text(settings.out_dir / "table.md", text)
    log.info("\n%s\n%s", text, settings.out_dir / "scores.csv")
    return settings.out_dir


def score(settings: Settings, codec: Codec, reference: RoundTrip | None) -> Iterator[dict]:
    """One line for every metric of every part of every song; for all together, how rough the sound is where two steps meet.

    That is held against the frames inside of steps, which have the same place on the codec's own grid, and against the
    recordings at the same places.
    """
    step = Step(settings.latency.r, settings.latency.w)
    excess: dict[str, list[np.ndarray]] = {"border": [], "frame": [], "recording": []}
    for label, track in tqdm(songs(settings), desc="codec", unit="song"):
        for part, truth in parts(track, settings):
            streamed = stream(codec, truth, step.samples)
            answers = {OURS: streamed.audio} | ({REFERENCE: reference(truth)} if reference else {})
            for name, answer in answers.items():
                for metric, value in compare(answer[to_samples(COLD_S) :], truth[to_samples(COLD_S) :]).items():
                    yield line(name, metric, value, label, track.name, part)
            frames = range(codec.hop - codec.delay, len(truth), codec.hop)
            inside = sorted(set(frames) - set(streamed.borders))
            for metric, audio, borders in (
                ("border", streamed.audio, streamed.borders),
                ("frame", streamed.audio, inside),
                ("recording", truth, streamed.borders),
            ):
                excess[metric].append(border_excess(audio, borders))
    for metric, found in excess.items():
        yield line(OURS, f"{metric}_excess_db", click_db(np.concatenate([np.zeros(0), *found])))
    yield line(OURS, "borders", sum(len(found) for found in excess["border"]))


def songs(settings: Settings) -> list[tuple[str, Track]]:
    """The songs asked for, spread evenly over each data set, with the label of their set."""
    sets = settings.sets or {Path(settings.data.root).name: settings.data.root}
    chosen = []
    for label, root in sets.items():
        found = find_tracks(Path(root), settings.data.split, settings.data.splits)
        count = min(settings.tracks or len(found), len(found))
        chosen += [(label, found[i]) for i in np.linspace(0, len(found) - 1, count).round().astype(int)]
    return chosen


def parts(track: Track, settings: Settings) -> Iterator[tuple[str, np.ndarray]]:
    """The middle of a song: the stems asked for that play there, and `mix`, the sum of all."""
    stems = {stem: track.read(stem, *middle(track, settings.seconds)) for stem in track.stem_files}
    chosen = {stem: stems[stem] for stem in settings.stems if stem in stems} | {"mix": sum(stems.values())}
    yield from ((part, audio) for part, audio in chosen.items() if not is_silent(audio))


def compare(answer: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Every score of a copy (N,) of a recording (N,)."""
    scale_free = si_sdr(torch.from_numpy(answer)[None], torch.from_numpy(truth)[None]).item()
    found = reproduction(answer, truth) | {"si_sdr_db": scale_free} | spectral(answer, truth)
    return found | onset_error(answer, truth) | {"chroma": chroma_agreement(answer, truth)}


@torch.inference_mode()
def stream(codec: Codec, audio: np.ndarray, step: int) -> Streamed:
    """Audio (N,) through a causal codec, `step` samples at a time, its delay taken out again.

    The last, shorter piece is silence that pushes out what the decoder still holds; it has a timing, too.
    """
    device = next(codec.parameters()).device
    frames = -(-(len(audio) + codec.delay) // codec.hop)
    fed = np.pad(audio, (0, frames * codec.hop - len(audio)))
    done, encoder, decoder = 0, None, None  # frames; states
    pieces, borders, timings = [], [], []
    for edge in (*range(step, len(fed), step), len(fed)):
        stop = edge // codec.hop
        watch = Stopwatch()
        block = torch.from_numpy(fed[done * codec.hop : stop * codec.hop])[None].to(device)
        latents, encoder = codec.encode_stream(block, encoder)
        watch.record("encode")
        piece, decoder = codec.decode_stream(latents, decoder)
        pieces.append(piece[0].cpu().numpy())  # waits for an accelerator to finish
        watch.record("decode")
        timings.append(watch.timings())
        borders.append(stop * codec.hop - codec.delay)
        done = stop
    played = np.concatenate(pieces)[codec.delay : codec.delay + len(audio)]
    return Streamed(played, [border for border in borders[:-1] if 0 < border < len(audio)], timings)


def cost(settings: Settings, codec: Codec, reference: Codec | None) -> Iterator[dict]:
    """What a step takes, and what it takes late in a long stream against early."""
    step = Step(settings.latency.r, settings.latency.w)
    count = max(3, round(STREAM_S / step.seconds))
    noise = (0.1 * np.random.default_rng(settings.latency.seed).standard_normal(count * step.samples)).astype(np.float32)
    stream(codec, noise[: to_samples(5)], step.samples)  # warm
    ours = stream(codec, noise, step.samples).timings[:count]
    yield from _percentiles(OURS, ours)
    third = count // 3
    early, late = (np.median([t["cycle_ms"] for t in timings]) for timings in (ours[:third], ours[-third:]))
    yield line(OURS, "late_to_early", late / early)
    yield line(OURS, "parameters", sum(p.numel() for p in codec.parameters()))
    if reference is None or not settings.latency.paper_cycles:
        return
    # The network between encoder and decoder is left out: what was known is simply kept.
    yield from _percentiles(REFERENCE, time_paper(reference, lambda own, *_: own, settings, step))
    yield line(REFERENCE, "parameters", sum(p.numel() for p in reference.parameters()))


def _percentiles(name: str, timings: list[Timing]) -> Iterator[dict]:
    for metric, times_ms in {
        "step": [t["encode_ms"] + t["decode_ms"] for t in timings],
        "encode": [t["encode_ms"] for t in timings],
        "decode": [t["decode_ms"] for t in timings],
    }.items():
        for key, value in percentiles(times_ms).items():
            yield line(name, f"{metric}_{key}_ms", value)


def line(codec: str, metric: str, value: float, label: str = "*", track: str = "*", part: str = "*") -> dict:
    """A line of the tidy table; `*` is for what belongs to no recording."""
    return {"codec": codec, "set": label, "track": track, "part": part, "metric": metric, "value": value}
