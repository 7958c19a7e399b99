"""Plays a recording, or what you play at the sound card, to a running server, and lets you hear what it answers.

    python serve.py &
    python clients/python/play.py song.wav [--stem bass drums] [--r 0.25] [--w 1] [--server_ip 127.0.0.1]
    python clients/python/play.py [--loop 8] [--seconds 300]        # live; needs pip install sounddevice

Each take gets a folder of its own with one WAV file per stem, as it was heard, and mix.wav. With --loop S the first S
seconds are repeated: you play them once, and then to what the model makes of them. Ctrl-C ends the take and keeps it.
"""

import argparse
import contextlib
import logging
import re
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

try:
    import numpy as np
    from sound_card import InputBuffer, open_sound_card
    from tqdm import tqdm

    from accomp import audio
    from accomp.disk import need, watched
    from accomp.errors import UserError
    from accomp.server.client import Client
    from accomp.server.output_buffers import Setup
    from accomp.timeline import SAMPLE_RATE, STEMS, Step, to_samples
except ModuleNotFoundError as missing:
    sys.exit(f"error: {sys.executable} lacks {missing.name}; use .venv/bin/python, or `pip install -e .` in the checkout first")

READY_S = 10.0  # the server is expected to be running
LIVE_S = 600.0
INTERRUPTS = (signal.SIGINT, signal.SIGTERM)
LIMITS = {"serverport": (1, 65_535), "clientport": (1, 65_535), "beats": (1, 64), "bpm": (20, 400), "loop": (0.1, 3600),
          "seconds": (0.1, 36_000), "latency_ms": (0, 10_000)}  # fmt: skip

log = logging.getLogger(__name__)


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recording", type=Path, nargs="?", help="what the player plays, at any rate (the sound card)")
    parser.add_argument("--stem", nargs="+", default=["bass"],
                        help=f"what the model plays: {', '.join(STEMS)}, or a class of a model of your own (bass)")  # fmt: skip
    parser.add_argument("--r", type=float, default=0.25, help="step ratio (%(default)s)")
    parser.add_argument("--w", type=float, default=1.0, help="depth: -1, 0 or 1 steps ahead (%(default)s)")
    parser.add_argument("--fade", type=float, default=0.02, help="crossfade in seconds (%(default)s)")
    parser.add_argument("--package_size", type=int, default=4410, help="samples per datagram (%(default)s)")
    parser.add_argument("--loop", type=float, metavar="S", help="repeat the first S seconds")
    parser.add_argument("--seconds", type=float, help=f"how long to play (the recording; {LIVE_S:.0f} live)")
    parser.add_argument("--bpm", type=float, help="your tempo; the first sample is a downbeat (the model's tracker)")
    parser.add_argument("--beats", type=int, default=4, help="beats in a bar (%(default)s)")
    parser.add_argument("--latency_ms", type=float, help="of the sound card, out and in again (what it says itself)")
    parser.add_argument("--server_ip", default="127.0.0.1", help="(%(default)s)")
    parser.add_argument("--serverport", type=int, default=7000)
    parser.add_argument("--clientport", type=int, default=8000)
    parser.add_argument("--out", type=Path, default=Path("out") / "play",
                        help="for the takes: take-001, take-002 ... (%(default)s)")  # fmt: skip
    return parser.parse_args(argv)


def check(args: argparse.Namespace) -> None:
    """Raise UserError for a number out of its range; r, w, fade and package_size are checked by `Setup`."""
    for name, (low, high) in LIMITS.items():
        value = getattr(args, name)
        if value is not None and not low <= value <= high:
            raise UserError(f"--{name} {value:g} is out of range; choose {low:g} to {high:g}")


def address_of(host: str) -> str:
    try:
        return socket.gethostbyname(host)
    except (OSError, UnicodeError) as error:
        raise UserError(f"--server_ip {host}: no such host; give the address of the server's machine") from error


def music(args: argparse.Namespace, step: Step) -> tuple[np.ndarray, int]:
    """What is played, (N,), still silent if you are to play it, and the samples after which it repeats itself."""
    loop = to_samples(args.loop or 0)
    seconds = args.seconds or LIVE_S
    if args.recording is not None:
        context, changes = audio.read_any(args.recording)
        if changes:
            log.info("%s: %s", args.recording, changes)
        loop = min(loop, len(context))
        seconds = args.seconds or (4 * loop if loop else len(context)) / SAMPLE_RATE
        context = np.resize(context[: loop or None], to_samples(seconds)) if loop else context[: to_samples(seconds)]
    else:
        context = np.zeros(to_samples(seconds), np.float32)
    if len(context) < 3 * step.samples:
        raise UserError(f"{args.recording or '--seconds'}: {len(context) / SAMPLE_RATE:.1f} s; three steps of "
                        f"{step.seconds:.2f} s are needed")  # fmt: skip
    return context, loop


@contextmanager
def take_folder(out: Path, size: int) -> Iterator[Path]:
    """A new numbered folder in `out` with room for `size` bytes, before a note is played; gone again if it stays empty."""
    existed = out.exists()
    try:
        out.mkdir(parents=True, exist_ok=True)
        numbers = [int(found[1]) for path in out.iterdir() if (found := re.fullmatch(r"take-(\d+)", path.name))]
        folder = out / f"take-{max(numbers, default=0) + 1:03d}"
        folder.mkdir()
    except OSError as error:
        raise UserError(f"cannot write to {out}: {error.strerror}; choose another folder with --out") from error
    try:
        need(folder, size)
        yield folder
    finally:
        with contextlib.suppress(OSError):  # it holds the take
            folder.rmdir()
            if not existed:
                out.rmdir()


@contextmanager
def interrupts_call(stop: Callable[[], None]) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM call `stop`, and ignore them afterwards, while the process ends: they never raise."""
    for number in INTERRUPTS:
        signal.signal(number, lambda *_: stop())
    try:
        yield
    finally:
        for number in INTERRUPTS:
            signal.signal(number, signal.SIG_IGN)


def play(args: argparse.Namespace, open_card: Callable[..., AbstractContextManager] = open_sound_card) -> None:
    """Play one take; it is on the disk before anything else can go wrong."""
    check(args)
    setup = Setup(tuple(args.stem), Step(args.r, args.w), args.fade, args.package_size)
    server = (address_of(args.server_ip), args.serverport)
    context, loop = music(args, setup.step)
    buffer = None if args.recording else InputBuffer(context, loop)
    now = None if buffer is None else lambda: buffer.position
    beat = args.bpm and (lambda sample: (sample / SAMPLE_RATE * args.bpm / 60 % args.beats, args.bpm, args.beats))
    client = Client({"context": context}, setup, server, args.clientport, now, beat or (lambda sample: None))
    with client, take_folder(args.out, 2 * (len(args.stem) + 1) * len(context) + 4096) as folder:
        card = open_card(buffer, client.output, args.latency_ms) if buffer else nullcontext()
        if not client.connect(READY_S):
            raise UserError(f"no answer from {args.server_ip}:{args.serverport}; start serve.py there, with "
                            f"--clientport {args.clientport}, and --client_ip set to this machine's address if it is "
                            "another one")  # fmt: skip
        with interrupts_call(client.stop), card:
            if buffer:
                log.info("the sound card runs, %.0f ms of latency; play!", 1e3 * buffer.latency / SAMPLE_RATE)
            try:
                play_to_the_end(client, len(context) / SAMPLE_RATE)
            finally:
                end = min(client.playhead(), len(context))
                write_take(folder, context[:end], {stem: x[:end] for stem, x in client.output.heard.items()})
        log.info("%d of %d steps answered, %d late; listen to %s", len(client.output.answered), client.output.batch_id,
                 len(client.output.late), folder / "mix.wav")  # fmt: skip


def play_to_the_end(client: Client, seconds: float) -> None:
    """Play until the music ends or the client is stopped, with a progress bar."""
    with tqdm(total=seconds, bar_format="playing {bar:24} {n:.1f}/{total:.0f} s{postfix}") as bar:

        def show(client: Client) -> None:
            bar.n = min(client.playhead() / SAMPLE_RATE, seconds)
            bar.set_postfix_str(f"answered {len(client.output.answered)}, late {len(client.output.late)}")

        client.play(show)
    if client.stopped:
        log.info("stopped; what was played until here is kept")


def write_take(folder: Path, context: np.ndarray, heard: dict[str, np.ndarray]) -> None:
    """Every stem as it was heard, and all of it together."""
    mix = context + np.sum(list(heard.values()), axis=0)
    recordings = heard | {"mix": mix / max(1.0, float(np.abs(mix).max(initial=0)))}
    with watched(folder):
        for name, samples in recordings.items():
            audio.write(folder / f"{name}.wav", samples)


def main(argv: list[str] | None = None) -> int:
    args = arguments(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    try:
        play(args)
    except ValueError as error:  # UserError, and settings out of their range
        sys.stderr.write(f"error: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("stopped before anything was played\n")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
