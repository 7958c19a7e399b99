"""Plays along, live: listens on UDP for what a musician plays and answers with the instruments that are asked for.

    python serve.py [--serverport 7000] [--clientport 8000] [--client_ip 127.0.0.1] [--model models/live] [--device cpu]

Speaks the OSC messages of the Max external `multi_track` (clients/python/README.md lists them). Once the model is
loaded and warm it says `/ready` to the client, and then one line per step to standard error. Ends at once on SIGTERM or
Ctrl-C.
"""

import argparse
import gc
import logging
import os
import signal
import socket
import sys
from pathlib import Path

from accomp.errors import UserError
from accomp.server.endpoint import bind, sources_of

MOST_THREADS = 4  # a small network gains nothing from more

log = logging.getLogger("accomp.serve")


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--serverport", type=int, default=7000, help="UDP port to listen on (%(default)s)")
    parser.add_argument("--clientport", type=int, default=8000, help="UDP port of the client (%(default)s)")
    parser.add_argument("--client_ip", default="127.0.0.1", help="the one client; nobody else is heard (%(default)s)")
    parser.add_argument("--server_ip", default="0.0.0.0", help="address of this machine to listen on (%(default)s)")
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1, mps or auto (%(default)s)")
    parser.add_argument("--model", type=Path, default=Path(__file__).resolve().parent / "models" / "live",
                        help="model folder (models/live)")  # fmt: skip
    parser.add_argument("--sampler", default=None, help="one of the model's samplers (its own default)")
    return parser.parse_args(argv)


def serve(args: argparse.Namespace) -> None:
    """Take the port, then perform. That it is taken already should not cost the time of loading."""
    if not 0 < args.clientport < 65_536:
        raise UserError(f"--clientport {args.clientport} is no UDP port; choose one from 1 to 65535")
    sources = sources_of(args.client_ip)
    with bind(args.server_ip, args.serverport) as ear:
        perform(args, sources, ear)


def perform(args: argparse.Namespace, sources: set[str], ear: socket.socket) -> None:
    """Load, warm up, say so, play."""
    import torch  # seconds: not before the port is known to be free

    from accomp.checkpoint import load_model
    from accomp.server.endpoint import Endpoint
    from accomp.server.engine import Core
    from accomp.server.performer import Performer
    from accomp.stream.streamer import Streamer

    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, min(MOST_THREADS, (os.cpu_count() or 2) - 1)))  # one core stays free to listen
    model = load_model(args.model, device_name(args.device))
    about = {"model": model.name, "device": str(model.device), "sampler": args.sampler or ""}
    performer = Performer(lambda stems: Streamer(model, stems, sampler=args.sampler))
    endpoint = Endpoint(Core(sources, about), performer, ear, (args.client_ip, args.clientport))
    endpoint.warm_up()
    gc.collect()
    gc.freeze()  # what is here now stays: no collection ever walks through it again (a quarter of a second)
    log.info("ready: model %s on %s, listening on %s:%d, answering %s:%d", model.name, model.device, args.server_ip,
             args.serverport, args.client_ip, args.clientport)  # fmt: skip
    endpoint.run()


def device_name(device: str) -> str:
    """What torch calls it: a bare number is a CUDA device, "auto" the fastest there is."""
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return f"cuda:{device}" if device.isdigit() else device


def end_now(signum: int, frame: object) -> None:
    """Leave without waiting for the step in hand: the client's launcher kills what is not gone after half a second."""
    os.write(2, b"stopped\n")
    os._exit(0)


def main(argv: list[str] | None = None) -> int:
    args = arguments(argv)
    signal.signal(signal.SIGTERM, end_now)
    signal.signal(signal.SIGINT, end_now)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    try:
        serve(args)
    except UserError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
