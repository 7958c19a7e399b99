"""Plays a recording, or what you play at the sound card, to a running server, and lets you hear what it answers.

    python serve.py &
    python clients/python/play.py song.wav [--stem bass drums] [--r 0.25] [--w 1] [--server_ip 127.0.0.1]
    python clients/python/play.py [--loop 8] [--seconds 300]        # live; needs pip install sounddevice

The recording is mono at 44.1 kHz. The folder gets one WAV file per stem, as it was heard, and mix.wav. With --loop S the
first S seconds go round: you play them once, and then to what the model makes of them. Ctrl-C ends and keeps what there is.
"""

import argparse
import logging
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np
from tqdm import tqdm

from accomp import audio
from accomp.errors import UserError
from accomp.server.client import Client, OutputBuffers, Setup
from accomp.timeline import SAMPLE_RATE, STEMS, Step, to_samples

READY_S = 10.0  # the server is expected to be running
LIVE_S = 600.0

log = logging.getLogger(__name__)


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recording", type=Path, nargs="?", help="what the player plays: mono, 44.1 kHz (sound card)")
    parser.add_argument("--stem", nargs="+", default=["bass"], choices=STEMS, help="what the model plays (bass)")
    parser.add_argument("--r", type=float, default=0.25, help="step ratio (%(default)s)")
    parser.add_argument("--w", type=float, default=1.0, help="depth: -1, 0 or 1 steps ahead (%(default)s)")
    parser.add_argument("--fade", type=float, default=0.02, help="crossfade in seconds (%(default)s)")
    parser.add_argument("--package_size", type=int, default=4410, help="samples per datagram (%(default)s)")
    parser.add_argument("--loop", type=float, metavar="S", help="the first S seconds go round")
    parser.add_argument("--seconds", type=float, help=f"how long to play (the recording; {LIVE_S:.0f} live)")
    parser.add_argument("--bpm", type=float, help="your tempo; the first sample is on the one (the model listens)")
    parser.add_argument("--beats", type=int, default=4, help="beats in a bar (%(default)s)")
    parser.add_argument("--latency_ms", type=float, help="of the sound card, out and in again (what it says itself)")
    parser.add_argument("--server_ip", default="127.0.0.1", help="(%(default)s)")
    parser.add_argument("--serverport", type=int, default=7000)
    parser.add_argument("--clientport", type=int, default=8000)
    parser.add_argument("--out", type=Path, default=Path("out") / "play", help="for the results (%(default)s)")
    return parser.parse_args(argv)


class Desk:
    """What the sound card's callback does: takes in what you play, puts out what the model plays.

    context    (N,) float32, filled as time goes by; after the first `loop` samples (0: never) it repeats itself
    position   samples so far; the live edge
    latency    samples from here to the rx and back: so much earlier the model is played
    """

    def __init__(self, context: np.ndarray, loop: int = 0):
        self.context, self.loop = context, loop
        self.position = self.latency = 0

    def turn(self, mic: np.ndarray, output: OutputBuffers) -> np.ndarray:
        """The next (n,) samples in, the next (n,) out. Called from the sound card's thread."""
        start = self.position
        stop = min(start + len(mic), len(self.context))
        again = self.loop and start >= self.loop
        self.context[start:stop] = self.context[start - self.loop :][: stop - start] if again else mic[: stop - start]
        ahead = [band[start + self.latency : stop + self.latency] for band in output.buffers.values()]
        out = np.zeros_like(mic)
        out[: len(ahead[0])] = np.sum(ahead, axis=0)
        if again:
            out[: stop - start] += self.context[start:stop]
        self.position = stop
        return out


def sound_card(desk: Desk, output: OutputBuffers, latency_ms: float | None) -> AbstractContextManager:
    """The default sound card, running, with `desk` behind it. Raises UserError where there is none."""
    try:
        import sounddevice
    except (ImportError, OSError) as error:  # OSError: PortAudio itself is missing
        raise UserError("give a recording, or install what opens the sound card: pip install sounddevice "
                        "(on Linux also apt-get install libportaudio2)") from error  # fmt: skip

    def turn(indata, outdata, frames, time, status) -> None:
        if status:
            log.warning("sound card: %s; the timeline goes on without what was lost", status)
        outdata[:, 0] = desk.turn(indata[:, 0], output)

    try:
        stream = sounddevice.Stream(SAMPLE_RATE, channels=1, dtype="float32", latency="low", callback=turn)
    except sounddevice.PortAudioError as error:
        raise UserError(f"the sound card cannot be opened at {SAMPLE_RATE} Hz, mono in and out: {error}") from error
    desk.latency = to_samples(sum(stream.latency) if latency_ms is None else latency_ms / 1e3)
    return stream


def music(args: argparse.Namespace, step: Step) -> tuple[np.ndarray, int]:
    """What is played, (N,), still silent if you are to play it, and the samples after which it repeats itself."""
    loop = to_samples(args.loop or 0)
    seconds = args.seconds or LIVE_S
    if args.recording is not None:
        context = audio.read(args.recording)
        loop = min(loop, len(context))
        seconds = args.seconds or (4 * loop if loop else len(context)) / SAMPLE_RATE
        context = np.resize(context[: loop or None], to_samples(seconds)) if loop else context[: to_samples(seconds)]
    else:
        context = np.zeros(to_samples(seconds), np.float32)
    if len(context) < 3 * step.samples:
        raise UserError(f"{args.recording or '--seconds'}: {len(context) / SAMPLE_RATE:.1f} s; three steps of "
                        f"{step.seconds:.2f} s are needed")  # fmt: skip
    return context, loop


def play(args: argparse.Namespace, open_card: Callable[..., AbstractContextManager] = sound_card) -> None:
    setup = Setup(tuple(args.stem), Step(args.r, args.w), args.fade, args.package_size)
    context, loop = music(args, setup.step)
    desk = None if args.recording else Desk(context, loop)
    now = None if desk is None else lambda: desk.position
    pulse = args.bpm and (lambda sample: (sample / SAMPLE_RATE * args.bpm / 60 % args.beats, args.bpm, args.beats))
    server = (args.server_ip, args.serverport)
    client = Client({"context": context}, setup, server, args.clientport, now, pulse or (lambda sample: None))
    with client:
        card = open_card(desk, client.output, args.latency_ms) if desk else nullcontext()
        if not client.connect(READY_S):
            raise UserError(f"no answer from {args.server_ip}:{args.serverport}; start serve.py there, with "
                            f"--clientport {args.clientport}, and --client_ip set to this machine's address if it is "
                            "another one")  # fmt: skip
        with card:
            if desk:
                log.info("the sound card runs, %.0f ms of latency; play!", 1e3 * desk.latency / SAMPLE_RATE)
            play_to_the_end(client, len(context) / SAMPLE_RATE)
    end = client.playhead() if desk else len(context)
    leave(args.out, context[:end], {stem: heard[:end] for stem, heard in client.output.heard.items()})
    log.info("%d of %d steps answered, %d late; listen to %s", len(client.output.answered), client.output.batch_id,
             len(client.output.late), args.out / "mix.wav")  # fmt: skip


def play_to_the_end(client: Client, seconds: float) -> None:
    """Play to the end, or until Ctrl-C."""
    with tqdm(total=seconds, bar_format="playing {bar:24} {n:.1f}/{total:.0f} s{postfix}") as bar:

        def show(client: Client) -> None:
            bar.n = min(client.playhead() / SAMPLE_RATE, seconds)
            bar.set_postfix_str(f"answered {len(client.output.answered)}, late {len(client.output.late)}")

        try:
            client.play(show)
        except KeyboardInterrupt:
            log.info("stopped; what was played until here is kept")


def leave(out: Path, context: np.ndarray, heard: dict[str, np.ndarray]) -> None:
    """Every stem as it was heard, and all of it together."""
    mix = context + np.sum(list(heard.values()), axis=0)
    for stem, samples in heard.items():
        audio.write(out / f"{stem}.wav", samples)
    audio.write(out / "mix.wav", mix / max(1.0, float(np.abs(mix).max(initial=0))))


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
