"""Images whose tiles are compressed by gzip, or stored as they are, inflated to their size and no further.

What a tile of some kilobytes inflates to is bounded by nothing but its own end: 4 MB of it may hold 4 GB. astropy asks
for all of it, so it gets only tiles that have been found to be no larger than their pixels.
"""

from __future__ import annotations

import math
import re
import zlib
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

from zeroframe.errors import DamagedError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np

    from zeroframe.fits.layout import Hdu, ImageLayout

__all__ = ["check_gzip_tiles", "decode_gzip_image"]

_GZIP = ("GZIP_1", "GZIP_2")
_KINDS = (*_GZIP, "NOCOMPRESS")
_WIDTHS = {"L": 1, "X": 1, "B": 1, "I": 2, "J": 4, "K": 8, "A": 1, "E": 4, "D": 8, "C": 8, "M": 16, "P": 8, "Q": 16}
_FORM = re.compile(r"(\d{0,9})([A-Z])")
#: Of a pixel, in whatever form a tile holds it.
_WIDEST_PIXEL = 8
_GZIP_WINDOW = 31  # a gzip header, and a window of 32 KiB


@dataclass(frozen=True, slots=True)
class _Column:
    """Where the descriptors of a column of tiles stand in a row of the table: two integers of so many bytes each."""

    offset: int
    size: int


def decode_gzip_image(
    path: Path, hdu: Hdu, layout: ImageLayout, stored: np.ndarray[Any, Any]
) -> np.ndarray[Any, Any] | None:
    """Return the stored pixels of an image of gzip tiles; None where it is not of the form that is known here.

    Parameters
    ----------
    path : pathlib.Path
        The file, for messages.
    hdu : Hdu
        The table of tiles, whose sizes have been checked.
    layout : ImageLayout
        Of the image.
    stored : ndarray of uint8
        The data of the table as stored, heap included.

    Returns
    -------
    ndarray or None
        Shape and dtype of the layout. None for floats that were quantised, and for tiles of another width of integers.

    Raises
    ------
    DamagedError
        When a tile stands outside the data, cannot be inflated, or is larger than its pixels.
    """
    import numpy as np

    cards = hdu.stored_cards
    kind = cards.get("ZCMPTYPE")
    column = _column(hdu, "COMPRESSED_DATA")
    quantised = any(word in cards for word in ("ZSCALE", "ZZERO", "ZMASKCMP")) or cards.get("TFIELDS") != 1
    if kind not in _KINDS or column is None or quantised or cards.get("ZBITPIX") != layout.bitpix:
        return None
    out = np.empty(layout.shape_yx, layout.dtype)
    for number, (tile, part) in enumerate(zip(_tiles(path, hdu, stored, column), _parts(hdu, layout), strict=True), 1):
        target = out[part]
        data = tile.tobytes() if kind == "NOCOMPRESS" else _inflated(path, number, tile, target.nbytes)
        if len(data) != target.nbytes:
            if len(data) in {target.size * size for size in (1, 2, 4, 8)}:
                return None
            raise _damaged(path, f"tile {number} has {len(data):,} bytes and not {target.nbytes:,}")
        octets = np.frombuffer(data, np.uint8)
        if kind == "GZIP_2":  # the first bytes of all pixels stand before the second ones
            octets = np.ascontiguousarray(octets.reshape(out.itemsize, -1).T).reshape(-1)
        target[...] = octets.view(out.dtype).reshape(target.shape)
    return out


def check_gzip_tiles(path: Path, hdu: Hdu, layout: ImageLayout, stored: np.ndarray[Any, Any]) -> None:
    """Refuse tiles that would inflate to more than their pixels can take.

    Parameters
    ----------
    path, hdu, layout, stored
        As for `decode_gzip_image`.

    Raises
    ------
    DamagedError
        When a tile stands outside the data, or is larger than its pixels.
    """
    own = "COMPRESSED_DATA" if hdu.stored_cards.get("ZCMPTYPE") in _GZIP else "GZIP_COMPRESSED_DATA"
    for name in dict.fromkeys((own, "GZIP_COMPRESSED_DATA")):
        column = _column(hdu, name)
        if column is None:
            continue
        parts = _parts(hdu, layout)
        for number, (tile, part) in enumerate(zip(_tiles(path, hdu, stored, column), parts, strict=True), 1):
            if tile.size:
                pixels = math.prod(each.stop - each.start for each in part)
                _inflated(path, number, tile, _WIDEST_PIXEL * pixels)


def _inflated(path: Path, number: int, tile: np.ndarray[Any, Any], most_bytes: int) -> bytes:
    """Return what a tile inflates to, which is asked for only as far as it may go."""
    from isal import isal_zlib

    failures: tuple[Any, ...] = (isal_zlib.error, zlib.error, ValueError)
    inflater = isal_zlib.decompressobj(_GZIP_WINDOW)
    try:
        data: bytes = inflater.decompress(tile.data, most_bytes + 1)
    except failures as error:
        raise _damaged(path, f"tile {number}: {error}") from error
    if len(data) > most_bytes:
        raise _damaged(path, f"tile {number} is larger than its {most_bytes:,} bytes of pixels")
    return data


def _parts(hdu: Hdu, layout: ImageLayout) -> Iterator[tuple[slice, ...]]:
    """Yield where each tile stands in the image, in the order of the table; those at the far edges are smaller."""
    cards = hdu.stored_cards
    shape = layout.shape_yx
    steps = []
    for axis, size in enumerate(reversed(shape), 1):
        tile = int(str(cards.get(f"ZTILE{axis}", size if axis == 1 else 1)))
        steps.append([slice(start, min(start + tile, size)) for start in range(0, size, tile)])
    return product(*reversed(steps))


def _column(hdu: Hdu, name: str) -> _Column | None:
    """Return where the descriptors of a column stand; None where there is no such column of variable length."""
    cards = hdu.stored_cards
    fields = cards.get("TFIELDS")
    offset = 0
    for number in range(1, min(fields if isinstance(fields, int) else 0, 999) + 1):
        form = _FORM.match(str(cards.get(f"TFORM{number}", "")).strip())
        if form is None or form[2] not in _WIDTHS:
            return None
        if str(cards.get(f"TTYPE{number}", "")).strip().upper() == name:
            return _Column(offset, _WIDTHS[form[2]] // 2) if form[2] in "PQ" else None
        offset += int(form[1] or 1) * _WIDTHS[form[2]]
    return None


def _tiles(path: Path, hdu: Hdu, stored: np.ndarray[Any, Any], column: _Column) -> Iterator[np.ndarray[Any, Any]]:
    """Yield the bytes of each tile of a column; of none where a tile is kept in another column."""
    import numpy as np

    cards = hdu.stored_cards
    rows, width = int(str(cards["NAXIS2"])), int(str(cards["NAXIS1"]))
    theap = cards.get("THEAP")
    heap = stored[rows * width if isinstance(theap, bool) or not isinstance(theap, int) else max(theap, 0) :]
    if column.offset + 2 * column.size > width:
        raise _damaged(path, "the descriptors of its tiles stand outside the rows of its table")
    table = stored[: rows * width].reshape(rows, width)[:, column.offset : column.offset + 2 * column.size]
    descriptors = np.ascontiguousarray(table).view(f">i{column.size}")
    for number, (length, start) in enumerate(descriptors.tolist(), 1):
        if length < 0 or start < 0 or start + length > heap.size:
            raise _damaged(path, f"tile {number} stands outside its data")
        yield heap[start : start + length]


def _damaged(path: Path, why: str) -> DamagedError:
    return DamagedError(path, f"its compressed tiles cannot be read ({why})", "copy it again from where it came from")
