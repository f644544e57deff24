"""Writing FITS files: atomic, with checksums, plain or compressed, the same bytes for the same input."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.errors import ArgumentError, UsageError, nearest_name
from zeroframe.fits.atomic import atomic_file, write_all
from zeroframe.fits.building import (
    CHUNK_BYTES,
    StoredForm,
    finished_header,
    mandatory_cards,
    stored_chunks,
    stored_form,
    writable_cards,
)
from zeroframe.fits.checksums import add_sums, data_sum
from zeroframe.fits.formats import FORMATS, Compression
from zeroframe.fits.igzip import gzip_compressor
from zeroframe.fits.layout import padded
from zeroframe.fits.store.names import as_path
from zeroframe.fits.tables import TablePart, table_buffers
from zeroframe.fits.tiles_write import tiled_buffers
from zeroframe.fits.timeline import spanned
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from astropy.io.fits import Header

    from zeroframe.fits.cards import Cards
    from zeroframe.fits.header import HeaderDraft
    from zeroframe.fits.replacing import Overwrite

__all__ = ["ImagePart", "write_fits"]


@dataclass(frozen=True, eq=False)
class ImagePart:
    """One image to be written.

    Attributes
    ----------
    data : ndarray or None
        uint8, int8, uint16, int16, uint32, int32, uint64, int64, float32, float64 or bool (written as uint8), of
        either byte order; numpy shape. None for an HDU without data.
    header : astropy.io.fits.Header, HeaderDraft, Cards or None
        What is said about the image. Cards that describe how it was stored elsewhere are left out and made anew.
    name : str
        EXTNAME; empty for that of the header, if any.
    datasum : int or None
        The ones' complement sum of the stored bytes where it is known already (see `zeroframe.fits.checksums`). It is
        not checked.
    step : float or None
        Of an image of floats: its values are written in whole steps of this, in a format that quantises. None where
        nothing of it may be lost.
    """

    data: np.ndarray[Any, Any] | None
    header: Header | HeaderDraft | Cards | None = None
    name: str = ""
    datasum: int | None = None
    step: float | None = None


@spanned("write", lambda path, *_, **__: path)
def write_fits(
    path: str | os.PathLike[str],
    parts: Sequence[ImagePart | TablePart],
    *,
    compress: Compression = "none",
    overwrite: Overwrite = False,
    on_bytes: Callable[[bytes | memoryview], object] | None = None,
) -> int:
    """Write images into one FITS file, the first into the primary HDU.

    The file appears under its name when it is complete. Every HDU has DATASUM and CHECKSUM. There is no date in it.

    Parameters
    ----------
    path : path-like
        The name, used as it is: the suffix is the caller's. Its folder must be there.
    parts : sequence of ImagePart or TablePart
        At least one; the first an image.
    compress : {'none', 'gzip', 'rice', 'rice-lossy'}
        ``'gzip'``: the whole file at level 1. ``'rice'``: tiles in a binary table behind an empty primary HDU, as fpack
        writes them. Nothing is lost: integers of up to 32 bits by Rice, floats and 64-bit integers by GZIP_2 (bytes
        shuffled, not quantised). ``'rice-lossy'``: the same, but floats that have a step by Rice, quantised.
    overwrite : bool or Replaceable
        Replace a file of that name; as for `zeroframe.fits.atomic.atomic_file`.
    on_bytes : callable, optional
        Called with each piece of the file before it is written, in order; for checksums of the file.

    Returns
    -------
    int
        Bytes written.

    Raises
    ------
    ArgumentError, UsageError
        When the data are of another dtype, a header cannot be written, or `compress` is not known.
    OutputExistsError
        When there is a file of that name that may not be replaced.
    OutputError
        When the system refuses to write, say because the disk is full.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_fits(Path(folder, "flat.fits"), [ImagePart(np.ones((4, 5), np.float32))])
    5760
    """
    path = as_path(path)
    if compress not in FORMATS:
        raise ArgumentError(f"compress={compress!r} is not known{nearest_name(str(compress), FORMATS)}")
    form = FORMATS[compress]
    if not parts:
        raise UsageError(f"{path}: no image to write")
    blocks = tiled_buffers(path, parts, quantises=form.quantises) if form.is_tiled else _image_buffers(path, parts)
    with atomic_file(path, overwrite=overwrite) as descriptor:
        for block in _gzipped(blocks) if form.is_deflated else blocks:
            if on_bytes is not None:
                on_bytes(block)
            write_all(descriptor, [block])
        return os.fstat(descriptor).st_size


def _image_buffers(path: Path, parts: Sequence[ImagePart | TablePart]) -> Iterator[bytes | memoryview]:
    """Yield what stands in the file, one HDU after the other."""
    for index, part in enumerate(parts):
        if isinstance(part, TablePart):
            yield from table_buffers(part)
            continue
        described = writable_cards(path, part.header, part.name)
        data = part.data
        form = StoredForm(8, np.dtype("u1"), 0) if data is None else stored_form(path, data)
        shape = () if data is None else data.shape
        cards = mandatory_cards(form.bitpix, shape, form.bzero, primary=index == 0, extend=len(parts) > 1)
        datasum = part.datasum
        if datasum is None:
            datasum = 0 if data is None else add_sums(*map(data_sum, stored_chunks(data, form)))
        yield finished_header(cards + described, datasum)
        if data is not None:
            yield from stored_chunks(data, form)
            size = data.size * form.dtype.itemsize
            yield bytes(padded(size) - size)


def _gzipped(blocks: Iterable[bytes | memoryview]) -> Iterator[bytes]:
    """Yield the blocks compressed as one gzip member, without name and time."""
    compressor = gzip_compressor()
    for block in blocks:
        for start in range(0, len(block), CHUNK_BYTES):
            yield compressor.compress(block[start : start + CHUNK_BYTES])
    yield compressor.flush()
