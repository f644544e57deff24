"""Get a file over the network: it goes on where it stopped, and is checked at the end."""

from __future__ import annotations

import hashlib
import http.client
import shutil
import socket
import ssl
import time
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from zeroframe._version import __version__
from zeroframe.errors import DownloadError, OutputError, UsageError
from zeroframe.io.atomic import write_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from io import FileIO

__all__ = ["Connection", "RemoteFile", "check_url", "download"]

_CHUNK_BYTES = 1 << 20
_TIMEOUT_S = 30.0
_LONGEST_PAUSE_S = 30.0
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_HASHES = frozenset({"md5", "sha256", "sha512"})
_OK, _PARTIAL, _BAD_RANGE, _TOO_MANY, _SERVER_ERROR = 200, 206, 416, 429, 500
_AGAIN = "run the same command again: what has arrived is kept, and the download goes on from there"


class _DroppedError(Exception):
    """The connection broke, or the server is busy: worth another try."""


class _StaleError(_DroppedError):
    """What has arrived belongs to another version of the file: start again."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file on a server.

    Parameters
    ----------
    url : str
        Where it is.
    size_bytes : int
        How long it must be.
    algorithm, digest : str
        What its checksum must be: the name of the hash function (md5, sha256 or sha512), and hexadecimal digits.
    """

    url: str
    size_bytes: int
    algorithm: str
    digest: str

    def __post_init__(self) -> None:
        if self.algorithm not in _HASHES:
            raise DownloadError(self.url, f"its checksum is of a kind that is not known, {self.algorithm!r}")
        if self.size_bytes < 1:
            raise DownloadError(self.url, f"its size is said to be {self.size_bytes} bytes")


class _CheckedRedirects(HTTPRedirectHandler):
    """Redirects lead nowhere that one may not go directly."""

    def redirect_request(self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Request | None:  # noqa: ANN401
        check_url(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


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
    """How hard to try.

    Parameters
    ----------
    attempts : int, optional
        Requests for one file, before giving up.
    timeout_s : float, optional
        Silence after which a connection counts as broken.
    pause : callable, optional
        Waits for so many seconds.
    """

    attempts: int = 8
    timeout_s: float = _TIMEOUT_S
    pause: Callable[[float], None] = time.sleep

    def __post_init__(self) -> None:
        if self.attempts < 1 or not self.timeout_s > 0:
            raise UsageError(
                f"{self.attempts} attempts of {self.timeout_s} s lead nowhere; give at least 1, and some time"
            )

    @contextmanager
    def open(self, url: str, headers: dict[str, str]) -> Iterator[http.client.HTTPResponse]:
        """Send a request; whatever goes wrong before the block ends is said in our words."""
        check_url(url)
        opener = build_opener(_CheckedRedirects)
        request = Request(url, headers={"User-Agent": f"zeroframe/{__version__}", **headers})  # noqa: S310 -- checked
        try:
            with opener.open(request, timeout=self.timeout_s) as response:
                yield response
        except HTTPError as error:
            with error:
                raise _of_status(url, error) from error
        except URLError as error:
            raise _of_failure(url, error.reason) from error
        except (http.client.HTTPException, OSError) as error:  # what the disk refuses is an OutputError by then
            raise _DroppedError(f"{type(error).__name__}: {error}") from error

    def retry(self, url: str, work: Callable[[], None]) -> None:
        """Do something until the connection holds, with growing pauses."""
        for attempt in count(1):
            try:
                return work()
            except _DroppedError as error:
                if attempt >= self.attempts:
                    raise DownloadError(url, f"given up after {attempt} attempts ({error})", _AGAIN) from error
                self.pause(min(2.0 ** (attempt - 1), _LONGEST_PAUSE_S))
        return None

    def read(self, url: str, most_bytes: int) -> bytes:
        """Return a short answer.

        Raises
        ------
        DownloadError
            When there is none, or when it is not short.
        """
        parts: list[bytes] = []

        def work() -> None:
            with self.open(url, {"Accept": "application/json"}) as response:
                parts[:] = [response.read(most_bytes + 1)]

        self.retry(url, work)
        if len(parts[0]) > most_bytes:
            raise DownloadError(url, f"the answer is longer than {most_bytes} bytes")
        return parts[0]


def _of_status(url: str, error: HTTPError) -> Exception:
    """Return the exception for an answer that is not the file."""
    if error.code == _BAD_RANGE:
        return _StaleError("416")
    if error.code == _TOO_MANY or error.code >= _SERVER_ERROR:
        return _DroppedError(f"the server says {error.code} {error.reason}")
    return DownloadError(url, f"the server says {error.code} {error.reason}", "see in a browser whether it is there")


def _of_failure(url: str, reason: object) -> Exception:
    """Return the exception for a connection that was never made."""
    if isinstance(reason, ssl.SSLCertVerificationError):
        return DownloadError(url, f"the server's certificate is not accepted ({reason.verify_message})")
    if isinstance(reason, socket.gaierror):
        return DownloadError(url, f"the server cannot be found ({reason.strerror})", "see to the network and run again")
    return _DroppedError(str(reason))


def download(
    remote: RemoteFile,
    path: str | Path,
    *,
    progress: Callable[[int, int], None] | None = None,
    connection: Connection | None = None,
) -> None:
    """Download a file beside its name, and give it that name when its checksum is right.

    What has arrived stands in ``<path>.part`` until then, and is continued by the next call. Whether it still belongs
    to the file on the server is seen by the server's entity tag (kept in ``<path>.part.etag``; RFC 9110, section
    13.1.5), by the size, and in the end by the checksum.

    Parameters
    ----------
    remote : RemoteFile
        What to get.
    path : path
        Where to put it.
    progress : callable, optional
        Called with the bytes that have arrived and the bytes of the whole.
    connection : Connection, optional
        How hard to try.

    Raises
    ------
    DownloadError
        When the file is not there, connections keep breaking, or the checksum is wrong.
    OutputError
        When it cannot be written.
    UsageError
        When the URL is neither https nor on this machine.
    """
    connection = connection or Connection()
    part = _Part(Path(path))
    resumed = part.size() > 0
    _check_space(part.path, remote.size_bytes - part.size())
    _complete(remote, part, connection, progress)
    if part.digest(remote.algorithm) != remote.digest and resumed:
        # The beginning came from an earlier run: it may be of another version, from a server without entity tags.
        part.discard()
        _complete(remote, part, connection, progress)
    if (found := part.digest(remote.algorithm)) != remote.digest:
        part.discard()
        raise DownloadError(
            remote.url,
            f"its {remote.algorithm} is {found}, but {remote.digest} was announced",
            "it was changed on its way or on the server: try again later",
        )
    with _writing(part.path):
        part.path.replace(path)
        part.tag_path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class _Part:
    """The beginning of a file that is still arriving."""

    target: Path

    @property
    def path(self) -> Path:
        return self.target.with_name(self.target.name + ".part")

    @property
    def tag_path(self) -> Path:
        return self.target.with_name(self.target.name + ".part.etag")

    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def tag(self) -> str:
        return self.tag_path.read_text(encoding="utf-8") if self.tag_path.exists() else ""

    def start(self, tag: str) -> None:
        """Forget what was there; remember what comes now."""
        with _writing(self.path):
            self.path.write_bytes(b"")
            self.tag_path.write_text(tag, encoding="utf-8")

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)
        self.tag_path.unlink(missing_ok=True)

    def digest(self, algorithm: str) -> str:
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()


def _complete(
    remote: RemoteFile, part: _Part, connection: Connection, progress: Callable[[int, int], None] | None
) -> None:
    """Add what is missing."""

    def work() -> None:
        if part.size() > remote.size_bytes:
            part.discard()
        if progress is not None:
            progress(part.size(), remote.size_bytes)
        if part.size() < remote.size_bytes:
            try:
                _continue(remote, part, connection, progress)
            except _StaleError as error:
                part.discard()
                raise _DroppedError("the file has changed on the server") from error

    connection.retry(remote.url, work)


def _continue(
    remote: RemoteFile, part: _Part, connection: Connection, progress: Callable[[int, int], None] | None
) -> None:
    """Ask for the rest of a file, once."""
    offset, tag = part.size(), part.tag()
    headers = {"Accept-Encoding": "identity"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
        if tag and not tag.startswith("W/"):
            headers["If-Range"] = tag
    with connection.open(remote.url, headers) as response:
        new_tag = response.headers.get("ETag", "")
        if response.status == _PARTIAL:
            _check_range(response, offset, remote.size_bytes)
            if tag != new_tag:
                raise _StaleError(new_tag)
        else:
            _check_length(remote, response)
            part.start(new_tag)
        with _writing(part.path):
            file = part.path.open("ab", buffering=0)
        with file:
            _append(remote, response, file, progress)


def _check_range(response: http.client.HTTPResponse, offset: int, size_bytes: int) -> None:
    """Hold the server to the part that was asked for."""
    given = response.headers.get("Content-Range", "")
    if not given.startswith(f"bytes {offset}-") or not given.endswith(f"/{size_bytes}"):
        raise _StaleError(given)


def _check_length(remote: RemoteFile, response: http.client.HTTPResponse) -> None:
    """Compare the length that the server gives with the one that was announced."""
    length = response.headers.get("Content-Length", "")
    if response.status != _OK or (length.isdecimal() and int(length) != remote.size_bytes):
        raise DownloadError(
            remote.url,
            f"the server answers {response.status} with {length or '?'} bytes, but {remote.size_bytes} were announced",
            "try again later",
        )


def _append(
    remote: RemoteFile,
    response: http.client.HTTPResponse,
    file: FileIO,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Write what arrives to the end of the file."""
    done = file.tell()
    while done < remote.size_bytes:
        chunk = response.read1(min(_CHUNK_BYTES, remote.size_bytes - done))
        if not chunk:
            raise _DroppedError(f"the connection ended after {done} of {remote.size_bytes} bytes")
        with _writing(Path(str(file.name))):
            write_all(file.fileno(), [chunk])
        done += len(chunk)
        if progress is not None:
            progress(done, remote.size_bytes)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Say what the system refuses; network errors must not pass through here, as they are of the same class."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            path, f"cannot be written ({error.strerror or error})", "see to that and run again"
        ) from error


def _check_space(path: Path, missing_bytes: int) -> None:
    """Refuse to fill the disk."""
    free = shutil.disk_usage(path.parent).free
    if missing_bytes > free:
        raise OutputError(
            path,
            f"needs {missing_bytes / 1e6:.0f} MB, but {free / 1e6:.0f} MB are free",
            "make room or choose another disk",
        )
