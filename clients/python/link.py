"""Lets the model follow Ableton Link: Live, Max for Live, and whatever else shares a beat on this network.

    pip install aalink
    python clients/python/link.py [--beats 4] [--server_ip 127.0.0.1] [--serverport 7000]

Runs beside any client, the Max external included, on the client's machine (the server hears no other). Twice a second it
says where the bar stands; when the last peer leaves it gives the beat back to the model's own tracker. Ctrl-C ends it.
"""

import argparse
import asyncio
import logging
import socket
import sys
from collections.abc import Callable

try:
    from accomp.errors import UserError
    from accomp.server import protocol
except ModuleNotFoundError as missing:
    sys.exit(f"error: {sys.executable} lacks {missing.name}; use .venv/bin/python, or `pip install -e .` in the checkout first")

EVERY_S = 0.5

log = logging.getLogger(__name__)


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--beats", type=int, default=4, help="beats in a bar (%(default)s)")
    parser.add_argument("--server_ip", default="127.0.0.1", help="(%(default)s)")
    parser.add_argument("--serverport", type=int, default=7000)
    return parser.parse_args(argv)


async def follow(beats: int, send: Callable[[bytes], object]) -> None:
    """Send the bar's position again and again while somebody else shares the beat."""
    try:
        import aalink
    except ImportError as error:
        raise UserError("Ableton Link is spoken by a package of its own: pip install aalink") from error
    link, alone = aalink.Link(120), True
    link.quantum, link.enabled = float(beats), True
    while True:
        await asyncio.sleep(EVERY_S)
        if link.num_peers:
            send(protocol.Clock(link.phase, link.tempo, beats).pack())
        elif not alone:
            send(protocol.Tempo(0).pack())
        if alone != (link.num_peers == 0):
            alone = not alone
            log.info("alone: the model listens by itself" if alone else f"following Link, {link.tempo:.1f} bpm")


def main(argv: list[str] | None = None) -> int:
    args = arguments(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as tx:
            server = (socket.gethostbyname(args.server_ip), args.serverport)
            asyncio.run(follow(args.beats, lambda data: tx.sendto(data, server)))
    except (UserError, protocol.ProtocolError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    except OSError as error:
        sys.stderr.write(f"error: cannot reach {args.server_ip}: {error.strerror}\n")
        return 2
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
