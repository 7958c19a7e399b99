"""Encode once, train often: every stem and every mix of stems of a data set as latents, memory-mapped.

    python -m accomp.data.latents --data data/band --codec models/live
    python -m accomp.data.latents --data data/slakh2100_flac_redux --codec models/live --variants 1 --pitch 3 --tempo 0.1

Each track becomes TrackNNNNN.npy, float16 (M, T, C), one row per non-empty mix of its stems, and TrackNNNNN.json with
the names of the rows, the beats and the notes of every stem: data/latents/CODEC/SET/SPLIT/TrackNNNNN.*. CODEC is a hash
of the codec's weights, so that latents of different codecs can never meet; several sets encoded by one codec can be
trained on together. An interrupted run goes on where it stopped. The codec is causal: a frame of an encoded song is
what the codec gives live at that moment, and nothing later is in it.
"""

import argparse
import io
import itertools
import json
import logging
import sys
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from accomp.beat.grid import BeatGrid
from accomp.codec.contract import Codec
from accomp.codec.fingerprint import fingerprint
from accomp.command_line import add_on_bad, command, parser_of
from accomp.data.beats import track_grid
from accomp.data.classes import Asked, read_arguments
from accomp.data.excerpts import Recipe
from accomp.data.latent_excerpts import LAYOUT, UNFINISHED, recording_row, set_name
from accomp.data.notes import lowest_pitches, note_roll, pitch_classes, read_notes
from accomp.data.problems import Problem, quarantine
from accomp.data.slakh import find_tracks
from accomp.data.splits import FOLDERS
from accomp.data.track import Track
from accomp.data.vary import Variation
from accomp.disk import watched, write_whole
from accomp.errors import UserError
from accomp.timeline import SAMPLE_RATE

log = logging.getLogger(__name__)


def mixes_of(stems: Sequence[str], most: int | None = None, key: str = "") -> list[tuple[str, ...]]:
    """Every non-empty combination of stems, in a fixed order: 15 for four stems.

    Of more than `most`, those without one stem, and as many others as there is room for, drawn by `key`.
    """
    mixes = [mix for size in range(1, len(stems) + 1) for mix in itertools.combinations(stems, size)]
    if most is None or len(mixes) <= most:
        return mixes
    contexts = [mix for mix in mixes if len(mix) == len(stems) - 1]
    others = [mix for mix in mixes if len(mix) < len(stems) - 1]
    drawn = np.random.default_rng(zlib.crc32(key.encode())).permutation(len(others))[: max(most - len(contexts), 0)]
    return [mix for mix in mixes if mix in contexts or mix in [others[i] for i in drawn]]


@torch.inference_mode()
def encode_track(
    track: Track, codec: Codec, bf16: bool = False, variation: Variation = Variation(), mixes: int | None = None
) -> tuple[list[str], np.ndarray]:
    """Names of the mixes ("bass+drums") and their latents, float16 (M, C, T)."""
    present, device = track.stems, next(codec.parameters()).device
    stems = {stem: variation.apply(track.read(stem), stem == "drums") for stem in present}
    chosen = mixes_of(present, mixes, track.name)
    if not codec.looks_ahead:  # whose targets are the stems as they are heard alone
        chosen = [mix for mix in mixes_of(present) if mix in chosen or len(mix) == 1]
    rows = []
    for mix in chosen:
        audio = torch.from_numpy(sum(stems[stem] for stem in mix))[None].to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            rows.append(codec.encode(audio).float().half().cpu())
    names = ["+".join(mix) for mix in chosen]
    if codec.looks_ahead:
        rows += [_recording(track, stem, stems[stem], codec, variation) for stem in present]
        names += [recording_row(stem) for stem in present]
    return names, torch.cat(rows).numpy()


def _recording(track: Track, stem: str, audio: np.ndarray, codec: Codec, variation: Variation) -> Tensor:
    """A stem's latents as a target: with all that follows each frame, and the notes of the score where there are any."""
    roll = _roll(track, stem, len(audio) // codec.hop, codec.hop, variation)
    device = next(codec.parameters()).device
    given = None if roll is None else torch.from_numpy(roll)[None].to(device)
    return codec.encode_recording(torch.from_numpy(audio)[None].to(device), given).float().half().cpu()


def _roll(track: Track, stem: str, frames: int, hop: int, variation: Variation) -> np.ndarray | None:
    """Keys and strokes of a stem that is varied so; None when they are unknown."""
    if (notes := read_notes(track, stem)) is None:
        return None
    shift = 0 if stem == "drums" else round(variation.semitones)
    return note_roll(notes, 0.0, frames, hop * variation.speed / SAMPLE_RATE, shift)


def encode_set(
    root: Path, codec: Codec, out: Path, splits: str = "redux", bf16: bool = False, on_bad: str = "refuse",
    variants: int = 0, recipe: Recipe = Recipe(), mixes: int | None = None, stems: Asked | None = None,
    shard: tuple[int, int] = (0, 1), encoded_by: str | None = None,
) -> Path:  # fmt: skip
    """Encode what is not yet encoded of every split; the codec's folder, with this set inside.

    `stems` are the classes of instruments, see `find_tracks`; shard (i, n) encodes the tracks i, i + n, i + 2 n, ...
    `encoded_by` is where the codec lies.

    Every song in train is encoded `variants` times more, in a key, tempo and level drawn by the recipe. `mixes`: of each
    song at most so many. Raises
    UserError on a damaged track, or, with on_bad="skip", names it in the data set's quarantine.csv and goes on;
    DiskFull when there is no room. Latents of tracks that the set no longer has are removed.
    """
    if not codec.causal:
        raise UserError("this codec uses later samples: only a causal codec's latents can be made ahead of time")
    codec_folder = out / fingerprint(codec)
    set_folder = codec_folder / set_name(root, splits)
    with watched(out):
        work = {}
        for split in FOLDERS[:3]:
            (set_folder / split).mkdir(parents=True, exist_ok=True)
            tracks = find_tracks(root, split, splits, on_bad=on_bad, stems=stems)
            work |= dict(_planned(tracks, set_folder / split, variants if split == "train" else 0, recipe))
            _forget(set_folder / split, {track.name for track in tracks})
        unfinished = set_folder / f"{UNFINISHED}{shard[0] or ''}"
        unfinished.touch()
        work = dict(list(work.items())[shard[0] :: shard[1]])
        about = _about(codec) | {"encoded_by": encoded_by}
        write_whole(codec_folder / "codec.json", json.dumps(about).encode())
        for path, (track, variation) in tqdm(work.items(), unit="track"):
            try:
                _encode_to(path, track, variation, codec, bf16, mixes)
            except UserError as error:
                if on_bad == "refuse":
                    raise
                log.warning("left out %s: %s", track.name, error)
                quarantine(root, [Problem(track.path, "sound and notes", str(error))])
        unfinished.unlink()
    return codec_folder


def _about(codec: Codec) -> dict:
    silence = codec.encode(torch.zeros(1, 64 * codec.hop, device=next(codec.parameters()).device))[0, :, -1]
    return {"hop": codec.hop, "channels": codec.channels, "sample_rate": SAMPLE_RATE, "silence": silence.tolist()}


def _planned(
    tracks: Sequence[Track], folder: Path, variants: int, recipe: Recipe
) -> Iterator[tuple[Path, tuple[Track, Variation]]]:
    """Where each track's latents go, and how the track is varied: TrackNNNNN, TrackNNNNN+1, TrackNNNNN+2, ..."""
    for track in tracks:
        yield folder / track.name, (track, Variation())
        for number in range(1, variants + 1):
            variation = recipe.variation(zlib.crc32(track.name.encode()), number)
            yield folder / f"{track.name}+{number}", (track, variation)


def _forget(folder: Path, names: set[str]) -> None:
    """Remove the latents of tracks that are no longer in this split: they could be in another one by now."""
    for path in folder.glob("*.json"):
        if path.stem.split("+")[0] not in names:
            log.warning("%s: no longer in this split; its latents are removed", path.with_suffix(""))
            path.unlink()
            path.with_suffix(".npy").unlink(missing_ok=True)


def _encode_to(path: Path, track: Track, variation: Variation, codec: Codec, bf16: bool, mixes: int | None) -> None:
    """Encode a track unless this very song, with these instruments in this variation, is there. The .json comes last."""
    source = f"{track.source} {variation}"
    files = {stem: [file.name for file in files] for stem, files in track.stem_files.items()}
    note = path.with_suffix(".json")
    if note.is_file():
        about = json.loads(note.read_text())
        if about.get("source", source) == source and about.get("files", files) == files and "notes" in about:
            return
        log.info("%s: of another song, variation or choice of instruments, or without notes; encoded anew", path)
        note.unlink()
    names, latents = encode_track(track, codec, bf16, variation, mixes)
    grid, present = track_grid(track) or BeatGrid(np.zeros(0), np.zeros(0)), track.stems
    found = {stem: _roll(track, stem, latents.shape[2], codec.hop, variation) for stem in present}
    rolls = {stem: roll for stem, roll in found.items() if roll is not None}
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(latents.transpose(0, 2, 1)))  # an excerpt is one piece of the file
    write_whole(path.with_suffix(".npy"), buffer.getbuffer())
    about = {
        "layout": LAYOUT,
        "classes": list(files),
        "files": files,
        "mixes": names,
        "stems": present,
        "beats_s": (grid.beats_s / variation.speed).tolist(),
    }
    about |= {"downbeats_s": (grid.downbeats_s / variation.speed).tolist(), "source": source}
    about["notes"] = {stem: pitch_classes(roll).tolist() for stem, roll in rolls.items()}
    about["lowest"] = {stem: lowest_pitches(roll).tolist() for stem, roll in rolls.items()}
    write_whole(note, json.dumps(about).encode())


def main(argv: Sequence[str] | None = None) -> int:
    parser = parser_of(__doc__)
    parser.add_argument("--data", type=Path, default=Path("data/band"), help="a data set in Slakh2100's layout")
    parser.add_argument("--codec", type=Path, default=Path("models/live"), help="a model folder or a training run")
    parser.add_argument("--out", type=Path, default=Path("data/latents"))
    parser.add_argument("--splits", default="redux", help="which split of Slakh2100: redux or original")
    add_on_bad(parser)
    parser.add_argument("--bf16", action="store_true", help="faster on processors that have it; differs by about 0.01")
    parser.add_argument("--variants", type=int, default=0, help="so many more copies of each song in train, varied:")
    parser.add_argument("--pitch", type=int, default=0, metavar="P", help="by up to so many semitones up or down")
    parser.add_argument("--tempo", type=float, default=0.0, metavar="T", help="to 1 +- this times its own tempo")
    parser.add_argument("--gain-db", type=float, default=0.0, metavar="G", help="to +- this level")
    parser.add_argument(
        "--mixes",
        type=int,
        help="of a song's 15 mixes about so many, those without one stem among them (all)",
    )
    parser.add_argument(
        "--stems", nargs="+", metavar="STEM", help="the classes, in order (the four); with programs: strings=40-47,48"
    )
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, ... (%(default)s)")
    parser.add_argument("--shard", default="0/1", metavar="I/N", help="only every N-th track from the I-th on, I from 0")
    return command(parser, argv, _encode)


def _encode(o: argparse.Namespace) -> None:
    from accomp.model import usable
    from accomp.training_run import load_codec

    try:
        first, count = map(int, o.shard.split("/"))
        if not 0 <= first < count:
            raise ValueError(o.shard)
    except ValueError as error:
        raise UserError(f"--shard {o.shard}: write I/N with I from 0 to N - 1, as in 0/4") from error
    recipe = Recipe(gain_db=o.gain_db, pitch=o.pitch, tempo=o.tempo)
    codec = load_codec(o.codec).to(usable(o.device))
    how = {"variants": o.variants, "recipe": recipe, "mixes": o.mixes, "stems": read_arguments(o.stems)}
    how |= {"shard": (first, count), "encoded_by": str(o.codec)}
    codec_folder = encode_set(o.data, codec, o.out, o.splits, o.bf16, o.on_bad, **how)
    log.info("latents are in %s", codec_folder)


if __name__ == "__main__":
    sys.exit(main())
