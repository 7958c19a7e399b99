"""Plays along live: receives by UDP what a musician plays, and answers with the instruments that are asked for.

    python serve.py --web                 play in the browser: open the link that is printed
    python serve.py [--serverport 7000] [--clientport 8000] [--client_ip 127.0.0.1] [--model models/live] [--device cpu]

Uses the OSC messages of the Max external `multi_track` (clients/python/README.md lists them, docs/playing.md explains
them). Once the model is loaded and warm it sends `/ready` to the client; then it logs one line per step to standard
error. Ends at once on SIGTERM or Ctrl-C.
"""

import argparse
import contextlib
import gc
import logging
import logging.handlers
import os
import queue
import select
import signal
import socket
import sys
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from accomp.dependencies import PLAYING, require
from accomp.errors import UserError

if TYPE_CHECKING:
    from accomp.server.web import WebPort

ROOT = Path(__file__).resolve().parent
WEB_PORT = 8080
LINES_WAITING = 1000  # of the log, while it is not read

log = logging.getLogger("accomp.serve")


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--serverport", type=int, default=7000, help="UDP port to listen on (%(default)s)")
    parser.add_argument("--clientport", type=int, default=8000, help="UDP port of the client (%(default)s)")
    parser.add_argument("--client_ip", default="127.0.0.1", help="the one client; all others are ignored (%(default)s)")
    parser.add_argument("--source_ip", help="where the client's packets seem to come from, behind a router (--client_ip)")
    parser.add_argument("--server_ip", help="address of this machine to listen on (loopback for a client on this machine, "
                        "else 0.0.0.0, all of them)")  # fmt: skip
    parser.add_argument("--web", type=int, nargs="?", const=WEB_PORT, metavar="PORT",
                        help="also serve a page to play in, on this port (%(const)s)")  # fmt: skip
    parser.add_argument("--web_ip", default="127.0.0.1", help="address that the page is served on (%(default)s)")
    parser.add_argument("--open", action="store_true", help="open the page in the browser")
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1, mps or auto (%(default)s)")
    parser.add_argument("--model", type=Path, default=ROOT / "models" / "live",
                        help="model folder (models/live); those beside it can be changed to while playing")  # fmt: skip
    parser.add_argument("--threads", type=int, help="of torch (OMP_NUM_THREADS, or one; more are rarely faster)")
    parser.add_argument("--sampler", default=None, help="one of the model's samplers (its own default)")
    parser.add_argument("--together", action="store_true",
                        help="each instrument also receives what the others play, not the player alone")  # fmt: skip
    parser.add_argument("--rest_after", type=float, default=2.0, metavar="BARS",
                        help="bars that the model plays on when the player stops; 0: for ever (%(default)s)")  # fmt: skip
    parser.add_argument("--record", type=Path, metavar="FOLDER", help="record everything into a new file in this folder")
    return parser.parse_args(argv)


def serve(args: argparse.Namespace) -> None:
    """Take the port, then serve. That it is taken already should not cost the time of loading."""
    from accomp.server.endpoint import listen, sources_of
    from accomp.timeline import WIRE_RATE, check_rate

    check_rate(WIRE_RATE, "what clients send")
    if not 0 < args.clientport < 65_536:
        raise UserError(f"--clientport {args.clientport} is no UDP port; choose one from 1 to 65535")
    sources = sources_of(args.client_ip) | (sources_of(args.source_ip) if args.source_ip else set())
    local = all(ip.startswith("127.") for ip in sources)
    server_ip = args.server_ip or ("127.0.0.1" if local else "0.0.0.0")
    if not 0 <= args.rest_after <= 64:
        raise UserError(f"--rest_after {args.rest_after:g}: choose 0 to 64 bars")
    rx = listen(server_ip, args.serverport, sources)
    with contextlib.ExitStack() as closing:
        for each in rx:
            closing.enter_context(each)
        web = open_web(args)
        if web is not None:
            closing.callback(web.stop)
        if not server_ip.startswith("127."):
            log.warning("listening on %s beyond this machine: datagrams from %s are accepted; on an open network use a tunnel",
                        server_ip, " or ".join(sorted(sources)))  # fmt: skip
        run_server(args, sources, rx, web)


def open_web(args: argparse.Namespace) -> "WebPort | None":
    """The port of the page, if there is to be one; it answers when the model is loaded."""
    if args.web is None and not args.open:
        return None
    from accomp.server.web import WebPort, bind, kept_token

    port = WEB_PORT if args.web is None else args.web
    return WebPort(bind(args.web_ip, port), ROOT / "clients" / "web", kept_token(ROOT / "out" / "web_token"))


def run_server(args: argparse.Namespace, sources: set[str], rx: list[socket.socket], web: "WebPort | None" = None) -> None:
    """Load the model, warm up, report it, and serve."""
    # These import torch, which takes seconds: not before the port is known to be free.
    from accomp.server.endpoint import Endpoint
    from accomp.server.models import device_name, models_beside, streamers_of
    from accomp.server.record import Recorder
    from accomp.server.state import ServerState
    from accomp.server.worker import InferenceWorker, Settings
    from accomp.threads import use_threads

    signal.signal(signal.SIGTERM, end_now)  # until here the system ends us, at once even inside a long import
    threads = use_threads(args.threads)
    sources = sources | {"web"} if web is not None else sources
    device, folder = device_name(args.device), args.model
    make = streamers_of(folder, device, args.sampler, args.together)
    about = {"model": folder.resolve().name, "device": device}
    about |= {"sampler": args.sampler or "", "together": args.together}
    about |= {"rest_after": args.rest_after}
    defaults = Settings(rest_after=args.rest_after)
    recorder = None
    if args.record is not None:
        header = {"about": about, "folder": str(folder.resolve()), "threads": threads}
        recorder = Recorder(args.record, header | {"sources": sorted(sources)})

    def load(name: str) -> Callable:
        known = models_beside(folder)
        if name not in known:
            raise UserError(f"no such model; there are {', '.join(sorted(known))}")
        return streamers_of(known[name], device, args.sampler, args.together, strict=False)

    client = (args.client_ip, args.clientport)
    state = ServerState(sources, about, defaults)
    endpoint = Endpoint(state, InferenceWorker(make), rx, client, load, recorder, web)
    endpoint.warm_up(make)
    gc.collect()
    gc.freeze()  # what exists now stays: no garbage collection visits it again (0.25 s each time)
    log.info("ready: model %s on %s, listening on %s:%d, answering %s:%d", about["model"], device, *rx[0].getsockname(),
             *client)  # fmt: skip
    if web is not None:
        log.info("web: open %s", web.link)
        if args.open:
            webbrowser.open(web.link)
    endpoint.run()


def end_now(signum: int, frame: object) -> None:
    """Leave without waiting for the step in hand: the client's launcher kills what is not gone after half a second."""
    with contextlib.suppress(OSError):
        if select.select((), (2,), (), 0)[1]:  # somebody reads
            os.write(2, b"stopped\n")
    os._exit(0)


class PatientHandler(logging.handlers.QueueHandler):
    """Passes lines to a thread that writes them; when they are not read, new ones are lost, and nothing waits."""

    def enqueue(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(queue.Full):
            self.queue.put_nowait(record)


def start_log() -> logging.handlers.QueueListener:
    """Log to standard error, from a thread of its own."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    lines = queue.Queue(LINES_WAITING)
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[PatientHandler(lines)])
    listener = logging.handlers.QueueListener(lines, handler)
    listener.start()
    return listener


def main(argv: list[str] | None = None) -> int:
    args = arguments(argv)
    require(*PLAYING)
    signal.signal(signal.SIGINT, end_now)
    listener = start_log()
    try:
        serve(args)
    except UserError as error:
        listener.stop()
        sys.stderr.write(f"error: {error}\n")
        return 2
    listener.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
