"""Plays half a minute of a song to the server, in real time; writes recordings, figures and a page to look at.

    python -m accomp.server.demo [--stem drums] [--track NAME] [--seconds 30] [--r 0.25] [--w 1] [--out out/demo]

One instrument of a test song is left out; the others are the player. `serve.py` runs as a process of its own and
everything goes over UDP, as it does with the Max external.
"""

import argparse
import json
import logging
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from accomp import audio
from accomp.command_line import command, parser_of
from accomp.data.slakh import find_tracks
from accomp.data.track import Track
from accomp.disk import watched, write_csv
from accomp.errors import UserError
from accomp.server.client import Client
from accomp.server.output_buffers import Setup
from accomp.server.page import render
from accomp.timeline import SAMPLE_RATE, STEMS, Step

log = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parents[2]
ACTIVE_DB = -45.0  # a second below this is a rest
READY_S = 600.0  # the longest that loading a model may take
COLUMNS = ("batch_id", "encode_ms", "sample_ms", "decode_ms", "cycle_ms", "lead_ms", "missing")


@dataclass(frozen=True)
class Excerpt:
    """A span of a song: what the player plays in it, (N,)."""

    track: str
    start_s: float
    context: np.ndarray


def parser() -> argparse.ArgumentParser:
    parser = parser_of(__doc__)
    parser.add_argument("--data", type=Path, default=ROOT / "data" / "band", help="data set, Slakh layout (data/band)")
    parser.add_argument("--stem", default="drums", help="what the model plays: " + ", ".join(STEMS) + " (%(default)s)")
    parser.add_argument("--track", help="a test song by name (the first that has the stem)")
    parser.add_argument("--seconds", type=float, default=30.0, help="how long to play (%(default)s)")
    parser.add_argument("--model", type=Path, default=ROOT / "models" / "live", help="model folder (models/live)")
    parser.add_argument("--out", type=Path, default=Path("out") / "demo", help="for the results (%(default)s)")
    parser.add_argument("--r", type=float, default=0.25, help="step ratio (%(default)s)")
    parser.add_argument("--w", type=float, default=1.0, help="depth: -1, 0 or 1 steps ahead (%(default)s)")
    parser.add_argument("--device", default="auto", help="cpu, cuda or auto (%(default)s)")
    parser.add_argument("--sampler", help="one of the model's samplers (its default)")
    parser.add_argument("--serverport", type=int, default=7000)
    parser.add_argument("--clientport", type=int, default=8000)
    return parser


def choose(tracks: list[Track], stem: str, name: str | None) -> Track:
    """The song to play: the one that is named, or the first in which the stem and something else play."""
    fit = [t for t in tracks if t.stem_files[stem] and any(t.stem_files[s] for s in STEMS if s != stem)]
    if name is not None and name not in {t.name for t in tracks}:
        raise UserError(f"no test track {name!r}; choose one of {', '.join(t.name for t in tracks)}")
    fit = [t for t in fit if name in (None, t.name)]
    if not fit:
        raise UserError(f"{name or 'no test track'} has a {stem} and something to accompany; choose another --stem")
    return fit[0]


def cut(track: Track, stem: str, seconds: float) -> Excerpt:
    """The span of the song in which the player and the missing instrument both play most; the first of several."""
    context = np.sum([track.read(s) for s in STEMS if s != stem], axis=0)
    truth, second = track.read(stem), SAMPLE_RATE
    whole = len(context) // second
    both = np.array([min(map(audio.rms_db, (context[a : a + second], truth[a : a + second]))) > ACTIVE_DB
                     for a in range(0, whole * second, second)])  # fmt: skip
    length = int(min(seconds * SAMPLE_RATE, len(context)))
    span = max(1, min(length // second, whole))
    start = int(np.argmax(np.convolve(both, np.ones(span), "valid"))) * second if whole else 0
    start = min(start, len(context) - length)
    return Excerpt(track.name, start / SAMPLE_RATE, context[start : start + length].astype(np.float32))


@contextmanager
def running_server(args: argparse.Namespace) -> Iterator[subprocess.Popen]:
    """`serve.py` as a process of its own, which ends with the block; its last line is raised if it cannot start."""
    command = [sys.executable, str(ROOT / "serve.py"), "--model", str(args.model), "--device", args.device,
               "--serverport", str(args.serverport), "--clientport", str(args.clientport),
               "--server_ip", "127.0.0.1"]  # fmt: skip
    command += ["--sampler", args.sampler] if args.sampler else []
    with tempfile.TemporaryFile("w+") as log_file:
        server = subprocess.Popen(command, stderr=log_file)
        try:
            yield server
            if server.poll() is not None:
                log_file.seek(0)
                lines = log_file.read().strip().splitlines() or ["it ended without a message"]
                raise UserError(lines[-1].removeprefix("error: "))
        finally:
            server.terminate()
            try:
                server.wait(5)
            except subprocess.TimeoutExpired:
                server.kill()


def play(args: argparse.Namespace, excerpt: Excerpt, setup: Setup) -> tuple[Client, np.ndarray, float | None]:
    """Play the excerpt to a server: the client with all reports, what it played as heard, (N,), and the memory used in GB."""
    seconds = len(excerpt.context) / SAMPLE_RATE
    client = Client({"context": excerpt.context}, setup, ("127.0.0.1", args.serverport), args.clientport)
    with client, running_server(args) as server:
        with tqdm(desc="starting the server", bar_format="{desc} {elapsed}") as bar:

            def is_alive() -> bool:
                bar.refresh()
                return server.poll() is None

            ready = client.connect(READY_S, is_alive)
        if not ready:
            if server.poll() is None:
                raise UserError(f"the server was not ready within {READY_S:.0f} s; try a smaller --model")
            return client, np.zeros(0, np.float32), None  # `running_server` raises
        log.info("playing %s, %.0f s, to model %s", excerpt.track, seconds, client.about.get("model", "?"))
        shape = "{desc} {bar:24} {n:.1f}/{total:.0f} s{postfix}"
        with tqdm(total=seconds, desc="playing", bar_format=shape) as bar:

            def show(client: Client) -> None:
                bar.n = min(client.playhead() / SAMPLE_RATE, seconds)
                last = "cycle {cycle_ms:.0f} ms, lead {lead_ms:.0f} ms, ".format(**client.steps[-1]) if client.steps else ""
                bar.set_postfix_str(f"step {client.output.batch_id}, {last}late {len(client.output.late)}")

            heard = client.play(show)[args.stem]
        client.settle()
        return client, heard, most_memory_gb(server.pid)


def most_memory_gb(process: int) -> float | None:
    """The most memory that a process has occupied; None where there is no /proc."""
    status = Path(f"/proc/{process}/status")
    found = re.search(r"VmHWM:\s*(\d+) kB", status.read_text()) if status.is_file() else None
    return round(int(found[1]) * 1024 / 1e9, 2) if found else None


def summary(args: argparse.Namespace, excerpt: Excerpt, setup: Setup, client: Client) -> dict:
    """How the session went, in figures."""
    cycles = np.array([s["cycle_ms"] for s in client.steps])
    if not len(cycles):
        raise UserError("the server answered none of the steps; run serve.py by hand and read what it says")
    p50, p95, top = (round(float(np.percentile(cycles, q)), 1) for q in (50, 95, 100))
    return {
        "steps": client.output.batch_id,
        "late": len(client.output.late),
        "dropped": client.output.batch_id - len(client.output.answered),
        "cycle_ms": {"p50": p50, "p95": p95, "max": top},
        "lead_ms": {"min": min(s["lead_ms"] for s in client.steps)},
        "missing": sum(s["missing"] for s in client.steps),
        "step_s": setup.step.seconds,
        "visibility_s": setup.step.visibility_s,
        "model": client.about.get("model", args.model.name),
        "device": client.about.get("device", args.device),
        "sampler": args.sampler or "default",
        "stem": args.stem,
        "track": excerpt.track,
        "start_s": excerpt.start_s,
        "seconds": len(excerpt.context) / SAMPLE_RATE,
        "r": setup.step.ratio,
        "w": setup.step.depth,
    }


@contextmanager
def results_folder(out: Path) -> Iterator[Path]:
    """A folder beside `out` to write into; its files replace those in `out` at the end, and only if nothing was raised."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        unfinished = tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-")
    except OSError as error:
        raise UserError(f"cannot write to {out}: {error.strerror}; choose another folder with --out") from error
    with unfinished as folder, watched(out):
        yield Path(folder)
        for file in sorted(Path(folder).iterdir()):
            os.replace(file, out / file.name)


def checked(args: argparse.Namespace) -> Setup:
    """The client's setup; raises UserError for arguments that cannot work."""
    if args.stem not in STEMS:
        raise UserError(f"unknown stem {args.stem!r}; choose one of {', '.join(STEMS)}")
    try:
        setup = Setup((args.stem,), Step(args.r, args.w))
    except ValueError as error:
        raise UserError(str(error)) from error
    least_s = (3 + max(args.w, 0)) * setup.step.seconds
    if not args.seconds >= least_s:
        raise UserError(f"--seconds {args.seconds:g} is too short for steps of {setup.step.seconds:.2f} s; play at least "
                        f"{least_s:.0f} s")  # fmt: skip
    if not (args.model / "config.yaml").is_file():
        raise UserError(f"{args.model}: no model folder (config.yaml is missing); the one that ships is models/live")
    return setup


def demo(args: argparse.Namespace) -> None:
    setup = checked(args)
    excerpt = cut(choose(find_tracks(args.data, "test"), args.stem, args.track), args.stem, args.seconds)
    with results_folder(args.out) as folder:
        client, heard, memory_gb = play(args, excerpt, setup)
        steps = sorted(client.steps, key=lambda s: s["batch_id"])
        session = summary(args, excerpt, setup, client) | {"memory_gb": memory_gb}
        mix = excerpt.context + heard
        mix /= max(1.0, float(np.abs(mix).max()))
        recordings = {"context": excerpt.context, "accompaniment": heard, "mix": mix}
        for name, samples in recordings.items():
            audio.write(folder / f"{name}.wav", samples)
        write_csv(folder / "steps.csv", COLUMNS, steps)
        (folder / "session.json").write_text(json.dumps(session, indent=2) + "\n")
        (folder / "index.html").write_text(render(session, steps, recordings), encoding="utf-8")
    slow = session["cycle_ms"]["p50"] > 1e3 * setup.step.seconds
    other = f"--r {min(2 * args.r, 1):g}" if slow else "--stem " + ("drums" if args.stem != "drums" else "piano")
    memory = f", the server {memory_gb} GB" if memory_gb is not None else ""
    log.info("%d steps, %d late, %d dropped; a cycle takes %.0f ms of %.0f%s. Open %s; next try: "
             "python -m accomp.server.demo %s", session["steps"], session["late"], session["dropped"],
             session["cycle_ms"]["p50"], 1e3 * session["step_s"], memory, args.out / "index.html", other)  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    return command(parser(), argv, demo)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # end the server too
    sys.exit(main())
