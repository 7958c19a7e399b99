"""Reads a data set that `accomp.data.latents` has encoded, and draws training excerpts from it."""

import json
import logging
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from torch.utils.data import Dataset

from accomp.beat.grid import BeatGrid
from accomp.data.excerpts import Recipe, clock_of, usable
from accomp.data.expectation import Expectation
from accomp.data.notes import chroma_rows
from accomp.errors import UserError
from accomp.plan.contract import CHROMA
from accomp.timeline import PITCH_CLASSES, SAMPLE_RATE, STEMS, WIRE_RATE, check_rate

log = logging.getLogger(__name__)

UNFINISHED = "unfinished"  # begins the name of a file in a set's folder while it, or a shard of it, is being encoded
LAYOUT = "mix, frame, channel"  # of the latents; those without this note are mix, channel, frame


def set_name(root: Path, splits: str) -> str:
    """What the latents of a data set are called: its folder, with the splits' name unless that is redux."""
    return Path(root).absolute().name + ("" if splits == "redux" else f"-{splits}")


def recording_row(stem: str) -> str:
    """The name of a stem's row that was encoded with all that follows each frame."""
    return f"{stem} (recording)"


class LatentTrack:
    """One encoded song: rows by mix, beat grid and notes. Its file is open only while it is read: Slakh has 1,559."""

    def __init__(self, path: Path, hop: int):
        self.hop = hop
        self.path, self.name = path.with_suffix(".npy"), path.stem
        try:
            note = json.loads(path.with_suffix(".json").read_text())
            self.rows = {name: row for row, name in enumerate(note["mixes"])}
            self.grid = BeatGrid(np.array(note["beats_s"]), np.array(note["downbeats_s"]))
            self.bits = {stem: np.array(row, np.int16) for stem, row in note["notes"].items()}
            self.lowest = {stem: np.array(row, np.int16) for stem, row in note.get("lowest", {}).items()}
            mapped = np.load(self.path, mmap_mode="r")
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise UserError(f"{self.path}: damaged latents ({error}); delete {path.stem}.* and encode again") from error
        self.classes = note.get("classes", list(STEMS))
        self.stems = [stem for stem in self.classes if stem in note.get("stems", self.rows)]
        self.frames_first = note.get("layout") == LAYOUT
        self.stored, self.offset = mapped.shape, mapped.offset
        count, *size = self.stored
        self.shape = (count, *reversed(size)) if self.frames_first else self.stored  # (M, C, T)
        self.frames = self.shape[2]

    def read(self, mix: str, start: int, stop: int) -> np.ndarray:
        """Frames [start, stop) of a mix: (C, T) float32."""
        latents = np.memmap(self.path, np.float16, "r", self.offset, self.stored)
        if self.frames_first:
            return latents[self.rows[mix], start:stop].T.astype(np.float32)
        return latents[self.rows[mix], :, start:stop].astype(np.float32)

    def read_target(self, stem: str, start: int, stop: int) -> np.ndarray:
        """Frames [start, stop) of a stem as a target, (C, T): with all that its codec knows of a recording."""
        row = recording_row(stem)
        return self.read(row if row in self.rows else stem, start, stop)

    def mixes_without(self, stem: str) -> list[tuple[str, ...]]:
        """The stems of every encoded mix in which `stem` does not play."""
        mixes = [tuple(name.split("+")) for name in self.rows if not name.endswith(recording_row(""))]
        return [mix for mix in mixes if stem not in mix]

    def harmony(self, mix: str, start: int, stop: int) -> np.ndarray:
        """Chroma and bass of a mix in frames [start, stop), as in a plan: (2 PITCH_CLASSES, T), of zeros where unknown."""
        rows = np.zeros((2 * PITCH_CLASSES, stop - start), np.float32)
        stems = mix.split("+") if mix else []
        if stems and set(stems) <= set(self.bits) & set(self.lowest):
            rows[CHROMA] = chroma_rows(np.bitwise_or.reduce([self.bits[stem][start:stop] for stem in stems]))
            pitches = np.stack([self.lowest[stem][start:stop] for stem in stems])
            lowest = np.where(pitches > 0, pitches, 999).min(0)
            some = np.flatnonzero(lowest < 999)
            rows[PITCH_CLASSES + lowest[some] % PITCH_CLASSES, some] = 1
        return rows

    @cached_property
    def position(self) -> np.ndarray:
        """Where every frame lies, in beats (T,); NaN outside the beats of the song."""
        return self.grid.position(np.arange(self.frames) * self.hop / SAMPLE_RATE)


class LatentStore:
    """The encoded tracks of one split, of the sets that are named. `folder` holds one codec's folder, or is one."""

    def __init__(self, folder: Path, split: str, sets: Sequence[str]):
        folders = [folder] if (folder / "codec.json").is_file() else [p.parent for p in folder.glob("*/codec.json")]
        if len(folders) != 1:
            found = f"latents of {len(folders)} codecs; name one of the folders inside" if folders else "no latents"
            raise UserError(f"{folder}: {found}; `python -m accomp.data.latents` encodes a data set")
        about = json.loads((folders[0] / "codec.json").read_text())
        check_rate(about.get("sample_rate", WIRE_RATE), str(folders[0]))
        self.codec, self.hop = folders[0].name, about["hop"]
        self.encoded_by = about.get("encoded_by")  # where the codec lay
        self.silence = np.array(about["silence"], np.float32)[:, None]  # (C, 1)
        encoded = sorted(path.name for path in folders[0].iterdir() if path.is_dir())
        if missing := set(sets) - set(encoded):
            have = ", ".join(encoded) or "nothing"
            raise UserError(
                f"{folders[0]}: no latents of {', '.join(sorted(missing))} (of {have} there are); "
                "`python -m accomp.data.latents --data ROOT` encodes a data set, data.sets=[A,B] names others"
            )
        for name in sets:
            if any((folders[0] / name).glob(f"{UNFINISHED}*")):
                log.warning("%s: not all of it is encoded yet; the same `accomp.data.latents` goes on", folders[0] / name)
        paths = [path for name in sorted(sets) for path in sorted((folders[0] / name / split).glob("*.json"))]
        self.tracks = [LatentTrack(path, self.hop) for path in paths]
        log.info("latents of %s, split %s: %d tracks", ", ".join(sorted(sets)), split, len(self.tracks))


class LatentExcerpts(Dataset):
    """Excerpts as latents: `context` and `target` (C, T) float32, `stem`, and from the MIDI `clock` (CLOCK_FEATURES, T).

    With `plan`, what a plan says from frame `since` on: `plan` (plan_rows(C), T), see `accomp.data.expectation`.
    """

    def __init__(self, store: LatentStore, frames: int, seed: int, recipe: Recipe = Recipe(), plan: Expectation | None = None):
        self.store, self.frames, self.seed, self.recipe, self.plan = store, frames, seed, recipe, plan
        need = f"has two stems and is as long as an excerpt of {frames} frames (data.frames)"
        self.tracks = usable(store.tracks, lambda track: track.frames >= frames and len(track.stems) > 1, need)

    def __getitem__(self, index: int) -> dict:
        rng = np.random.default_rng((self.seed, index))
        track = self.tracks[rng.integers(len(self.tracks))]
        start = int(rng.integers(track.frames - self.frames + 1))
        target = track.stems[rng.integers(len(track.stems))]
        mix = self._context(track, target, rng)
        silence = np.repeat(self.store.silence, self.frames, 1)
        stop = start + self.frames
        expected = {} if self.plan is None else self.plan(track, mix, target, start, stop, rng)
        return expected | {
            "context": track.read(mix, start, stop) if mix else silence,
            "target": track.read_target(target, start, stop),
            "stem": track.classes.index(target),
            "clock": clock_of(track.grid, start * self.store.hop, self.frames, self.store.hop),
        }

    def _context(self, track: LatentTrack, target: str, rng: np.random.Generator) -> str:
        """The mix that the context holds, "" for silence: the one that the recipe draws, or another that is encoded."""
        stems = self.recipe.context_stems(target, track.stems, rng)
        mixes = track.mixes_without(target)
        if stems and tuple(stems) not in mixes:
            stems = mixes[rng.integers(len(mixes))] if mixes else []
        return "+".join(stems)
