"""Which files and folders hold raw data, by whatever name, link or mount they are reached.

A file is known by device and inode: a name says nothing, since a folder of raw frames often holds links into an
archive. Looking costs one call of the system a file (1 to 3 us), and a second one for a link.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
from array import array
from bisect import bisect_left
from pathlib import Path
from typing import TYPE_CHECKING

from zeroframe.fits.store.names import UrlPath
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["NO_INPUTS", "Identity", "Inputs", "RawFolders", "identities_above", "url_parts"]

#: Device and inode.
Identity = tuple[int, int]
#: Other names by which a store is reached.
_SAME_STORE = {"s3a": "s3", "gcs": "gs", "abfss": "abfs", "az": "abfs"}
_MOST_LINKS = 40  # as Linux
_NONE = memoryview(b"").cast("Q")
_MOUNTS = "/proc/self/mountinfo"


@dataclass(frozen=True, slots=True)
class Inputs:
    """Files that something is made of; none of them is ever replaced.

    Attributes
    ----------
    inodes : mapping of int to memoryview of uint64
        Of each device, those of the files, sorted: 8 bytes a file, where a set would take a hundred.
    urls : frozenset of tuple of str
        Files of stores, from `url_parts`.
    folders : mapping of Identity to pathlib.Path
        The folders in which the files really lie, links followed, and one of the files by the name it was given.
    """

    inodes: Mapping[int, memoryview[int]]
    urls: frozenset[tuple[str, ...]]
    folders: Mapping[Identity, Path]

    @classmethod
    def of(cls, paths: Iterable[Path]) -> Inputs:
        """Look at files; those that are not there are passed over.

        Examples
        --------
        >>> from pathlib import Path
        >>> Inputs.of([Path(os.devnull)]).holds(Path(os.devnull)), Inputs.of([]).holds(Path(os.devnull))
        (True, False)
        """
        inodes: dict[int, array[int]] = {}
        urls: set[tuple[str, ...]] = set()
        folders: dict[Identity, Path] = {}
        seen: set[str] = set()

        def lies_in(folder: str, path: Path) -> None:
            if folder not in seen:
                seen.add(folder)
                found = _identity(folder)
                if found is not None:
                    folders.setdefault(found, path)

        for path in paths:
            if isinstance(path, UrlPath):
                urls.add(url_parts(path))
                continue
            name = os.fspath(path)
            try:
                end, status = _followed(name)
            except (OSError, ValueError):
                continue
            inodes.setdefault(status.st_dev, array("Q")).append(status.st_ino)
            # of 10^6 files, whose paths cost as much again as what is asked of the system
            for each in {name, end}:
                lies_in(os.path.dirname(each), path)  # noqa: PTH120
        return cls({device: _sorted(each) for device, each in inodes.items()}, frozenset(urls), folders)

    def holds(self, path: Path) -> bool:
        """Say whether a file is one of them, itself or by a link; False where none is there."""
        if isinstance(path, UrlPath):
            return url_parts(path) in self.urls
        try:
            status = path.stat()
        except (OSError, ValueError):
            return False
        return _has(self.inodes.get(status.st_dev, _NONE), status.st_ino)

    def lying_in(self, folder: Path) -> Path | None:
        """Return one of the files that really lies in a folder, by the name it was given; None where none does."""
        if isinstance(folder, UrlPath):
            parts = url_parts(folder)
            return next((UrlPath(_url_of(each)) for each in self.urls if each[:-1] == parts), None)
        found = _identity(os.fspath(folder))
        return None if found is None else self.folders.get(found)

    def hard_link_in(self, folder: Path) -> Path | None:
        """Return a hard link in a folder to one of the files; that takes 0.5 us for each file of the folder."""
        if isinstance(folder, UrlPath) or not folder.is_dir():
            return None
        inodes = self.inodes.get(folder.stat().st_dev, _NONE)
        with os.scandir(folder) as entries:
            alike = sorted(entry.name for entry in entries if _has(inodes, entry.inode()))
        paths = [folder / name for name in alike if not (folder / name).is_symlink()]
        return next((path for path in paths if self.holds(path)), None)


NO_INPUTS = Inputs({}, frozenset(), {})


@dataclass(frozen=True, slots=True)
class RawFolders:
    """Folders of raw data, within which nothing is written, by whatever name, link or mount.

    Attributes
    ----------
    identities : mapping of Identity to pathlib.Path
        The folders that are there.
    urls : mapping of tuple of str to pathlib.Path
        Those of stores, from `url_parts`.
    mounted : mapping of tuple of str to pathlib.Path
        Where on which disk they are (Linux), and where what is mounted within them is: a bind mount gives a folder
        within another name, above which there is no folder of raw data.
    mounts : tuple of _Mount
        What is mounted where.
    """

    identities: Mapping[Identity, Path]
    urls: Mapping[tuple[str, ...], Path]
    mounted: Mapping[tuple[str, ...], Path]
    mounts: tuple[_Mount, ...]

    @classmethod
    def of(cls, folders: Iterable[Path]) -> RawFolders:
        """Look at folders."""
        identities: dict[Identity, Path] = {}
        urls: dict[tuple[str, ...], Path] = {}
        mounted: dict[tuple[str, ...], Path] = {}
        mounts = _mounts()
        for folder in folders:
            if isinstance(folder, UrlPath):
                urls[url_parts(folder)] = folder
                continue
            found = _identity(os.fspath(folder))
            if found is not None:
                identities[found] = folder
            real = os.path.realpath(folder)
            places = [_place(mounts, real), *(each.place for each in mounts if _is_below(each.point, real))]
            mounted.update(dict.fromkeys(places, folder))
        return cls(identities, urls, mounted, mounts)

    def around(self, folder: Path) -> Path | None:
        """Return the raw folder that a folder, which need not be there, is or lies in; None where it lies in none."""
        if isinstance(folder, UrlPath):
            return _holder(self.urls, url_parts(folder))
        for found, _ in identities_above(folder):
            if found in self.identities:
                return self.identities[found]
        return _holder(self.mounted, _place(self.mounts, os.path.realpath(folder)))


def identities_above(folder: Path) -> Iterator[tuple[Identity, Path]]:
    """Yield device and inode of a folder and of all those above it, as far as they are there, links followed."""
    real = Path(os.path.realpath(folder))  # which ends at a link that leads back to itself; resolve() raises
    for each in (real, *real.parents):
        found = _identity(os.fspath(each))
        if found is not None:
            yield found, each


def url_parts(url: UrlPath) -> tuple[str, ...]:
    """Return what a URL of a store names, the same for every spelling.

    Examples
    --------
    >>> url_parts(UrlPath("s3://bucket/raw/")) == url_parts(UrlPath("S3A://bucket//x/../raw/."))
    True
    """
    scheme, *names = url.parts
    store = scheme.removesuffix(":").lower()
    parts: list[str] = []
    for number, name in enumerate(names):
        if number and name == "..":
            parts = parts[:1] + parts[1:-1]
        elif name != ".":
            parts.append(name if number else name.partition("@")[0])
    return (_SAME_STORE.get(store, store), *parts)


def _url_of(parts: tuple[str, ...]) -> str:
    return f"{parts[0]}://{'/'.join(parts[1:])}"


def _sorted(numbers: array[int]) -> memoryview[int]:
    """Return numbers in order, which nobody can change."""
    return memoryview(array("Q", sorted(numbers)).tobytes()).cast("Q")


def _has(numbers: memoryview[int], number: int) -> bool:
    place = bisect_left(numbers, number)
    return place < len(numbers) and numbers[place] == number


def _followed(name: str) -> tuple[str, os.stat_result]:
    """Follow the links of a name to the file; unlike `os.path.realpath`, do not ask for each folder on the way."""
    for _ in range(_MOST_LINKS):
        status = os.lstat(name)
        if not stat.S_ISLNK(status.st_mode):
            return name, status
        name = os.path.join(os.path.dirname(name), os.readlink(name))  # noqa: PTH115, PTH118, PTH120 -- as above
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), name)


def _identity(path: str) -> Identity | None:
    try:
        status = os.stat(path or os.curdir)  # noqa: PTH116 -- as above
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino


def _holder(known: Mapping[tuple[str, ...], Path], parts: tuple[str, ...]) -> Path | None:
    return next((known[parts[:stop]] for stop in range(len(parts), 0, -1) if parts[:stop] in known), None)


@dataclass(frozen=True, slots=True)
class _Mount:
    """What is mounted at ``point``: a folder of a disk, as its device and the names on the way to it."""

    point: str
    place: tuple[str, ...]


def _mounts() -> tuple[_Mount, ...]:
    """Return what is mounted, the last first; nothing where the system does not tell."""
    if sys.platform != "linux":
        return ()
    try:
        with open(_MOUNTS, "rb") as file:  # noqa: PTH123 -- names of any bytes
            lines = file.read().splitlines()
    except OSError:
        return ()
    found = []
    for line in lines:
        _, _, device, root, point, *_ = (_unescaped(word) for word in line.split(b" "))
        found.append(_Mount(point, (device, *_names(root))))
    return tuple(reversed(found))


def _unescaped(word: bytes) -> str:
    return os.fsdecode(re.sub(rb"\\([0-7]{3})", lambda found: bytes([int(found[1], 8)]), word))


def _names(path: str) -> list[str]:
    return [name for name in path.split("/") if name]


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _place(mounts: tuple[_Mount, ...], real: str) -> tuple[str, ...]:
    """Return where on which disk a path is, whose links have been followed."""
    over = [each for each in mounts if _is_below(real, each.point)]
    if not over:  # where the system does not tell, the name has to do
        return ("", *_names(real))
    mount = max(over, key=lambda each: len(each.point))  # of several at one point the last, which comes first
    return (*mount.place, *_names(real[len(mount.point) :]))
