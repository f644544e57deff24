"""The pixels of a FITS file: read once, straight into the buffer they stay in, and not yet decoded."""

from __future__ import annotations

import os
import warnings
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.errors import DamagedError, FrameError, HeaderWarning, UnsupportedError, UsageError
from zeroframe.fits.checksums import add_sums, data_sum
from zeroframe.fits.decode import decode_pixels
from zeroframe.fits.fingerprint import FileMark, Fingerprint, is_unchanged
from zeroframe.fits.layout import Hdu, ImageLayout, padded
from zeroframe.fits.part_paths import PartPath
from zeroframe.fits.scan import COPY_AGAIN, FrameFile, cut_off_clause, is_called, refuse_blown_up, scan, walk
from zeroframe.fits.store.names import UrlPath
from zeroframe.fits.streams import Source, open_source, open_source_descriptor, read_failed
from zeroframe.fits.system import read_into_at
from zeroframe.fits.tiles_read import check_tiles, decompress_tiles
from zeroframe.fits.timeline import spanned
from zeroframe.fits.verify import compare_sums
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from zeroframe.fits.cards import Cards

__all__ = ["RawImage", "open_descriptor", "read_band", "read_bytes", "read_raw"]


@dataclass(frozen=True, eq=False)
class RawImage:
    """One image as it is stored.

    Attributes
    ----------
    path : pathlib.Path
        The file.
    cards : Cards
        The header of the image, completed by the primary header where the image is in an extension.
    layout : ImageLayout
        How `pixels` are coded.
    pixels : ndarray
        Undecoded, shape ``layout.shape_yx``: a view of the bytes of the file, of dtype ``layout.dtype``. Those of a
        tile-compressed image may be of native byte order.
    mark : FileMark or None
        What the file was, where that was asked for.
    remarks : tuple of str
        What is odd about it though no pixel is lost, each a clause; they have been given as warnings, too.
    """

    path: Path
    cards: Cards
    layout: ImageLayout
    pixels: np.ndarray[Any, Any]
    mark: FileMark | None = None
    remarks: tuple[str, ...] = ()

    def decode(self) -> np.ndarray[Any, Any]:
        """Return the physical values in a new array of native byte order; see `decode_pixels` for its dtype.

        Returns
        -------
        ndarray
            Shape ``layout.shape_yx``, in the unit of the file (BUNIT).
        """
        return decode_pixels(self.pixels, self.layout)


@spanned("read", lambda path, **_: path)
def read_raw(
    path: str | os.PathLike[str],
    *,
    ext: int | str | None = None,
    into: memoryview | np.ndarray[Any, Any] | None = None,
    check_sums: bool = False,
    with_mark: bool = False,
) -> RawImage:
    """Read one image of a FITS file without decoding it.

    The file is opened read-only and read once from front to back. A gzip or bzip2 file is read to its end, so
    that its own checksum is checked.

    Parameters
    ----------
    path : path-like
        The file; plain, gzip, bzip2 and tile-compressed images are told apart by content.
    ext : int or str, optional
        Number or name of the HDU; without it the file must hold one image.
    into : memoryview or ndarray, optional
        Writable contiguous memory to be used for the pixels when it is large enough, so that no fresh memory is
        needed. What stands in it is overwritten, and the result is a view of it. Not used for compressed tiles.
    check_sums : bool
        Compare the data with DATASUM where the header has it (17 MB in 2.2 ms).
    with_mark : bool
        Hash the file while it is read (17 MB in 11 ms).

    Returns
    -------
    RawImage

    Raises
    ------
    NotFitsError, HeaderError
        As `scan` does.
    UnsupportedError
        When there are several images and no `ext`, or the image has more than two axes.
    DamagedError
        When the file is cut off, cannot be decompressed, asks for more bytes than it can hold, or does not have
        the sum that DATASUM gives.
    FrameError
        When it was changed while it was read.

    Warns
    -----
    HeaderWarning
        When something is odd about the file though no pixel is lost: bytes behind the end, or a header that was changed
        after CHECKSUM was written.
    """
    if isinstance(path, PartPath) and path.extensions:
        return _read_part(path, into=into, check_sums=check_sums, with_mark=with_mark)
    hdus: list[Hdu] = []
    read: tuple[Hdu, np.ndarray[Any, Any], ImageLayout] | None = None
    with open_source(path) as source:
        before = source.status()
        fingerprint = Fingerprint(source) if with_mark else None
        for hdu in walk(source):
            hdus.append(hdu)
            layout = hdu.layout
            wanted = read is None and (ext is None or is_called(hdu, ext))
            if wanted and layout is not None and len(layout.shape_yx) <= 2:
                read = (hdu, *_read_image(source, hdu, layout, into, check_sums=check_sums))
        frame = FrameFile(source.path, source.encoding, tuple(hdus), tuple(source.remarks))
        _refuse_cut_off(source)
        mark = None if fingerprint is None else fingerprint.finish()
        after = source.status()
    chosen = frame.image(ext)
    if ext is None and is_unchanged(before, after) and (read is None or read[0] is not chosen):
        # a mask stands before its image: which of several is the image is known when all headers are
        return read_raw(path, ext=chosen.index, into=into, check_sums=check_sums, with_mark=with_mark)
    if not is_unchanged(before, after) or read is None or read[0] is not chosen:
        raise FrameError(frame.path, "was changed while it was read", "run again")
    for remark in source.remarks:
        warnings.warn(f"{frame.path}: {remark}", HeaderWarning, stacklevel=2)
    return RawImage(frame.path, frame.cards_of(chosen), read[2], read[1], mark, tuple(source.remarks))


def _refuse_cut_off(source: Source) -> None:
    if source.cut_off:
        raise DamagedError(
            source.path,
            f"its {source.encoding} data are cut off: they end after {source.position:,} unpacked bytes, "
            "before their own end mark",
            COPY_AGAIN,
        )


def _read_part(
    path: PartPath,
    *,
    into: memoryview | np.ndarray[Any, Any] | None,
    check_sums: bool,
    with_mark: bool,
) -> RawImage:
    """Read some images of a file, as one in which they stand one above the other."""
    whole = scan(path.file)
    expected = whole.part(path)
    image = expected.image()
    layout = image.layout
    if layout is None:
        raise UnsupportedError(path, "holds no image", "leave it out")
    hdus: list[Hdu] = []
    pixels: np.ndarray[Any, Any] | None = None
    rows = {each.index: each.layout.shape_yx[0] for each in whole.hdus if each.layout is not None}
    # they may stand in the file in another order than in the image
    order = path.extensions
    starts = {number: sum(rows[before] for before in order[:place]) for place, number in enumerate(order)}
    with open_source(path.file) as source:
        before = source.status()
        fingerprint = Fingerprint(source) if with_mark else None
        for hdu in walk(source):
            hdus.append(hdu)
            if hdu.index not in path.extensions or hdu.layout is None:
                continue
            if pixels is None:
                pixels = _whole_buffer(source, layout, into)
            row, (ny, nx) = starts[hdu.index], hdu.layout.shape_yx
            own = pixels[row : row + ny, :nx]
            found, coded = _read_image(
                source, hdu, hdu.layout, own if own.flags.c_contiguous else None, check_sums=check_sums
            )
            if coded.bitpix != layout.bitpix:  # of quantised floats in tiles, which are decompressed to floats
                layout = replace(coded, shape_yx=layout.shape_yx, images=layout.images, tile_compressed=False)
                pixels = pixels.astype(layout.dtype)
            if not np.shares_memory(found, pixels):
                pixels[row : row + ny, :nx] = found
        _refuse_cut_off(source)
        mark = None if fingerprint is None else fingerprint.finish()
        after = source.status()
    frame = FrameFile(source.path, source.encoding, tuple(hdus)).part(path)
    if not is_unchanged(before, after) or pixels is None or frame.cards.text != expected.cards.text:
        raise FrameError(path, "was changed while it was read", "run again")
    for remark in source.remarks:
        warnings.warn(f"{path}: {remark}", HeaderWarning, stacklevel=3)
    layout = replace(layout, tile_compressed=False) if layout.tile_compressed else layout
    return RawImage(path, frame.cards, layout, pixels, mark, tuple(source.remarks))


def _whole_buffer(
    source: Source, layout: ImageLayout, into: memoryview | np.ndarray[Any, Any] | None
) -> np.ndarray[Any, Any]:
    """Return memory for all pixels, zero where an image is narrower than another."""
    buffer = _buffer(source.path, layout.byte_count, into)
    buffer[:] = 0
    return buffer.view(layout.dtype).reshape(layout.shape_yx)


@spanned("read rows", lambda frame, *_: frame.path)
def read_band(
    frame: FrameFile, hdu: Hdu, rows: slice, out: np.ndarray[Any, Any], descriptor: int | None = None
) -> None:
    """Read some rows of an image that is stored plainly, undecoded.

    Parameters
    ----------
    frame : FrameFile
        The file, as scanned.
    hdu : Hdu
        The image in it.
    rows : slice
        Rows, counted from 0 as numpy does, without a step.
    out : ndarray
        C-contiguous and writable; filled with the bytes of the rows, so of ``layout.dtype`` or of bytes.
    descriptor : int, optional
        Of the file, where it is open already, as `open_descriptor` opens it.

    Raises
    ------
    UsageError
        When the image is compressed, or `out` does not have the size of the rows.
    DamagedError
        When the file ends before these rows do.
    """
    layout = hdu.layout
    if layout is None or not layout.in_one_piece or frame.encoding != "plain":
        raise UsageError(f"{frame.path}: rows can be read only from an image that is not compressed; use read_raw")
    start, stop, step = rows.indices(layout.shape_yx[0])
    row_bytes = layout.byte_count // layout.shape_yx[0]
    if step != 1 or not out.flags.c_contiguous or out.nbytes != max(0, stop - start) * row_bytes:
        raise UsageError(
            f"{frame.path}: {max(0, stop - start)} rows of {row_bytes} bytes do not fit {out.nbytes} bytes; "
            "rows are read without a step into a contiguous array of their size"
        )
    target = out.reshape(-1).view(np.uint8).data
    offset = layout.data_offset + start * row_bytes
    if descriptor is None:
        done = _read_into(frame.path, target, offset)
    else:
        done = _read_fully(frame.path, descriptor, target, offset)
    if done < len(target):
        raise _cut_off(frame.path, hdu, start * row_bytes + done)


def read_bytes(path: Path, start: int, stop: int) -> bytes:
    """Return some bytes of a file as they stand there, fewer only at its end.

    Raises
    ------
    FrameError
        When they cannot be read.
    """
    buffer = bytearray(stop - start)
    count = _read_into(path, memoryview(buffer), start)
    return bytes(buffer[:count])


def _read_into(path: Path, target: memoryview, offset: int) -> int:
    """Fill memory with what stands at a place of a file; return how many bytes there were."""
    if isinstance(path, UrlPath):
        from zeroframe.fits.store.objects import ObjectStore

        data = ObjectStore.of(path).read_range(path.name, offset, offset + len(target))
        target[: len(data)] = data
        return len(data)
    with open_descriptor(path) as descriptor:
        return _read_fully(path, descriptor, target, offset)


@contextmanager
def open_descriptor(path: Path) -> Iterator[int]:
    """Open a file on a disk to be read, for the time of a block; raises `FrameError` when that cannot be."""
    descriptor = open_source_descriptor(path).descriptor
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _read_fully(path: Path, descriptor: int, target: memoryview, offset: int) -> int:
    done = 0
    try:
        while done < len(target) and (count := read_into_at(descriptor, target[done:], offset + done)):
            done += count
    except OSError as error:
        raise read_failed(path, error) from error
    return done


def _read_image(
    source: Source,
    hdu: Hdu,
    layout: ImageLayout,
    into: memoryview | np.ndarray[Any, Any] | None,
    *,
    check_sums: bool,
) -> tuple[np.ndarray[Any, Any], ImageLayout]:
    """Read the data at which the source stands."""
    if layout.tile_compressed:
        check_tiles(source.path, hdu, layout)
    if source.encoding != "plain" or layout.tile_compressed:
        refuse_blown_up(source.path, source.file_size, max(layout.byte_count, hdu.data_bytes))
    if hdu.data_bytes > source.most_bytes - (hdu.data_offset if source.encoding == "plain" else 0):
        if source.encoding == "plain":
            raise _cut_off(source.path, hdu, source.file_size - hdu.data_offset)
        raise DamagedError(
            source.path,
            f"asks for {hdu.data_bytes:,} bytes, more than {source.file_size:,} bytes of {source.encoding} can hold",
            COPY_AGAIN,
        )
    buffer = _buffer(source.path, hdu.data_bytes, None if layout.tile_compressed else into)
    count = source.read_into(buffer.data)
    if count < hdu.data_bytes:
        raise _cut_off(source.path, hdu, count)
    if check_sums and {"DATASUM", "CHECKSUM"} & hdu.stored_cards.keys():
        padding = source.read(padded(hdu.data_bytes) - hdu.data_bytes)
        source.remarks += compare_sums(source.path, hdu, _sum_of(buffer, padding))
    if layout.tile_compressed:
        return decompress_tiles(source.path, hdu, buffer)
    return buffer[: layout.byte_count].view(layout.dtype).reshape(layout.shape_yx), layout


def _buffer(path: Path, size: int, into: memoryview | np.ndarray[Any, Any] | None) -> np.ndarray[Any, Any]:
    if into is not None:
        given = np.frombuffer(into, np.uint8)
        if given.flags.writeable and given.size >= size:
            return given[:size]
    try:
        return np.empty(size, np.uint8)
    except MemoryError as error:
        raise FrameError(path, f"needs {size:,} bytes of memory, which are not there", "leave it out") from error


def _sum_of(data: np.ndarray[Any, Any], padding: bytes) -> int:
    whole = data.size // 4 * 4
    return add_sums(data_sum(data[:whole].data), data_sum(data[whole:].tobytes() + padding))


def _cut_off(path: Path, hdu: Hdu, found: int) -> DamagedError:
    return DamagedError(path, cut_off_clause(hdu, found), COPY_AGAIN)
