"""Ableton Link: the bar of another peer reaches the server."""

import asyncio
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from accomp.server import protocol as osc

LINK = Path(__file__).resolve().parents[2] / "clients" / "python" / "link.py"
aalink = pytest.importorskip("aalink", reason="Ableton Link is not installed: pip install aalink")


async def lead(rx, process):
    """Be a peer at 90 bpm in 3/4; what is heard of it, and where the bar stood just then."""
    peer = aalink.Link(90)
    peer.quantum, peer.enabled, peer.tempo = 3.0, True, 90.0
    heard, until_s = [], time.monotonic() + 15
    while len(heard) < 3 and time.monotonic() < until_s:
        assert process.poll() is None
        await asyncio.sleep(0.002)
        try:
            heard.append((osc.parse_request(rx.recv(4096)), peer.phase, peer.num_peers))
            peer.tempo = 90.0
        except BlockingIOError:
            continue
    peer.enabled = False
    await asyncio.sleep(1.5)
    return heard


def test_the_bar_of_another_peer_reaches_the_server():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as rx:
        rx.bind(("127.0.0.1", 0))
        rx.setblocking(False)
        process = subprocess.Popen([sys.executable, str(LINK), "--beats", "3", "--serverport", str(rx.getsockname()[1])])
        try:
            heard = asyncio.run(lead(rx, process))
        finally:
            process.terminate()
            process.wait()
        if not heard:
            pytest.skip("this machine's network carries no multicast")
        clock, phase, _ = heard[-1]
        assert (round(clock.bpm), clock.beats_in_bar, clock.batch_id) == (90, 3, 0)
        assert abs((clock.beat - phase + 1.5) % 3 - 1.5) < 0.1
        assert osc.parse_request(rx.recv(4096)) == osc.Tempo(0)  # the peer has left
