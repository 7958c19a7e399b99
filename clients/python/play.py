"""Plays a recording to a running server, in real time, and writes down what it answers.

    python serve.py &
    python clients/python/play.py song.wav [--stem bass drums] [--r 0.25] [--w 1] [--server_ip 127.0.0.1]

The recording is mono at 44.1 kHz. The folder gets one WAV file per stem, as it was heard, and mix.wav.
"""

import argparse
import logging
import sys
from pathlib import Path

import numpy as np
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # runs from a clone that was not installed

from accomp import audio
from accomp.errors import UserError
from accomp.server.client import Client, Setup
from accomp.timeline import SAMPLE_RATE, STEMS, Step

READY_S = 10.0  # the server is expected to be running

log = logging.getLogger(__name__)


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recording", type=Path, help="what the player plays: mono, 44.1 kHz")
    parser.add_argument("--stem", nargs="+", default=["bass"], choices=STEMS, help="what the model plays (bass)")
    parser.add_argument("--r", type=float, default=0.25, help="step ratio (%(default)s)")
    parser.add_argument("--w", type=float, default=1.0, help="depth: -1, 0 or 1 steps ahead (%(default)s)")
    parser.add_argument("--fade", type=float, default=0.02, help="crossfade in seconds (%(default)s)")
    parser.add_argument("--package_size", type=int, default=4410, help="samples per datagram (%(default)s)")
    parser.add_argument("--server_ip", default="127.0.0.1", help="(%(default)s)")
    parser.add_argument("--serverport", type=int, default=7000)
    parser.add_argument("--clientport", type=int, default=8000)
    parser.add_argument("--out", type=Path, default=Path("out") / "play", help="for the results (%(default)s)")
    return parser.parse_args(argv)


def play(args: argparse.Namespace) -> None:
    context = audio.read(args.recording)
    setup = Setup(tuple(args.stem), Step(args.r, args.w), args.fade, args.package_size)
    seconds = len(context) / SAMPLE_RATE
    if seconds < 3 * setup.step.seconds:
        raise UserError(
            f"{args.recording}: lasts {seconds:.1f} s; three steps of {setup.step.seconds:.2f} s are needed"
        )
    with Client({"context": context}, setup, (args.server_ip, args.serverport), args.clientport) as client:
        if not client.connect(READY_S):
            raise UserError(f"no answer from {args.server_ip}:{args.serverport}; start serve.py there, with "
                            "--client_ip set to this machine's address if it is another one")  # fmt: skip
        with tqdm(total=seconds, bar_format="playing {bar:24} {n:.1f}/{total:.0f} s{postfix}") as bar:

            def show(client: Client) -> None:
                bar.n = min(client.playhead() / SAMPLE_RATE, seconds)
                bar.set_postfix_str(f"answered {len(client.tape.answered)}, late {len(client.tape.late)}")

            heard = client.play(show)
    mix = context + np.sum(list(heard.values()), axis=0)
    for stem, samples in heard.items():
        audio.write(args.out / f"{stem}.wav", samples)
    audio.write(args.out / "mix.wav", mix / max(1.0, float(np.abs(mix).max())))
    log.info("%d of %d steps answered, %d late; listen to %s", len(client.tape.answered), client.tape.batch_id,
             len(client.tape.late), args.out / "mix.wav")  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    args = arguments(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    try:
        play(args)
    except ValueError as error:  # UserError, and settings out of their range
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
