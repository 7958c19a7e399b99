"""The page in the browser: one port that serves its files, and carries the protocol's datagrams over a WebSocket.

One message of the WebSocket is one datagram, so that all else sees nothing new. A thread of its own runs the port. Only a
page that knows the token of the printed link, and that came from this port, may talk; one at a time.
"""

import asyncio
import hmac
import ipaddress
import logging
import mimetypes
import os
import secrets
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from accomp.errors import UserError
from accomp.server.wire import MAX_DATAGRAM

log = logging.getLogger(__name__)

SOCKET = "/socket"
TYPES = {".mjs": "text/javascript", ".svg": "image/svg+xml"}
MOST_WAITING = 4096  # datagrams for a page that does not read; what is more is lost, as on any network
PING_S = 5.0
TAKEN, MOVED, STRANGER = 4001, 4002, 4003  # why a socket was closed; clients/web/link.mjs knows them
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; connect-src 'self'; img-src 'self' data:; media-src 'self' blob:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def bind(ip: str, port: int) -> socket.socket:
    """The socket to listen on, so that a port in use is found before anything is loaded."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if os.name == "posix":  # a port that was used a moment ago is free; on Windows the option would share it
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((ip, port))
        listener.listen()
    except (OSError, OverflowError) as error:
        listener.close()
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise UserError(f"cannot listen on {ip} port {port}: {why}; choose another with --web PORT and --web_ip") from error
    return listener


def kept_token(file: Path) -> str:
    """The token in `file`, made at the first call: a page that is open finds its server again after a restart."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.is_file():
            with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as new:
                new.write(secrets.token_urlsafe(18))
        return file.read_text().strip() or secrets.token_urlsafe(18)
    except OSError:  # a disk that cannot be written to: the token lasts as long as the server
        return secrets.token_urlsafe(18)


class WebPort:
    """Serves `folder` on a bound socket, and hands every datagram of the page to `receive`."""

    def __init__(self, listener: socket.socket, folder: Path, token: str):
        self._listener, self._folder, self._token = listener, folder, token
        self._receive: Callable[[bytes], None] = lambda data: None
        self._loop = asyncio.new_event_loop()
        self._page: tuple[str, ServerConnection, asyncio.Queue[bytes]] | None = None
        self._stopped: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),), name="web", daemon=True)

    @property
    def link(self) -> str:
        """What to open. The token stands behind #, which a browser sends to nobody."""
        ip, port = self._listener.getsockname()
        return f"http://{'127.0.0.1' if ip == '0.0.0.0' else ip}:{port}/#{self._token}"

    def start(self, receive: Callable[[bytes], None]) -> None:
        self._receive = receive
        self._thread.start()

    def stop(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(lambda: self._stopped and self._stopped.set())
            self._thread.join(2)
        self._listener.close()

    def send(self, datagram: bytes) -> None:
        """Have a datagram sent to the page, if there is one; from any thread, never waits."""
        if self._page is not None:
            self._loop.call_soon_threadsafe(self._put, datagram)

    def _put(self, datagram: bytes) -> None:
        if self._page is not None and not self._page[2].full():
            self._page[2].put_nowait(datagram)

    async def _serve(self) -> None:
        self._stopped = asyncio.Event()
        quiet = logging.getLogger("websockets.server")
        quiet.setLevel(logging.CRITICAL)  # what strangers send is no news
        async with serve(self._talk, sock=self._listener, process_request=self._answer, max_size=MAX_DATAGRAM,
                         compression=None, ping_interval=PING_S, ping_timeout=PING_S, close_timeout=1,
                         logger=quiet):  # fmt: skip
            await self._stopped.wait()

    def _answer(self, connection: ServerConnection, request: Request) -> Response | None:
        """A file of the page, an error, or None: the WebSocket may be opened."""
        path, host, origin = urlsplit(request.path).path, request.headers.get("Host", ""), request.headers.get("Origin")
        if not self._is_own(host) or origin not in (None, f"http://{host}", f"https://{host}"):
            return _response(403, "Forbidden", b"open the link that serve.py has printed", "text/plain")
        if path == SOCKET:
            return None
        name = "index.html" if path == "/" else path[1:]
        file = next((file for file in self._folder.iterdir() if file.name == name and file.is_file()), None)
        if file is None or file.suffix == ".md":
            return _response(404, "Not Found", b"no such file", "text/plain")
        return _response(200, "OK", file.read_bytes(), TYPES.get(file.suffix) or mimetypes.guess_type(name)[0] or "")

    def _is_own(self, host: str) -> bool:
        """Whether the page was asked for by this port's address: a name of somebody else's may lead here too."""
        ip, port = self._listener.getsockname()
        name, _, asked = host.rpartition(":")
        if not ip.startswith("127."):
            try:
                return bool(ipaddress.ip_address(name)) and asked == str(port)
            except ValueError:
                pass
        return name in (ip, "localhost") and asked == str(port)

    async def _talk(self, connection: ServerConnection) -> None:
        query = {name: values[0] for name, values in parse_qs(urlsplit(connection.request.path).query).items()}
        if not hmac.compare_digest(query.get("token", "").encode(), self._token.encode()):
            return await connection.close(STRANGER, "open the link that serve.py has printed")
        page, before = query.get("page", ""), self._page
        if before is not None:
            if before[0] != page and "take" not in query:
                return await connection.close(TAKEN, "another page is playing")
            await before[1].close(MOVED, "another page has taken over")
        queue: asyncio.Queue[bytes] = asyncio.Queue(MOST_WAITING)
        self._page = mine = (page, connection, queue)
        log.info("web: a page has connected")
        sending = asyncio.create_task(self._send_all(connection, queue))
        try:
            async for message in connection:
                if isinstance(message, bytes):
                    self._receive(message)
        except ConnectionClosed:
            pass  # without a farewell
        finally:
            sending.cancel()
            if self._page is mine:
                self._page = None
                log.info("web: the page has gone")

    async def _send_all(self, connection: ServerConnection, queue: asyncio.Queue[bytes]) -> None:
        try:
            while True:
                await connection.send(await queue.get())
        except ConnectionClosed:
            pass


def _response(status: int, reason: str, body: bytes, kind: str) -> Response:
    kind = f"{kind}; charset=utf-8" if kind.startswith("text/") else kind
    headers = HEADERS | {"Content-Type": kind, "Content-Length": str(len(body)), "Connection": "close"}
    return Response(status, reason, Headers(headers), body)
