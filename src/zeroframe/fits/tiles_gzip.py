"""Images whose tiles are compressed by gzip, or stored as they are, inflated to their size and no further.

What a tile of some kilobytes inflates to is bounded by nothing but its own end: 4 MB of it may hold 4 GB. astropy asks
for all of it, so it gets only tiles that have been found to be no larger than their pixels.
"""

from __future__ import annotations

import math
import re
import zlib
from itertools import product
from typing import TYPE_CHECKING, Any

from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

    from zeroframe.fits.tile_table import TileTable

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


def decode_gzip_image(table: TileTable) -> np.ndarray[Any, Any] | None:
    """Return the stored pixels of an image of gzip tiles; None where it is not of the form that is known here.

    Parameters
    ----------
    table : TileTable
        The tiles.

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

    cards, layout = table.cards, table.layout
    kind = cards.get("ZCMPTYPE")
    column = _column(table, "COMPRESSED_DATA")
    quantised = any(word in cards for word in ("ZSCALE", "ZZERO", "ZMASKCMP")) or cards.get("TFIELDS") != 1
    if kind not in _KINDS or column is None or quantised or cards.get("ZBITPIX") != layout.bitpix:
        return None
    out = np.empty(layout.shape_yx, layout.dtype)
    for number, (tile, part) in enumerate(zip(_tiles(table, column), _parts(table), strict=True), 1):
        target = out[part]
        data = tile.tobytes() if kind == "NOCOMPRESS" else _inflated(table, number, tile, target.nbytes)
        if len(data) != target.nbytes:
            if len(data) in {target.size * size for size in (1, 2, 4, 8)}:
                return None
            raise table.damaged(f"tile {number} has {len(data):,} bytes and not {target.nbytes:,}")
        octets = np.frombuffer(data, np.uint8)
        if kind == "GZIP_2":  # the first bytes of all pixels stand before the second ones
            octets = np.ascontiguousarray(octets.reshape(out.itemsize, -1).T).reshape(-1)
        target[...] = octets.view(out.dtype).reshape(target.shape)
    return out


def check_gzip_tiles(table: TileTable) -> None:
    """Refuse tiles that would inflate to more than their pixels can take.

    Parameters
    ----------
    table : TileTable
        The tiles.

    Raises
    ------
    DamagedError
        When a tile stands outside the data, or is larger than its pixels.
    """
    own = "COMPRESSED_DATA" if table.cards.get("ZCMPTYPE") in _GZIP else "GZIP_COMPRESSED_DATA"
    for name in dict.fromkeys((own, "GZIP_COMPRESSED_DATA")):
        column = _column(table, name)
        if column is None:
            continue
        for number, (tile, part) in enumerate(zip(_tiles(table, column), _parts(table), strict=True), 1):
            if tile.size:
                pixels = math.prod(each.stop - each.start for each in part)
                _inflated(table, number, tile, _WIDEST_PIXEL * pixels)


def _inflated(table: TileTable, number: int, tile: np.ndarray[Any, Any], most_bytes: int) -> bytes:
    """Return what a tile inflates to, which is asked for only as far as it may go."""
    from isal import isal_zlib

    failures: tuple[Any, ...] = (isal_zlib.error, zlib.error, ValueError)
    inflater = isal_zlib.decompressobj(_GZIP_WINDOW)
    try:
        data: bytes = inflater.decompress(tile.data, most_bytes + 1)
    except failures as error:
        raise table.damaged(f"tile {number}: {error}") from error
    if len(data) > most_bytes:
        raise table.damaged(f"tile {number} is larger than its {most_bytes:,} bytes of pixels")
    return data


def _parts(table: TileTable) -> Iterator[tuple[slice, ...]]:
    """Yield where each tile stands in the image, in the order of the table; those at the far edges are smaller."""
    cards, shape = table.cards, table.layout.shape_yx
    steps = []
    for axis, size in enumerate(reversed(shape), 1):
        tile = int(str(cards.get(f"ZTILE{axis}", size if axis == 1 else 1)))
        steps.append([slice(start, min(start + tile, size)) for start in range(0, size, tile)])
    return product(*reversed(steps))


def _column(table: TileTable, name: str) -> _Column | None:
    """Return where the descriptors of a column stand; None where there is no such column of variable length."""
    cards = table.cards
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


def _tiles(table: TileTable, column: _Column) -> Iterator[np.ndarray[Any, Any]]:
    """Yield the bytes of each tile of a column; of none where a tile is kept in another column."""
    import numpy as np

    cards, stored = table.cards, table.stored
    rows, width = int(str(cards["NAXIS2"])), int(str(cards["NAXIS1"]))
    theap = cards.get("THEAP")
    heap = stored[rows * width if isinstance(theap, bool) or not isinstance(theap, int) else max(theap, 0) :]
    if column.offset + 2 * column.size > width:
        raise table.damaged("the descriptors of its tiles stand outside the rows of its table")
    ends = stored[: rows * width].reshape(rows, width)[:, column.offset : column.offset + 2 * column.size]
    descriptors = np.ascontiguousarray(ends).view(f">i{column.size}")
    for number, (length, start) in enumerate(descriptors.tolist(), 1):
        if length < 0 or start < 0 or start + length > heap.size:
            raise table.damaged(f"tile {number} stands outside its data")
        yield heap[start : start + length]
