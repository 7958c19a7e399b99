"""The smallest client: plays a WAV file (mono, 44.1 kHz) to serve.py and writes what the model's bass answers.

    python clients/python/minimal.py song.wav bass.wav

Only python-osc, NumPy and soundfile: a starting point for a client of your own. README.md beside it lists all messages.
"""

import argparse
import socket
import threading
import time

import numpy as np
import soundfile
from pythonosc.dispatcher import Dispatcher
from pythonosc.osc_message_builder import build_msg
from pythonosc.osc_server import ThreadingOSCUDPServer
from pythonosc.udp_client import SimpleUDPClient

RATE, STEP, PACKAGE = 44_100, 33_075, 1024  # Hz; samples of a step (r = 0.125 of 6 s); samples of a datagram
SETTINGS = {"/update_package_size": PACKAGE, "/update_r": 0.125, "/w": 1.0, "/update_fade": 0.0,
            "/predict_instruments": [1, 0, 0, 0], "/load_model": []}  # fmt: skip


def play(context: np.ndarray, serverport: int, clientport: int) -> np.ndarray:
    """Play (N,) samples to the server in real time; what the bass answered, (N,)."""
    answer, ready = np.zeros(len(context) + 2 * STEP, np.float32), threading.Event()

    def place(address: str, batch_id: int, index: int, total: int, *samples: float) -> None:
        start = (batch_id + 1) * STEP + index * PACKAGE  # w = 1: one step after the live edge, batch_id * STEP
        answer[start : start + len(samples)] = samples

    dispatcher = Dispatcher()
    dispatcher.map("/bass", place)
    dispatcher.map("/ready", lambda *_: ready.set())
    server = ThreadingOSCUDPServer(("", clientport), dispatcher)
    server.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)  # an answer comes faster than it is read
    threading.Thread(target=server.serve_forever, daemon=True).start()
    client = SimpleUDPClient("127.0.0.1", serverport)
    for address, value in SETTINGS.items():
        client.send_message(address, value)
    if not ready.wait(10):
        raise SystemExit("error: no answer from the server; start serve.py first")
    began_s = time.monotonic()
    for batch_id in range(1, len(context) // STEP + 1):
        step = context[(batch_id - 1) * STEP : batch_id * STEP].tolist()  # packed beforehand: it takes 50 ms
        blocks = [build_msg("/context", [batch_id, start, -(-STEP // PACKAGE), *step[start : start + PACKAGE]])
                  for start in range(0, STEP, PACKAGE)]  # fmt: skip
        time.sleep(max(0.0, began_s + batch_id * STEP / RATE - time.monotonic()))  # until the step has been played
        for block in blocks:
            client.send(block)
    time.sleep(2 * STEP / RATE)  # the last answer
    return answer[: len(context)]


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recording", help="what the player plays")
    parser.add_argument("out", help="the file to write")
    parser.add_argument("--serverport", type=int, default=7000)
    parser.add_argument("--clientport", type=int, default=8000)
    args = parser.parse_args(argv)
    context, rate = soundfile.read(args.recording, dtype="float32")
    if rate != RATE or context.ndim != 1:
        raise SystemExit(f"error: {args.recording} must be mono at {RATE} Hz")
    soundfile.write(args.out, play(context, args.serverport, args.clientport), RATE, subtype="FLOAT")


if __name__ == "__main__":
    main()
