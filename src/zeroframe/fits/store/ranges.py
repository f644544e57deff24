"""FITS files of which ranges of bytes can be asked for, as of objects in a store: their headers.

A plain file is walked as one on a disk is: a few kilobytes for each header. Of a compressed one the beginning is
inflated; where that is not the whole story, the file has to be fetched.
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from zeroframe.errors import FrameError, NotFitsError, UsageError
from zeroframe.fits.scan import FrameFile, looks_like_fits, scan, walk
from zeroframe.fits.store.objects import ObjectStore
from zeroframe.fits.streams import FIRST_READ, Source, not_fits

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from zeroframe.fits.store.names import UrlPath

__all__ = ["begins_as_fits", "scan_by_ranges", "scan_in_place"]

#: Holds the header of most compressed frames.
_COMPRESSED_HEAD = 1 << 16
_COMPRESSED = (b"\x1f\x8b", b"BZh")


class _RangeSource(Source):
    """A plain file whose bytes are asked for, a few blocks at a time."""

    def __init__(self, path: Path, size: int, read_range: Callable[[int, int], bytes], first: bytes) -> None:
        super().__init__(path, -1, size)
        self._read_range = read_range
        self._first = first

    def __exit__(self, *_: object) -> None:
        """Nothing is open."""

    def status(self) -> os.stat_result:
        raise UsageError(f"{self.path}: the system knows nothing of this file")

    @property
    def most_bytes(self) -> int:
        return self.file_size

    def read(self, size: int) -> bytes:
        start, stop = self.position, min(self.position + size, self.file_size)
        data = self._first[start:stop] if stop <= len(self._first) else self._read_range(start, stop)
        self.position += len(data)
        return data

    def unread(self, data: bytes) -> None:
        self.position -= len(data)

    def read_into(self, target: memoryview) -> int:
        data = self.read(len(target))
        target[: len(data)] = data
        return len(data)

    def skip_to(self, position: int) -> None:
        self.position = min(position, self.file_size)

    def ends_at(self, position: int) -> bool:
        return self.file_size == position


def scan_by_ranges(path: Path, size: int, read_range: Callable[[int, int], bytes]) -> FrameFile | None:
    """Read the headers of a FITS file by ranges of its bytes.

    Parameters
    ----------
    path : pathlib.Path
        What it is called in messages, and in what is returned.
    size : int
        Of the file, in bytes.
    read_range : callable
        Given a start and a stop, returns these bytes.

    Returns
    -------
    FrameFile or None
        None where a compressed file has to be read to its end to know what is in it.

    Raises
    ------
    NotFitsError, HeaderError, DamagedError
        As `zeroframe.fits.scan` does.
    """
    if not size:
        raise NotFitsError(path, "the file is empty (0 bytes)", "copy it again from where it came from, or delete it")
    first = read_range(0, min(FIRST_READ, size))
    if first.startswith(_COMPRESSED):
        return _scan_compressed(path, size, first, read_range)
    if not first.startswith(b"SIMPLE"):
        raise not_fits(path, first)
    with _RangeSource(path, size, read_range, first) as source:
        hdus = []
        for hdu in walk(source):
            hdus.append(hdu)
            if source.ends_at(hdu.end_offset):
                break
        return FrameFile(path, "plain", tuple(hdus), tuple(source.remarks))


def _scan_compressed(path: Path, size: int, first: bytes, read_range: Callable[[int, int], bytes]) -> FrameFile | None:
    """Inflate the beginning; that nothing follows the first HDU is read from the size that gzip notes at the end."""
    head = read_range(0, min(_COMPRESSED_HEAD, size))
    with tempfile.TemporaryDirectory() as folder:
        stub = Path(folder, path.name)
        stub.write_bytes(head)
        try:
            found = scan(stub, first_only=True)
        except FrameError as error:
            if len(head) < size:
                return None  # a header that is longer than most
            raise type(error)(path, error.reason, error.advice) from error
    trailer = int.from_bytes(read_range(max(size - 4, 0), size), "little")
    if not first.startswith(_COMPRESSED[0]) or trailer != found.hdus[0].end_offset % 2**32:
        return None
    return FrameFile(path, found.encoding, found.hdus)


def scan_in_place(path: UrlPath) -> FrameFile | None:
    """Read the headers of a file of a store where it is.

    Returns
    -------
    FrameFile or None
        As `scan_by_ranges` does.

    Raises
    ------
    FrameError
        As `scan_by_ranges` does, or when there is no such file, or it may not be read.
    """
    place = ObjectStore.of(path)
    return scan_by_ranges(path, place.found(path.name).size, partial(place.read_range, path.name))


def begins_as_fits(path: UrlPath) -> bool:
    """Say whether a file of a store begins as FITS does; its first blocks are read.

    Raises
    ------
    FrameError
        When they cannot be read.
    """
    with tempfile.TemporaryDirectory() as folder:
        stub = Path(folder, "stub")
        stub.write_bytes(ObjectStore.of(path).read_range(path.name, 0, FIRST_READ))
        return looks_like_fits(stub)
