"""Encode once, train often: every stem and every mix of stems of a data set as latents, memory-mapped.

    python -m accomp.data.latents --data data/band --codec models/live

Each track becomes TrackNNNNN.npy, float16 (M, C, T), one row per non-empty mix of its stems, and TrackNNNNN.json with the
names of the rows and the beat grid: data/latents/CODEC/SET/SPLIT/TrackNNNNN.*. CODEC is a hash of the codec's weights, so
that latents of different codecs can never meet; several sets encoded by one codec can be trained on together. An
interrupted run goes on where it stopped. The codec is causal: a frame of an encoded song is what a live player's codec
would have given at that moment, and nothing of the future is in it.
"""

import argparse
import hashlib
import io
import itertools
import json
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset
from tqdm import tqdm

from accomp.beat.clock import clock_features
from accomp.codec.contract import Codec
from accomp.data.beats import BeatGrid, beat_grid
from accomp.data.disk import watched
from accomp.data.excerpts import Recipe
from accomp.data.problems import Problem, quarantine
from accomp.data.slakh import FOLDERS, Track, find_tracks
from accomp.errors import UserError
from accomp.timeline import SAMPLE_RATE, STEMS, to_samples

log = logging.getLogger(__name__)


def fingerprint(codec: Codec) -> str:
    """A hash of everything that decides what a codec's latents are: weights and their names."""
    digest = hashlib.sha256()
    for name, value in sorted(codec.latent_weights().items()):
        digest.update(name.encode())
        digest.update(value.cpu().float().numpy().tobytes())
    return digest.hexdigest()[:16]


def mixes_of(stems: Sequence[str]) -> list[tuple[str, ...]]:
    """Every non-empty combination of stems, in a fixed order: 15 for four stems."""
    return [mix for size in range(1, len(stems) + 1) for mix in itertools.combinations(stems, size)]


@torch.inference_mode()
def encode_track(
    track: Track, codec: Codec, bf16: bool = False, samples: int | None = None
) -> tuple[list[str], np.ndarray]:
    """Names of the mixes ("bass+drums") and their latents, float16 (M, C, T); of the first `samples`, if given."""
    present = [stem for stem in STEMS if track.stem_files[stem]]
    stop = min(track.samples, samples or track.samples)
    stems = {stem: track.read(stem, 0, stop) for stem in present}
    mixes = mixes_of(present)
    rows = []
    for mix in mixes:
        audio = torch.from_numpy(sum(stems[stem] for stem in mix))[None]
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            rows.append(codec.encode(audio).float().half())
    return ["+".join(mix) for mix in mixes], torch.cat(rows).numpy()


def encode_set(
    root: Path,
    codec: Codec,
    out: Path,
    splits: str = "redux",
    bf16: bool = False,
    tracks: int | None = None,
    samples: int | None = None,
    on_bad: str = "refuse",
) -> Path:
    """Encode what is not yet encoded of every split; the codec's folder, with this set inside.

    At most `tracks` per split and the first `samples` of each, if given. Raises UserError on a damaged track, or, with
    on_bad="skip", names it in the data set's quarantine.csv and goes on; DiskFull when there is no room.
    """
    home = out / fingerprint(codec)
    work = []
    for split in FOLDERS[:3]:
        folder = home / root.absolute().name / split
        folder.mkdir(parents=True, exist_ok=True)
        work += [(track, folder / track.name) for track in find_tracks(root, split, splits, on_bad=on_bad)[:tracks]]
    silence = codec.encode(torch.zeros(1, 64 * codec.hop))[0, :, -1]
    about = {"hop": codec.hop, "channels": codec.channels, "silence": silence.tolist()}
    with watched(home):
        _replace(home / "codec.json", json.dumps(about).encode())
        for track, path in tqdm(work, unit="track"):
            if path.with_suffix(".json").is_file():
                continue
            try:
                names, latents = encode_track(track, codec, bf16, samples)
                grid = beat_grid(track.midi)
            except UserError as error:
                if on_bad == "refuse":
                    raise
                log.warning("left out %s: %s", track.name, error)
                quarantine(root, [Problem(track.path, "sound and notes", str(error))])
                continue
            note = {"mixes": names, "beats_s": grid.beats_s.tolist(), "downbeats_s": grid.downbeats_s.tolist()}
            buffer = io.BytesIO()
            np.save(buffer, latents)
            _replace(path.with_suffix(".npy"), buffer.getbuffer())
            _replace(path.with_suffix(".json"), json.dumps(note).encode())
    return home


def _replace(path: Path, data: bytes | memoryview) -> None:
    """Write a file that appears whole or not at all."""
    temporary = path.with_suffix(".partial")
    try:
        temporary.write_bytes(data)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


class LatentTrack:
    """One encoded song: rows by mix, and its beat grid."""

    def __init__(self, path: Path):
        note = json.loads(path.with_suffix(".json").read_text())
        self.name = path.stem
        self.rows = {name: row for row, name in enumerate(note["mixes"])}
        self.stems = [stem for stem in STEMS if stem in self.rows]
        self.grid = BeatGrid(np.array(note["beats_s"]), np.array(note["downbeats_s"]))
        self.latents = np.load(path.with_suffix(".npy"), mmap_mode="r")  # (M, C, T)
        self.frames = self.latents.shape[2]


class LatentStore:
    """The encoded tracks of one split, of the sets that are named or of all. `folder` holds one codec's folder, or is one."""

    def __init__(self, folder: Path, split: str, sets: Sequence[str] | None = None):
        homes = (
            [folder]
            if (folder / "codec.json").is_file()
            else sorted(path.parent for path in folder.glob("*/codec.json"))
        )
        if len(homes) != 1:
            found = f"latents of {len(homes)} codecs; name one of the folders inside" if homes else "no latents"
            raise UserError(f"{folder}: {found}; `python -m accomp.data.latents` encodes a data set")
        about = json.loads((homes[0] / "codec.json").read_text())
        self.codec, self.hop = homes[0].name, about["hop"]
        self.silence = np.array(about["silence"], np.float32)[:, None]  # (C, 1)
        encoded = sorted(path.name for path in homes[0].iterdir() if path.is_dir())
        if missing := set(sets or ()) - set(encoded):
            have = ", ".join(encoded) or "nothing"
            raise UserError(
                f"{homes[0]}: no latents of {', '.join(sorted(missing))} (of {have} there are); "
                "`python -m accomp.data.latents --data ROOT` encodes a data set"
            )
        chosen = [name for name in encoded if sets is None or name in sets]
        log.info("latents of %s, split %s", ", ".join(chosen), split)
        paths = [path for name in chosen for path in sorted((homes[0] / name / split).glob("*.json"))]
        self.tracks = [LatentTrack(path) for path in paths]


class LatentExcerpts(Dataset):
    """Excerpts as latents: `context` and `target` (C, T) float32, `stem`, and `clock` (CLOCK_FEATURES, T) from the MIDI."""

    def __init__(self, store: LatentStore, frames: int, seed: int, recipe: Recipe = Recipe()):
        self.store, self.frames, self.seed, self.recipe = store, frames, seed, recipe
        self.tracks = [track for track in store.tracks if track.frames >= frames and len(track.stems) > 1]
        if not self.tracks:
            raise UserError(f"no track of the latents is as long as an excerpt of {frames} frames; encode a larger set")

    def __getitem__(self, index: int) -> dict:
        rng = np.random.default_rng((self.seed, index))
        track = self.tracks[rng.integers(len(self.tracks))]
        start = int(rng.integers(track.frames - self.frames + 1))
        target = track.stems[rng.integers(len(track.stems))]
        mix = self.recipe.context_stems(target, track.stems, rng)
        return {
            "context": self._read(track, "+".join(mix), start),
            "target": self._read(track, target, start),
            "stem": STEMS.index(target),
            "clock": self._clock(track, start),
        }

    def _read(self, track: LatentTrack, mix: str, start: int) -> np.ndarray:
        if not mix:
            return np.repeat(self.store.silence, self.frames, 1)
        return track.latents[track.rows[mix], :, start : start + self.frames].astype(np.float32)

    def _clock(self, track: LatentTrack, start: int) -> np.ndarray:
        times_s = np.arange(start, start + self.frames) * self.store.hop / SAMPLE_RATE
        return clock_features(*track.grid.phase(times_s))


def main(arguments: Sequence[str] | None = None) -> int:
    from accomp.checkpoint import load_codec

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data/band"), help="a data set in Slakh2100's layout")
    parser.add_argument("--codec", type=Path, default=Path("models/live"), help="a model folder or a training run")
    parser.add_argument("--out", type=Path, default=Path("data/latents"))
    parser.add_argument("--splits", default="redux", help="which split of Slakh2100: redux or original")
    parser.add_argument(
        "--on-bad", choices=("refuse", "skip"), default="refuse", help="what to do about damaged tracks"
    )
    parser.add_argument("--bf16", action="store_true", help="faster on processors that have it; differs by about 0.01")
    parser.add_argument("--tracks", type=int, help="at most so many of each split")
    parser.add_argument("--seconds", type=float, help="only the beginning of each track")
    o = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    samples = to_samples(o.seconds) if o.seconds else None
    try:
        home = encode_set(o.data, load_codec(o.codec), o.out, o.splits, o.bf16, o.tracks, samples, o.on_bad)
    except UserError as error:
        log.error("error: %s", error)
        return 2
    log.info("latents are in %s", home)
    return 0


if __name__ == "__main__":
    sys.exit(main())
