"""Paths that are URLs: files of a store, named as those of a disk are, and never taken for one by mistake.

Whoever reads, writes or looks for a file by this package's own functions need not know where it is. The system is not
asked about such a path: whatever would hand it over gets an error that names the URL.
"""

from __future__ import annotations

import os
import re
from pathlib import Path, PosixPath
from typing import IO, TYPE_CHECKING, Any, NoReturn

from zeroframe.errors import UnsupportedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["REMOTE_THREADS", "UrlPath", "any_remote", "as_path", "byte_count", "is_there", "is_url"]

#: Threads that wait for answers of a store, 20 to 100 ms each.
REMOTE_THREADS = 16
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
#: Other names of the same.
_SAME = {"s3a": "s3", "gcs": "gs"}


def is_url(text: str) -> bool:
    """Say whether a text names a place by a URL, and not a path.

    Examples
    --------
    >>> is_url("s3://bucket/raw"), is_url("/data/raw"), is_url("raw"), is_url("file:///data/raw")
    (True, False, False, True)
    """
    return _URL.match(text) is not None


def as_path(name: str | os.PathLike[str]) -> Path:
    """Return the path that somebody names: of a disk, also where it is a ``file://`` URL, or of a store.

    Raises
    ------
    UsageError
        When a ``file://`` URL names another machine.

    Examples
    --------
    >>> as_path("file:///data/raw%20frames"), as_path("raw"), as_path("s3://bucket/raw")
    (PosixPath('/data/raw frames'), PosixPath('raw'), UrlPath('s3://bucket/raw'))
    """
    if isinstance(name, Path):
        return name
    text = os.fspath(name)
    if not isinstance(text, str) or not is_url(text):
        return Path(text)
    from urllib.parse import unquote, urlsplit

    parts = urlsplit(text)
    scheme = parts.scheme.lower()
    if scheme not in {"file", "local"}:  # as fsspec calls them
        return UrlPath(f"{_SAME.get(scheme, scheme)}{text[len(scheme) :]}")
    if parts.netloc not in {"", "localhost"}:
        raise UsageError(f"{text} names a file of the machine {parts.netloc!r}; write file:///folder for one of this")
    return Path(unquote(parts.path))


class UrlPath(PosixPath):
    """A file or a folder of a store, as ``s3://bucket/raw/b1.fits``; it can be pickled.

    What stands between slashes is part of the name as it is: nothing is unquoted, and ``//`` within is ``/``.

    Raises
    ------
    UnsupportedError
        When a function of the system, which knows nothing of stores, asks for its name.

    Examples
    --------
    >>> path = UrlPath("s3://bucket/raw/b1.fits")
    >>> str(path), path.name, path.parent, path.with_name("b2.fits")
    ('s3://bucket/raw/b1.fits', 'b1.fits', UrlPath('s3://bucket/raw'), UrlPath('s3://bucket/raw/b2.fits'))
    """

    def __str__(self) -> str:
        scheme, *names = self.parts or (".",)
        if not scheme.endswith(":"):  # of what is left when all above is taken away
            return "/".join((scheme, *names))
        return f"{scheme}//{'/'.join(names)}"

    def __fspath__(self) -> NoReturn:
        raise UnsupportedError(self, "is not on a disk, which this needs", "copy it to a folder of a disk first")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UrlPath) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    def __lt__(self, other: Any) -> bool:  # noqa: ANN401 -- as of other paths
        return str(self) < str(other) if isinstance(other, UrlPath) else NotImplemented

    def is_absolute(self) -> bool:
        """Return True: it names the same everywhere."""
        return True

    def absolute(self) -> UrlPath:
        """Return itself: it names the same everywhere."""
        return self

    def resolve(self, strict: bool = False) -> UrlPath:  # noqa: ARG002, FBT001 -- as of other paths
        """Return itself: a store has no links."""
        return self

    def relative_to(self, *other: Any, **more: Any) -> Path:  # type: ignore[override] # noqa: ANN401 -- as of other paths
        """Return what is left of the path below another one: names, and no URL any more."""
        return Path(*super().relative_to(*other, **more).parts)

    def exists(self, *, follow_symlinks: bool = True) -> bool:  # noqa: ARG002
        """Say whether there is such a file, or a folder with something in it."""
        return self.is_file() or self.is_dir()

    def is_file(self, **_: bool) -> bool:
        """Say whether there is such a file."""
        from zeroframe.fits.store.objects import ObjectStore

        return bool(self.name) and ObjectStore.of(self).find(self.name) is not None

    def is_dir(self, **_: bool) -> bool:
        """Say whether there is something in such a folder."""
        from zeroframe.fits.store.objects import ObjectStore

        return ObjectStore(str(self)).is_there()

    def is_symlink(self) -> bool:
        """Return False."""
        return False

    def samefile(self, other_path: str | os.PathLike[str]) -> bool:
        """Say whether the other is the same URL."""
        return self == other_path

    def iterdir(self) -> Iterator[UrlPath]:  # type: ignore[override] # of a class of its own
        """Yield the files in it, hidden ones, too; folders within are left out."""
        from zeroframe.fits.store.objects import ObjectStore

        return (self / file.name for file in ObjectStore(str(self)).listing(hidden=True))

    def mkdir(self, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:  # noqa: FBT001
        """Do nothing: a store has folders where there are files."""

    def unlink(self, missing_ok: bool = False) -> None:  # noqa: FBT001 -- as of other paths
        """Remove the file."""
        from zeroframe.fits.store.objects import ObjectStore

        ObjectStore.of(self).remove(self.name, missing_ok=missing_ok)

    def open(self, mode: str = "r", *_: object, **__: object) -> IO[Any]:  # type: ignore[override] # only to read bytes
        """Fetch the file, and open it for reading its bytes (mode ``'rb'``)."""
        from zeroframe.fits.store.objects import ObjectStore

        if mode != "rb":
            raise UnsupportedError(self, f"cannot be opened with mode {mode!r}", "read its bytes, with mode 'rb'")
        if ObjectStore.of(self).find(self.name) is None:
            raise FileNotFoundError(f"{self}: there is no such file")
        return os.fdopen(ObjectStore.of(self).fetched(self.name).descriptor, "rb")


def any_remote(*paths: Path) -> bool:
    """Say whether one of some paths is that of a store."""
    return any(isinstance(path, UrlPath) for path in paths)


def is_there(path: Path) -> bool:
    """Say whether something has this name: a file, a folder, also a link that leads nowhere."""
    return path.exists() if isinstance(path, UrlPath) else os.path.lexists(path)


def byte_count(path: Path) -> int:
    """Return the size of a file; raises `OSError` or `FrameError` when there is none."""
    if not isinstance(path, UrlPath):
        return path.stat().st_size
    from zeroframe.fits.store.objects import ObjectStore

    return ObjectStore.of(path).found(path.name).size
