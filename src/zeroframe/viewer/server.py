"""A small server on loopback: this machine asks, and nobody else is answered."""

from __future__ import annotations

from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

from zeroframe.errors import UsageError, ZeroframeError
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Answer", "LoopbackServer", "loopback_server"]

_ADDRESS = "127.0.0.1"
_NAMES = ("127.0.0.1", "localhost")
_PATIENCE_S = 30.0


@dataclass(frozen=True)
class Answer:
    """What a browser gets.

    Attributes
    ----------
    body : bytes
    kind : str
        Its media type.
    status : int
        Of HTTP.
    """

    body: bytes
    kind: str = "text/html; charset=utf-8"
    status: int = 200


@dataclass(frozen=True)
class LoopbackServer:
    """A server that is running.

    Attributes
    ----------
    url : str
        Where its first page is.
    """

    url: str


@contextmanager
def loopback_server(answer: Callable[[str], Answer | None], port: int = 0) -> Iterator[LoopbackServer]:
    """Serve pages to this machine for the time of a block.

    Parameters
    ----------
    answer : callable
        Called with the path that is asked for, as ``/``, from several threads; None: there is nothing of that name.
    port : int
        0: any that is free.

    Yields
    ------
    LoopbackServer

    Raises
    ------
    UsageError
        When the port is taken.

    Examples
    --------
    >>> from urllib.request import urlopen
    >>> with loopback_server(lambda path: Answer(b"zero") if path == "/" else None) as server:
    ...     urlopen(server.url).read()
    b'zero'
    """
    try:
        listening = _Server((_ADDRESS, port), _Handler)
    except OSError as error:
        raise UsageError(
            f"port {port} of this machine cannot be used ({error.strerror}); choose another one with --port"
        ) from error
    listening.answer = answer
    thread = Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.1}, name="zeroframe-server", daemon=True)
    thread.start()
    try:
        yield LoopbackServer(f"http://{_ADDRESS}:{listening.server_port}/")
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    answer: Callable[[str], Answer | None]

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 -- the base class says so
        """Pass over a browser that has gone; show all else as Python shows it."""
        import sys

        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _PATIENCE_S
    server: _Server

    def do_GET(self) -> None:
        """Answer a browser; one that was led here by a name of somebody else's is refused."""
        host = self.headers.get("Host", "").rpartition(":")[0]
        if host not in _NAMES:
            self._send(Answer(b"only this machine is answered", "text/plain; charset=utf-8", 403))
            return
        try:
            found = self.server.answer(self.path.partition("?")[0])
        except ZeroframeError as error:
            found = Answer(str(error).encode("utf-8", "backslashreplace"), "text/plain; charset=utf-8", 500)
        self._send(found or Answer(b"there is nothing of this name", "text/plain; charset=utf-8", 404))

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base class calls it so
        """Nothing is said of what was asked for."""
