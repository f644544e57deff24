"""Folders that are not on a disk: S3 and what else fsspec reaches, named by a URL.

All else in this package works on files of a disk. So bytes are fetched to a file before it is read, and a file is
written whole before its bytes are put in place; only headers, and rows of results, are read by ranges of bytes.
Nothing of fsspec is imported before a URL is named.
"""

from __future__ import annotations

import hashlib
import re
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from zeroframe.errors import (
    DamagedError,
    FrameError,
    NoFramesError,
    OutputError,
    OutputExistsError,
    UsageError,
    ZeroframeError,
)
from zeroframe.io.atomic import atomic_file, write_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Place", "RemoteFile", "is_url", "local_path"]

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
#: Where a file that is put appears whole or not at all, and replaces another in one step.
_PUTS_ARE_ATOMIC = frozenset(("s3", "s3a", "gs", "gcs", "abfs", "abfss", "az"))
#: Where a file can be put on the condition that there is none.
_KNOWS_CREATE = frozenset(("s3", "s3a"))
#: Libraries whose exceptions are not OSError: what they say is said in our words.
_THEIRS = frozenset(("botocore", "aiobotocore", "aiohttp", "s3fs", "gcsfs", "adlfs", "fsspec"))
_PIECE = 8 << 20


def is_url(text: str) -> bool:
    """Say whether a text names a place by a URL, and not a path.

    Examples
    --------
    >>> is_url("s3://bucket/raw"), is_url("/data/raw"), is_url("raw"), is_url("file:///data/raw")
    (True, False, False, True)
    """
    return _URL.match(text) is not None


def local_path(text: str) -> Path | None:
    """Return the path that a text names, also where it is a ``file://`` URL; None for other URLs.

    Raises
    ------
    UsageError
        When a ``file://`` URL names another machine.

    Examples
    --------
    >>> local_path("file:///data/raw%20frames"), local_path("raw"), local_path("s3://bucket/raw")
    (PosixPath('/data/raw frames'), PosixPath('raw'), None)
    """
    if not is_url(text):
        return Path(text)
    parts = urlsplit(text)
    if parts.scheme.lower() != "file":
        return None
    if parts.netloc not in {"", "localhost"}:
        raise UsageError(f"{text} names a file of the machine {parts.netloc!r}; write file:///folder for one of this")
    return Path(unquote(parts.path))


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file of a place.

    Attributes
    ----------
    url : str
        Where it is.
    name : str
        Its name there.
    size : int
        In bytes.
    stamp : str
        What changes when it changes: its ETag, or when it was modified, and its size.
    """

    url: str
    name: str
    size: int
    stamp: str


class Place:
    """A folder named by a URL; its contents are what is there now, and nothing is remembered.

    It can be pickled, and used from any thread.

    Parameters
    ----------
    url : str
        As ``s3://bucket/raw``. Credentials and endpoints are found as the libraries do, for S3 in the environment
        (``AWS_PROFILE``, ``AWS_ENDPOINT_URL``, ...) and in ``~/.aws``.

    Raises
    ------
    UsageError
        When it is no URL of a kind that fsspec knows, or what fsspec needs for that kind is not installed.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._protocol = urlsplit(url).scheme.lower()
        if not is_url(url):
            raise UsageError(f"{url!r} is no URL; write for example s3://bucket/folder")
        try:
            self._files = _filesystem(self._protocol)
        except (ImportError, ValueError) as error:
            advice = "install what it needs: pip install 'zeroframe[remote]'"
            raise UsageError(f"{url} cannot be reached ({error}); {advice}") from error
        self._root = self._files._strip_protocol(self.url)  # noqa: SLF001 -- fsspec's name for it

    def __reduce__(self) -> tuple[type[Place], tuple[str]]:
        return Place, (self.url,)

    def __repr__(self) -> str:
        return f"Place({self.url!r})"

    def url_of(self, name: str) -> str:
        """Return the URL of a file in it."""
        return f"{self.url}/{name}"

    def listing(self) -> list[RemoteFile]:
        """Return the files in it, sorted by name; what lies in folders within, and hidden files, are left out.

        Raises
        ------
        NoFramesError
            When there is no such place, or it may not be read.
        """
        advice = "check the name and the credentials"
        with _in_our_words(lambda reason: NoFramesError(f"{self.url} {reason}; {advice}")):
            entries = self._files.ls(self._root, detail=True, refresh=True)
        found = [self._file(entry) for entry in entries if entry["type"] == "file"]
        return sorted((each for each in found if not each.name.startswith(".")), key=lambda each: each.name)

    def find(self, name: str) -> RemoteFile | None:
        """Return a file in it, as it is now; None where there is none.

        Raises
        ------
        FrameError
            When it may not be asked for.
        """
        try:
            with _in_our_words(lambda reason: FrameError(self.url_of(name), reason, "check the credentials")):
                return self._file(self._files.info(self._path(name), refresh=True))
        except FrameError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                return None
            raise

    def read_range(self, name: str, start: int, stop: int) -> bytes:
        """Return some bytes of a file, fewer only at its end.

        Raises
        ------
        FrameError
            When they cannot be read.
        """
        if stop <= start:
            return b""
        try:
            with _in_our_words(lambda reason: FrameError(self.url_of(name), reason, "check name and credentials")):
                data: bytes = self._files.cat_file(self._path(name), start=start, end=stop)
        except FrameError:
            there = self.find(name)
            if there is not None and start >= there.size:  # which S3 calls an error
                return b""
            raise
        return data

    def fetch(self, file: RemoteFile, target: Path) -> None:
        """Copy a file to a disk, whole or not at all.

        Parameters
        ----------
        file : RemoteFile
            From `listing` or `find`; what is fetched is this state of it.
        target : pathlib.Path
            What it is called there; replaced.

        Raises
        ------
        DamagedError
            When fewer or more bytes come than it has.
        FrameError
            When it cannot be read, or has changed.
        OutputError
            When the disk is full.
        """
        size = 0
        with atomic_file(target, overwrite=True) as descriptor:
            for start in range(0, file.size, _PIECE):
                piece = self.read_range(file.name, start, min(start + _PIECE, file.size))
                size += len(piece)
                write_all(descriptor, [piece])
            now = self.find(file.name)
            if now is None or now.stamp != file.stamp:
                raise FrameError(file.url, "was changed while it was read", "run again")
            if size != file.size:
                raise DamagedError(file.url, f"gave {size:,} of its {file.size:,} bytes", "run again")

    def put(self, source: Path, name: str, *, overwrite: bool = False) -> RemoteFile:
        """Copy a file of a disk to this place, whole or not at all, and look whether it has arrived.

        Parameters
        ----------
        source : pathlib.Path
            The file.
        name : str
            What it is called there.
        overwrite : bool
            Replace a file of that name.

        Returns
        -------
        RemoteFile
            As it is there.

        Raises
        ------
        OutputExistsError
            When there is a file of that name and `overwrite` is false.
        OutputError
            When it cannot be written, or what has arrived are other bytes.
        UsageError
            When files do not appear whole in places of this kind.
        """
        url = self.url_of(name)
        if self._protocol not in _PUTS_ARE_ATOMIC:
            raise UsageError(f"{url}: a file there is seen half-written, so no results go there; use s3:// or a folder")
        if not overwrite and self.find(name) is not None:
            raise OutputExistsError(url, "there is a file of that name already", "choose another place, or overwrite")
        condition = {"mode": "create"} if not overwrite and self._protocol in _KNOWS_CREATE else {}
        try:
            with _in_our_words(lambda reason: OutputError(url, reason, "see to that and run again")):
                self._files.put_file(str(source), self._path(name), **condition)
        except OutputError as error:
            if condition and self.find(name) is not None:  # it has appeared meanwhile
                words = "there is a file of that name already", "choose another place, or overwrite"
                raise OutputExistsError(url, *words) from error
            raise
        return self._arrived(source, name)

    def _arrived(self, source: Path, name: str) -> RemoteFile:
        """Compare what has been put with the file: by its ETag where that is its MD5, else byte by byte."""
        url, size = self.url_of(name), source.stat().st_size
        with _in_our_words(lambda reason: OutputError(url, reason, "see to that and run again")):
            entry = self._files.info(self._path(name), refresh=True)
        there = self._file(entry)
        if there.size != size:
            raise OutputError(url, f"has {there.size:,} bytes and not the {size:,} that were sent", "run again")
        if _etag(entry) != _file_md5(source) and not self.holds(source, name):
            raise OutputError(url, "has other bytes than were sent", "run again with --overwrite")
        return there

    def holds(self, source: Path, name: str) -> bool:
        """Say whether a file in it has the bytes of a file of a disk; it is read where the sizes are the same.

        Raises
        ------
        FrameError
            When it cannot be read.
        """
        there = self.find(name)
        if there is None or there.size != source.stat().st_size:
            return False
        with source.open("rb") as file:
            for start in range(0, there.size, _PIECE):
                piece = file.read(_PIECE)
                if self.read_range(name, start, start + len(piece)) != piece:
                    return False
        return True

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _file(self, entry: dict[str, Any]) -> RemoteFile:
        name, size = entry["name"].rsplit("/", 1)[-1], int(entry["size"] or 0)
        changed = _etag(entry) or str(entry.get("LastModified") or entry.get("mtime") or entry.get("created"))
        return RemoteFile(self.url_of(name), name, size, f"{size}.{changed}")


def _etag(entry: dict[str, Any]) -> str:
    return str(entry.get("ETag") or "").strip('"')


def _file_md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


@cache
def _filesystem(protocol: str) -> Any:  # noqa: ANN401 -- fsspec has no types
    import fsspec

    return fsspec.filesystem(protocol, use_listings_cache=False)


@contextmanager
def _in_our_words(made: Callable[[str], ZeroframeError]) -> Iterator[None]:
    """Turn what the libraries raise into an error of ours, which says what and where."""
    try:
        yield
    except FileNotFoundError as error:
        raise made("is not there") from error
    except PermissionError as error:
        raise made(f"may not be used ({_first_line(error)})") from error
    except OSError as error:
        raise made(f"cannot be reached ({_first_line(error)})") from error
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in _THEIRS:
            raise
        raise made(f"cannot be reached ({_first_line(error)})") from error


def _first_line(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text).splitlines()[0].rstrip(".")
