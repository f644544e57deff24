"""Folders of a store: S3 and what else fsspec reaches, named by a URL.

All else in this package works on files of a disk. So bytes are fetched to a file before they are read, and a file is
written whole before its bytes are put in place; only headers, and rows of plain files, are read by ranges of bytes.
Nothing of fsspec is imported before a URL is named.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, cast
from urllib.parse import urlsplit

from zeroframe.errors import (
    DamagedError,
    FrameError,
    NoFramesError,
    NotFitsError,
    OutputError,
    OutputExistsError,
    UsageError,
    ZeroframeError,
)
from zeroframe.fits.replacing import Overwrite, Replaceable
from zeroframe.fits.store.names import is_url
from zeroframe.fits.store.spool import temporary_folder
from zeroframe.fits.store.stated_sums import Stated, difference
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from zeroframe.fits.store.names import UrlPath

__all__ = ["Fetched", "ObjectStore", "RemoteFile", "file_to_put"]

_LOG = logging.getLogger(__name__)
#: How the names of S3's directory buckets end, whose ETags say nothing of the bytes.
_DIRECTORY_BUCKET = "--x-s3"
#: So often a file is fetched before what comes is called damaged.
_ATTEMPTS = 2
#: Where a file that is put appears whole or not at all, and replaces another in one step.
_PUTS_ARE_ATOMIC = frozenset(("s3", "s3a", "gs", "gcs", "abfs", "abfss", "az"))
#: Where a file can be put on the condition that there is none.
_KNOWS_CREATE = frozenset(("s3", "s3a"))
#: Libraries whose exceptions are not OSError: what they say is said in our words.
_THEIRS = frozenset(("botocore", "aiobotocore", "aiohttp", "s3fs", "gcsfs", "google", "adlfs", "azure", "fsspec"))
#: How stores that have no ETag call the time when a file was changed.
_CHANGED = ("LastModified", "last_modified", "mtime", "updated", "created")
_PIECE = 8 << 20
_EXISTS = "there is a file of that name already", "choose another place, or move it away"


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
        What changes when it changes: its ETag, or when it was modified, and its size. Empty where nothing is known.
    stated : Stated
        What the store says of its bytes.
    """

    url: str
    name: str
    size: int
    stamp: str
    stated: Stated


class ObjectStore:
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

    @classmethod
    def of(cls, path: UrlPath) -> ObjectStore:
        """Return the place that a file is in."""
        return cls(str(path.parent))

    def __reduce__(self) -> tuple[type[ObjectStore], tuple[str]]:
        return ObjectStore, (self.url,)

    def __repr__(self) -> str:
        return f"ObjectStore({self.url!r})"

    def url_of(self, name: str) -> str:
        """Return the URL of a file in it."""
        return f"{self.url}/{name}"

    def is_there(self) -> bool:
        """Say whether there is something in it, or in folders within.

        Raises
        ------
        NoFramesError
            When it may not be asked for.
        """
        with _in_our_words(lambda reason, advice: NoFramesError(f"{self.url} {reason}; {advice}")):
            return bool(self._files.isdir(self._root))

    def listing(self, *, hidden: bool = False) -> list[RemoteFile]:
        """Return the files in it, sorted by name; what lies in folders within is left out.

        Parameters
        ----------
        hidden : bool
            Also those whose names begin with a dot.

        Raises
        ------
        NoFramesError
            When there is no such place, or it may not be read.
        """
        found = [self._file(entry) for entry in self._entries() if entry["type"] == "file"]
        return [each for each in found if hidden or not each.name.startswith(".")]

    def folders(self) -> list[str]:
        """Return the names of the folders in it, sorted.

        Raises
        ------
        NoFramesError
            As `listing` does.
        """
        return [entry["name"].rsplit("/", 1)[-1] for entry in self._entries() if entry["type"] == "directory"]

    def _entries(self) -> list[dict[str, Any]]:
        try:
            with _in_our_words(lambda reason, advice: NoFramesError(f"{self.url} {reason}; {advice}")):
                entries = self._files.ls(self._root, detail=True, refresh=True)
        except NoFramesError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                raise NoFramesError(self._why_empty()) from error
            raise
        # what ends in a slash is an empty object, which some programs put where they want to see a folder
        entries = [entry for entry in entries if entry["name"].rstrip("/") != self._root and entry["name"][-1:] != "/"]
        return sorted(entries, key=lambda entry: entry["name"])

    def _why_empty(self) -> str:
        bucket, _, folder = self._root.partition("/")
        with _in_our_words(lambda reason, advice: NoFramesError(f"{self.url} {reason}; {advice}")):
            there = folder and self._files.exists(bucket)
        return f"{self.url}: " + (
            f"there is nothing in it, though there is a bucket {bucket!r}; check the name of the folder"
            if there
            else f"there is no bucket {bucket!r}; check its name, and whether it is in this store"
        )

    def find(self, name: str) -> RemoteFile | None:
        """Return a file in it, as it is now; None where there is none.

        Raises
        ------
        FrameError
            When it may not be asked for.
        """
        try:
            with _in_our_words(lambda reason, advice: FrameError(self.url_of(name), reason, advice)):
                entry = self._files.info(self._path(name), refresh=True)
        except FrameError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                return None
            raise
        return self._file(entry) if entry["type"] == "file" else None

    def found(self, name: str) -> RemoteFile:
        """Return a file in it, as it is now.

        Raises
        ------
        FrameError
            When there is none, or it may not be asked for.
        """
        there = self.find(name)
        if there is None:
            raise FrameError(self.url_of(name), "there is no such file", "check the name")
        return there

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
            with _in_our_words(lambda reason, advice: FrameError(self.url_of(name), reason, advice)):
                data: bytes = self._files.cat_file(self._path(name), start=start, end=stop)
        except FrameError:
            there = self.find(name)
            if there is not None and start >= there.size:  # which S3 calls an error
                return b""
            raise
        return data

    def fetched(self, name: str) -> Fetched:
        """Copy a file into one of this disk that has no name, and is gone when it is closed.

        Raises
        ------
        NotFitsError
            When it is empty.
        DamagedError
            When fewer or more bytes come than it has; or, twice, others, by its MD5, its ETag or its checksum.
        FrameError
            When it cannot be read, or changes meanwhile.
        OutputError
            When the disk is full.
        """
        there = self.found(name)
        if not there.size:
            raise NotFitsError(there.url, "the file is empty (0 bytes)", "copy it again from where it came from")
        differs = ""
        for _ in range(_ATTEMPTS):
            file = self._copied(there)
            try:
                self._require_whole(there, file.seek(0, os.SEEK_END))
                differs = self._difference(file, there)
                if not differs:
                    descriptor = os.dup(file.fileno())
                    os.lseek(descriptor, 0, os.SEEK_SET)
                    return Fetched(descriptor, there.size, there.stamp)
            finally:
                file.close()
            _LOG.warning("%s: other bytes came than are there (%s)", there.url, differs)
        advice = "look at what stands between here and the store, or put the file there again from where it came from"
        raise DamagedError(there.url, f"other bytes come than are there, {_ATTEMPTS} times ({differs})", advice)

    def _copied(self, there: RemoteFile) -> BinaryIO:
        """Copy a file into one without a name."""
        try:
            file = tempfile.TemporaryFile(prefix="zeroframe-")  # noqa: SIM115 -- the caller closes it
            try:
                for start in range(0, there.size, _PIECE):
                    file.write(self.read_range(there.name, start, min(start + _PIECE, there.size)))
                file.flush()
            except BaseException:
                file.close()
                raise
        except OSError as error:
            raise _no_room(error) from error
        return cast("BinaryIO", file)

    def _difference(self, file: BinaryIO, there: RemoteFile) -> str:
        """Say in what a copy differs from what the store says of it; empty where nothing is known to differ."""
        bucket, _, key = self._path(there.name).partition("/")

        def head(**request: Any) -> Mapping[str, Any]:  # noqa: ANN401 -- whatever S3 takes
            with _in_our_words(lambda reason, advice: FrameError(there.url, reason, advice)):
                said: Mapping[str, Any] = self._files.call_s3("head_object", Bucket=bucket, Key=key, **request)
            return said

        speaks_s3 = self._protocol == "s3" and not bucket.endswith(_DIRECTORY_BUCKET)
        return difference(file, there.stated, head if speaks_s3 else None)

    def _require_whole(self, there: RemoteFile, size: int) -> None:
        now = self.find(there.name)
        if now is None or now.stamp != there.stamp:
            raise FrameError(there.url, "was changed while it was read", "run again")
        if size != there.size:
            raise DamagedError(there.url, f"gave {size:,} of its {there.size:,} bytes", "run again")

    def put(self, source: Path, name: str, *, overwrite: Overwrite = False) -> RemoteFile:
        """Copy a file of a disk to this place, whole or not at all, and look whether it has arrived.

        Parameters
        ----------
        source : pathlib.Path
            The file.
        name : str
            What it is called there.
        overwrite : bool or Replaceable
            Replace a file of that name, or only the one that was looked at.

        Returns
        -------
        RemoteFile
            As it is there.

        Raises
        ------
        OutputExistsError
            When there is a file of that name that may not be replaced.
        OutputError
            When it cannot be written, what has arrived are other bytes, or files do not appear whole in such places.
        """
        url = self.url_of(name)
        if self._protocol not in _PUTS_ARE_ATOMIC:
            advice = "choose a place of S3, Google Cloud or Azure, or a folder of a disk"
            raise OutputError(url, "files are seen half-written there, so that no results go there", advice)
        replaces = overwrite is True
        if overwrite is not True and (there := self.find(name)) is not None:
            replaces = isinstance(overwrite, Replaceable) and bool(there.stamp) and overwrite.stamp == there.stamp
            if not replaces:
                raise OutputExistsError(url, *_EXISTS)
        condition = {"mode": "create"} if not replaces and self._protocol in _KNOWS_CREATE else {}
        try:
            with _in_our_words(lambda reason, advice: OutputError(url, reason, advice)):
                self._files.put_file(str(source), self._path(name), **condition)
        except OutputError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                bucket = self._root.partition("/")[0]
                raise OutputError(url, f"there is no bucket {bucket!r}", "make it, or check its name") from error
            if condition and self.find(name) is not None:  # it has appeared meanwhile
                raise OutputExistsError(url, *_EXISTS) from error
            raise
        return self._arrived(source, name)

    def _arrived(self, source: Path, name: str) -> RemoteFile:
        """Compare what has been put with the file: by its ETag where that is its MD5, else byte by byte."""
        url, size = self.url_of(name), source.stat().st_size
        with _in_our_words(lambda reason, advice: OutputError(url, reason, advice)):
            entry = self._files.info(self._path(name), refresh=True)
        there = self._file(entry)
        if there.size != size:
            raise OutputError(url, f"has {there.size:,} bytes and not the {size:,} that were sent", "run again")
        if there.stated.etag != _file_md5(source) and not self.holds(source, name):
            raise OutputError(url, "has other bytes than were sent", "run again with --overwrite")
        return there

    def replace_note(self, there: RemoteFile, content: bytes) -> None:
        """Put a few bytes in the place of others, on the condition that those have not been replaced meanwhile.

        S3 holds to that condition; of other stores, and those that do not know it, it is only asked just before.

        Parameters
        ----------
        there : RemoteFile
            What is replaced.
        content : bytes
            All that stands there afterwards.

        Raises
        ------
        OutputExistsError
            When something else is there by now, or nothing.
        OutputError
            When it cannot be written.
        """
        conditions = [{"IfMatch": f'"{there.stated.etag}"'}] if self._protocol in _KNOWS_CREATE else []
        for condition in (*conditions, dict[str, str]()):
            if self.find(there.name) != there:
                raise OutputExistsError(there.url, *_EXISTS)
            try:
                with _in_our_words(lambda reason, advice: OutputError(there.url, reason, advice)):
                    self._files.pipe_file(self._path(there.name), content, **condition)
            except OutputError:
                if not condition:
                    raise
                continue  # it has been replaced, or this store refuses requests with conditions
            return

    def remove(self, name: str, *, missing_ok: bool = False) -> None:
        """Remove a file.

        Raises
        ------
        OutputError
            When it is not there and `missing_ok` is false, or may not be removed.
        """
        url = self.url_of(name)
        if self.find(name) is None:
            if missing_ok:
                return
            raise OutputError(url, "is not there", "check the name")
        with _in_our_words(lambda reason, advice: OutputError(url, reason, advice)):
            self._files.rm_file(self._path(name))

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
        stated = Stated.of(entry)
        changed = stated.etag or next((str(entry[word]) for word in _CHANGED if entry.get(word)), "")
        return RemoteFile(self.url_of(name), name, size, f"{size}.{changed}" if changed else "", stated)


def _file_md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


@cache
def _filesystem(protocol: str) -> Any:  # noqa: ANN401 -- fsspec has no types
    import fsspec

    return fsspec.filesystem(protocol, use_listings_cache=False)


class Fetched(NamedTuple):
    """A file that has been copied to this disk: open for reading, its size, and the stamp that it has in its place."""

    descriptor: int
    byte_count: int
    stamp: str


@contextmanager
def file_to_put(path: UrlPath, *, overwrite: Overwrite) -> Iterator[int]:
    """Open a file of this disk for writing; put it in its place when the block ends well.

    Parameters
    ----------
    path, overwrite
        As for `zeroframe.fits.atomic.atomic_file`, and so is what is yielded. Without ``overwrite`` one that appears
        there meanwhile is kept, too, where the store can be asked to (S3).

    Raises
    ------
    OutputExistsError, OutputError
        As `zeroframe.fits.atomic.atomic_file` does; and when what has arrived are other bytes.
    """
    with temporary_folder() as folder:
        source = folder / path.name
        try:
            with source.open("wb") as file:
                yield file.fileno()
        except OSError as error:
            raise _no_room(error) from error
        ObjectStore.of(path).put(source, path.name, overwrite=overwrite)


def _no_room(error: OSError) -> OutputError:
    advice = "make room, or set TMPDIR to another folder"
    return OutputError(tempfile.gettempdir(), f"cannot hold what is on its way ({error.strerror or error})", advice)


@contextmanager
def _in_our_words(made: Callable[[str, str], ZeroframeError]) -> Iterator[None]:
    """Turn what the libraries raise into an error of ours: made of what is wrong, and what to do."""
    try:
        yield
    except FileNotFoundError as error:
        raise made("is not there", "check the name, and whether there is such a bucket") from error
    except PermissionError as error:
        advice = "check the credentials (AWS_PROFILE, or what your store needs), and what they allow"
        raise made(f"may not be used ({_first_line(error)})", advice) from error
    except Exception as error:
        if "Credentials" in type(error).__name__:
            advice = "name some with AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            raise made(f"may not be used without credentials ({_first_line(error)})", advice) from error
        if not isinstance(error, OSError) and type(error).__module__.partition(".")[0] not in _THEIRS:
            raise
        advice = "check the network, and the address of the store (for S3 AWS_ENDPOINT_URL)"
        raise made(f"cannot be reached ({_first_line(error)})", advice) from error


def _first_line(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text).splitlines()[0].rstrip(".")
