"""The smallest client: plays a WAV file (mono, 44.1 kHz) to serve.py and writes what the model's bass answers.

    python clients/python/minimal.py song.wav bass.wav [SERVERPORT CLIENTPORT]

Only python-osc, NumPy and soundfile: a starting point for a client of your own. README.md beside it lists all messages.
"""

import socket
import sys
import threading
import time

import numpy as np
import soundfile
from pythonosc.dispatcher import Dispatcher
from pythonosc.osc_message_builder import build_msg
from pythonosc.osc_server import ThreadingOSCUDPServer
from pythonosc.udp_client import SimpleUDPClient

RATE, STEP, PACKAGE = 44_100, 33_075, 1024  # Hz; samples of a step (r = 0.125 of 6 s); samples of a datagram
serverport, clientport = [*map(int, sys.argv[3:]), *(7000, 8000)[len(sys.argv[3:]) :]]
context, rate = soundfile.read(sys.argv[1], dtype="float32")
if rate != RATE or context.ndim != 1:
    sys.exit(f"error: {sys.argv[1]} must be mono at {RATE} Hz")
answer, ready = np.zeros(len(context) + 2 * STEP, np.float32), threading.Event()


def place(address: str, batch_id: int, index: int, total: int, *samples: float) -> None:
    """Write one datagram of an answer; with w = 1 it begins one step after the live edge, batch_id * STEP."""
    start = (batch_id + 1) * STEP + index * PACKAGE
    answer[start : start + len(samples)] = samples


dispatcher = Dispatcher()
dispatcher.map("/bass", place)
dispatcher.map("/ready", lambda *_: ready.set())
server = ThreadingOSCUDPServer(("", clientport), dispatcher)
server.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)  # an answer comes faster than python-osc reads
threading.Thread(target=server.serve_forever, daemon=True).start()
client = SimpleUDPClient("127.0.0.1", serverport)
for address, value in {"/update_package_size": PACKAGE, "/update_r": 0.125, "/w": 1.0, "/update_fade": 0.0,
                       "/predict_instruments": [1, 0, 0, 0], "/load_model": []}.items():  # fmt: skip
    client.send_message(address, value)
if not ready.wait(10):
    sys.exit("error: no answer from the server; start serve.py first")
began_s = time.monotonic()
for batch_id in range(1, len(context) // STEP + 1):
    step = context[(batch_id - 1) * STEP : batch_id * STEP].tolist()  # packed beforehand: it takes python-osc 50 ms
    blocks = [build_msg("/context", [batch_id, start, -(-STEP // PACKAGE), *step[start : start + PACKAGE]])
              for start in range(0, STEP, PACKAGE)]  # fmt: skip
    time.sleep(max(0.0, began_s + batch_id * STEP / RATE - time.monotonic()))  # until the step has been played
    for block in blocks:
        client.send(block)
time.sleep(2 * STEP / RATE)  # the last answer
soundfile.write(sys.argv[2], answer[: len(context)], RATE, subtype="FLOAT")
