"""Files of other formats as streams of FITS bytes: a camera's own raw files by rawpy, XISF by xisf.

What reads frames reads them so, as it reads what gzip wraps: headers, pixels, hashes of the file. Nothing is written.
The libraries are extras; a file of a format whose library is not installed is named with the line that installs it.
"""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.errors import NotFitsError
from zeroframe.fits.building import described_cards, mandatory_cards
from zeroframe.fits.cards import CARD_SIZE
from zeroframe.fits.layout import padded
from zeroframe.fits.other_formats import other_format
from zeroframe.fits.store.names import UrlPath
from zeroframe.fits.streams import Encoding, Source
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType

    from numpy.typing import NDArray

    from zeroframe.fits.header import HeaderDraft
    from zeroframe.fits.other_formats import OtherFormat

__all__ = ["Converted", "converted_source"]

#: Bytes per pixel of FITS, and what is added to unsigned numbers that are stored as signed ones.
_OFFSETS = {"uint16": ("i2", 16, 1 << 15), "uint32": ("i4", 32, 1 << 31), "uint8": ("u1", 8, 0)}
_FLOATS = {"float32": ("f4", -32), "float64": ("f8", -64)}


@dataclass(frozen=True)
class Converted:
    """An image of another format: what is known before its pixels are read, and what reads them.

    Attributes
    ----------
    header : HeaderDraft
        What its metadata say, in the words of FITS.
    shape : tuple of int
        As numpy has it.
    dtype : numpy.dtype
        Of the pixels: unsigned integers of up to 32 bits, or floating point.
    pixels : callable
        Returns them.
    close : callable
        Lets go of the file.
    """

    header: HeaderDraft
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    pixels: Callable[[], NDArray[Any]]
    close: Callable[[], None] = lambda: None


def converted_source(path: Path, descriptor: int, file_size: int, first: bytes) -> Source | None:
    """Return a file of another format as a stream of FITS; None where it is of none that is known.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    descriptor : int
        Open for reading; the stream closes it.
    file_size : int
        Its size.
    first : bytes
        With which it begins.

    Raises
    ------
    NotFitsError
        When the library that reads it is not installed.
    """
    found = other_format(first, path.name)
    if found is None:
        return None
    if not found.is_installed:
        advice = f"{found.package} reads it: {found.install_line}"
        raise NotFitsError(path, f"not FITS but {found.name}", advice)
    return _ConvertedSource(path, descriptor, file_size, found)


class _ConvertedSource(Source):
    """A file of another format, as its FITS would be. Its pixels are read when the stream gets to them."""

    encoding: Encoding = "converted"

    def __init__(self, path: Path, descriptor: int, file_size: int, found: OtherFormat) -> None:
        super().__init__(path, descriptor, file_size)
        self._format = found

    @cached_property
    def _image(self) -> Converted:
        from importlib import import_module

        where: str = os.fspath(self.path)
        if isinstance(self.path, UrlPath):  # a copy on this disk without a name
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            where = f"/dev/fd/{self._descriptor}"
            if not os.path.exists(where):  # noqa: PTH110 -- Windows
                reason = f"is {self._format.name} in a store, which this system reads from its own disk only"
                raise NotFitsError(self.path, reason, "copy it to this disk, and name the copy")
        module = import_module(f"zeroframe.fits.{self._format.module}")
        found: Converted = module.open_image(where, self.path)
        return found

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if "_image" in self.__dict__:
            self._image.close()
        super().__exit__(kind, error, traceback)

    @cached_property
    def _header(self) -> bytes:
        image = self._image
        _, bitpix, bzero = _stored(image.dtype)
        cards = [*mandatory_cards(bitpix, image.shape, bzero, primary=True), *described_cards(image.header)]
        text = "".join(cards) + "END"
        return text.ljust(padded(-(-len(text) // CARD_SIZE) * CARD_SIZE)).encode("ascii")

    @cached_property
    def _data(self) -> memoryview:
        kind, _, bzero = _stored(self._image.dtype)
        pixels = self._image.pixels()
        stored = np.zeros(padded(pixels.nbytes), np.uint8)
        into = stored[: pixels.nbytes].view(f">{kind}").reshape(pixels.shape)
        if bzero:  # the sign is the highest bit
            np.bitwise_xor(pixels, pixels.dtype.type(bzero), out=into.view(f">{pixels.dtype.kind}{pixels.itemsize}"))
        else:
            into[...] = pixels
        return stored.data

    @property
    def _length(self) -> int:
        image = self._image
        return len(self._header) + padded(int(np.prod(image.shape)) * image.dtype.itemsize)

    @property
    def most_bytes(self) -> int:
        return self._length

    def read(self, size: int) -> bytes:
        pieces = []
        start = len(self._header)
        if self.position < start:
            pieces.append(self._header[self.position : self.position + size])
            size -= len(pieces[0])
            self.position += len(pieces[0])
        if size > 0:
            pieces.append(bytes(self._data[self.position - start : self.position - start + size]))
            self.position += len(pieces[-1])
        return b"".join(pieces)

    def unread(self, data: bytes) -> None:
        self.position -= len(data)

    def read_into(self, target: memoryview) -> int:
        start = len(self._header)
        if self.position < start:
            of_header = self.read(min(len(target), start - self.position))
            done = len(of_header)
            target[:done] = of_header
            return done + (self.read_into(target[done:]) if len(target) > done else 0)
        piece = self._data[self.position - start : self.position - start + len(target)]
        target[: len(piece)] = piece
        self.position += len(piece)
        return len(piece)

    def skip_to(self, position: int) -> None:
        self.position = max(self.position, min(position, self._length))

    def ends_at(self, position: int) -> bool:
        return position == self._length


def _stored(dtype: np.dtype[Any]) -> tuple[str, int, int]:
    """Return how pixels are stored: type, BITPIX and BZERO."""
    if dtype.name in _OFFSETS:
        return _OFFSETS[dtype.name]
    kind, bitpix = _FLOATS[dtype.name]
    return kind, bitpix, 0
