"""Get a file over the network, by pooch: whole and with the right checksum or not at all, and never for ever.

pooch and requests are imported when something is downloaded, not before.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import ssl
import threading
import time
from importlib.util import find_spec
from itertools import count
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from zeroframe import __version__
from zeroframe.errors import DownloadError, OutputError, UsageError
from zeroframe.fits.atomic import output_error
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["Connection", "RemoteFile", "check_url", "download"]

#: What came of a piece is not known before all of it has come; a twentieth of what has to come in half a minute.
_CHUNK_BYTES = 1 << 14
_LONGEST_PAUSE_S = 30.0
_REPORT_EVERY_S = 0.1
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_HASHES = frozenset({"md5", "sha256", "sha512"})
_TOO_MANY, _SERVER_ERROR = 429, 500
_LATER = "try again later"


class _DroppedError(Exception):
    """The connection broke, or the server is busy: worth another try."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file on a server.

    Parameters
    ----------
    url : str
        Where it is.
    size_bytes : int
        How long it may be, at most.
    checksum : str or None
        What its checksum must be: ``md5:``, ``sha256:`` or ``sha512:`` and hexadecimal digits. None: it has none.
    """

    url: str
    size_bytes: int
    checksum: str | None

    def __post_init__(self) -> None:
        algorithm = (self.checksum or "md5:").partition(":")[0]
        if algorithm not in _HASHES:
            raise DownloadError(self.url, f"its checksum is of a kind that is not known, {algorithm!r}")
        if self.size_bytes < 1:
            raise DownloadError(self.url, f"its size is said to be {self.size_bytes} bytes")


def check_url(url: str) -> None:
    """Refuse what is neither https nor this machine.

    Raises
    ------
    UsageError
        When data could be changed on their way.
    """
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise UsageError(f"{url}: only https is used, so that nobody can change the data on their way")


@dataclass(frozen=True, slots=True)
class Connection:
    """How patient to be.

    Parameters
    ----------
    attempts : int, optional
        Requests for one file, before giving up; a connection that breaks is worth another one.
    timeout_s : float, optional
        In so many seconds, from the first one on, ``least_bytes_per_s`` times as many bytes have to come. A server that
        sends less is left: it would hold the program for as long as it likes, as the timeouts of sockets begin anew
        with each byte.
    least_bytes_per_s : float, optional
        The slowest connection that is worth waiting for. At the default the smaller archive takes 4.5 hours.
    pause : callable, optional
        Waits for so many seconds.
    """

    attempts: int = 8
    timeout_s: float = 30.0
    least_bytes_per_s: float = 10_000.0
    pause: Callable[[float], None] = time.sleep

    def __post_init__(self) -> None:
        if self.attempts < 1 or not self.timeout_s > 0 or not self.least_bytes_per_s > 0:
            raise UsageError(
                f"{self.attempts} attempts of {self.timeout_s} s for {self.least_bytes_per_s} bytes/s lead nowhere; "
                "give at least 1 attempt, some time and some bytes"
            )


def download(
    remote: RemoteFile,
    path: Path,
    *,
    progress: Callable[[int, int], None] | None = None,
    connection: Connection | None = None,
) -> None:
    """Download a file; what stands there already, with the right checksum, is taken for it.

    Parameters
    ----------
    remote : RemoteFile
        What to get.
    path : Path
        Where to put it. Beside it stands what has arrived, under a name of chance, until all of it is there.
    progress : callable, optional
        Called with the bytes that have arrived and the bytes of the whole.
    connection : Connection, optional
        How patient to be.

    Raises
    ------
    DownloadError
        When the file is not there, is too long, comes too slowly, when connections keep breaking, or the checksum is
        wrong.
    OutputError
        When it cannot be written.
    UsageError
        When the URL is neither https nor on this machine, or pooch is not installed.
    """
    connection = connection or Connection()
    check_url(remote.url)
    if find_spec("pooch") is None:
        raise UsageError("downloads need pooch; install it with: pip install 'zeroframe[examples]'")
    if not path.exists():
        _check_space(path, remote.size_bytes)
    for attempt in count(1):
        try:
            return _attempt(remote, path, progress, connection)
        except _DroppedError as error:
            if attempt >= connection.attempts:
                raise DownloadError(remote.url, f"given up after {attempt} attempts ({error})", _LATER) from error
            connection.pause(min(2.0 ** (attempt - 1), _LONGEST_PAUSE_S))
    return None


class _Watch:
    """What pooch tells of a download while it goes on; by this pooch knows it as a progress bar.

    Attributes
    ----------
    total : int
        Set by pooch.
    """

    def __init__(self, remote: RemoteFile) -> None:
        self.total = 0
        self._remote = remote
        self._response: Any = None
        self._written = 0
        self._is_left = False

    def answered(self, response: Any, **_: Any) -> None:  # noqa: ANN401 -- requests hands over what it likes
        """Look at an answer before its content comes: requests calls this, for redirects, too."""
        self._response = response
        if response.is_redirect:
            check_url(urljoin(response.url, response.headers["Location"]))
            return
        length = response.headers.get("Content-Length", "")
        if response.ok and length.isdecimal() and int(length) > self._remote.size_bytes:
            self._refuse(f"the server answers {response.status_code} with {length} bytes, ")

    def arrived_bytes(self) -> int:
        """How many bytes have come over the network."""
        return 0 if self._response is None else min(self._response.raw.tell(), self._remote.size_bytes)

    def update(self, size_bytes: int) -> None:
        """Note that a piece was written, of no more than so many bytes."""
        self._written += size_bytes
        if self._is_left:
            raise _DroppedError("left")
        if self._written >= self._remote.size_bytes + 2 * _CHUNK_BYTES:
            self._refuse("the server sends more, ")

    def _refuse(self, what: str) -> None:
        limit = self._remote.size_bytes
        bound = f"longer than {limit} bytes" if self._remote.checksum is None else f"but {limit} were announced"
        raise DownloadError(self._remote.url, f"{what}{bound}", _LATER)

    def reset(self) -> None:
        """Begin to count anew: pooch does that at the end."""
        self._written = -self.total

    def close(self) -> None:
        """Do nothing more."""

    def leave(self) -> None:
        """End the download, whose thread waits for the next byte.

        Before the header of an answer is complete there is nothing to end it by: its thread is left to itself, and to
        the end of the process.
        """
        self._is_left = True
        if self._response is not None and hasattr(self._response.raw, "shutdown"):  # urllib3 2.3
            # whose thread may have come to its own end, and have closed the connection, just now
            with contextlib.suppress(OSError, RuntimeError, ValueError):
                self._response.raw.shutdown()

    def end(self) -> None:
        """Close the connection, which pooch leaves to the garbage collector."""
        if self._response is not None:
            self._response.close()


def _attempt(
    remote: RemoteFile, path: Path, progress: Callable[[int, int], None] | None, connection: Connection
) -> None:
    """Let pooch download the file in a thread, and leave it when too little comes.

    A thread, since nothing else sees a server that sends the lines of its header, or the file, byte by byte.
    """
    watch, ended, failures = _Watch(remote), threading.Event(), list[BaseException]()

    def work() -> None:
        try:
            _retrieve(remote, path, watch, connection.timeout_s)
        except BaseException as error:  # noqa: BLE001 -- raised again by the thread that waits
            failures.append(error)
        finally:
            watch.end()
            ended.set()

    thread = threading.Thread(target=work, name="download", daemon=True)
    if progress is not None:
        progress(0, remote.size_bytes)
    thread.start()
    try:
        _wait(ended, watch, remote, progress, connection)
    except BaseException:
        watch.leave()
        thread.join(1.0)
        raise
    if failures:
        with _said_in_our_words(remote, path):
            raise failures[0]
    if progress is not None:
        progress(remote.size_bytes, remote.size_bytes)


def _wait(
    ended: threading.Event,
    watch: _Watch,
    remote: RemoteFile,
    progress: Callable[[int, int], None] | None,
    connection: Connection,
) -> None:
    """Wait for the end of a download, as long as enough of it comes."""
    needed_bytes = connection.timeout_s * connection.least_bytes_per_s
    before_bytes, until = 0, time.monotonic() + connection.timeout_s
    while not ended.wait(min(_REPORT_EVERY_S, connection.timeout_s)):
        if progress is not None:
            progress(watch.arrived_bytes(), remote.size_bytes)
        if time.monotonic() >= until:
            came_bytes = watch.arrived_bytes() - before_bytes
            if came_bytes < needed_bytes:
                raise DownloadError(
                    remote.url,
                    f"the server sent {came_bytes} bytes in {connection.timeout_s:g} s, which is too slow",
                    _LATER,
                )
            before_bytes, until = before_bytes + came_bytes, time.monotonic() + connection.timeout_s


def _retrieve(remote: RemoteFile, path: Path, watch: _Watch, timeout_s: float) -> None:
    """Have pooch download the file."""
    import pooch

    downloader = pooch.HTTPDownloader(
        progressbar=watch,
        chunk_size=_CHUNK_BYTES,
        timeout=timeout_s,
        headers={"User-Agent": f"zeroframe/{__version__}", "Accept-Encoding": "identity"},
        hooks={"response": watch.answered},
    )
    logger = pooch.get_logger()  # it would tell in its own words what is shown as progress
    usual = logger.level
    logger.setLevel("WARNING")
    try:
        pooch.retrieve(remote.url, remote.checksum, path.name, path.parent, downloader=downloader)
    finally:
        logger.setLevel(usual)


@contextlib.contextmanager
def _said_in_our_words(remote: RemoteFile, path: Path) -> Iterator[None]:
    """Translate what pooch, requests and the system raise."""
    import requests

    try:
        yield
    except (UsageError, DownloadError, _DroppedError):
        raise
    except requests.RequestException as error:
        raise _of_request(remote.url, error) from error
    except OSError as error:
        raise output_error(path, error) from error
    except ValueError as error:  # this is how pooch says that a checksum is another one
        found = re.search(r"but got ([0-9a-f]+)", str(error))
        if remote.checksum is None or found is None:
            raise
        algorithm, _, digest = remote.checksum.partition(":")
        raise DownloadError(
            remote.url,
            f"its {algorithm} is {found[1]}, but {digest} was announced",
            "it was changed on its way or on the server: try again later",
        ) from error


def _of_request(url: str, error: Any) -> Exception:  # noqa: ANN401 -- a requests.RequestException
    """Return the exception for a request that failed."""
    if error.response is not None:
        status = error.response.status_code
        told = f"the server says {status} {error.response.reason}"
        if status == _TOO_MANY or status >= _SERVER_ERROR:
            return _DroppedError(told)
        return DownloadError(url, told, "see in a browser whether it is there")
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return DownloadError(url, f"the server's certificate is not accepted ({cause.verify_message})")
        if isinstance(cause, socket.gaierror):
            return DownloadError(
                url, f"the server cannot be found ({cause.strerror})", "see to the network and run again"
            )
    return _DroppedError(str(next((each for each in causes if isinstance(each, ConnectionError)), error)))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield what led to an exception, the exception itself last."""
    if error is None:
        return
    inner = [error.__cause__, getattr(error, "reason", None), *error.args[:1]]
    for cause in dict.fromkeys(each for each in inner if isinstance(each, BaseException)):
        yield from _causes(cause)
    yield error


def _check_space(path: Path, missing_bytes: int) -> None:
    """Refuse to fill the disk."""
    free = shutil.disk_usage(path.parent).free
    if missing_bytes > free:
        raise OutputError(
            path,
            f"needs {missing_bytes / 1e6:.0f} MB, but {free / 1e6:.0f} MB are free",
            "make room or choose another disk",
        )
